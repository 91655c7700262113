//! The files of a new app.

use std::path::Path;

pub(super) const GITIGNORE: &str = "/target\n/gristmill-out\n";

pub(super) fn manifest(name: &str, sdk: &Path) -> String {
    format!(
        r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"
publish = false

# A workspace of its own, wherever the folder lies.
[workspace]

[lib]
crate-type = ["cdylib"]

[dependencies]
gristmill-sdk = {{ path = {sdk} }}

# Panics are caught and told as errors of one attempt: never add `panic = "abort"`.
[profile.release]
lto = "fat"
codegen-units = 1
"#,
        sdk = toml_string(&sdk.to_string_lossy()),
    )
}

fn toml_string(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

pub(super) fn library(name: &str) -> String {
    format!(
        r#"//! {name}: counts words, until you make it do something better.

use gristmill_sdk::prelude::*;

#[derive(Default)]
struct WordCount;

impl App for WordCount {{
    type Key = str;
    type Value = u64;

    // Optional: adds counts up before they are sorted and sent. Leave it out where it makes no sense.
    const COMBINE: Option<Combine<Self>> = Some(|total, next| *total += next);

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {{
        for word in split.words() {{
            emit.pair(word, 1);
        }}
        Ok(())
    }}

    fn reduce(&mut self, word: &str, counts: Values<'_, u64>, out: &mut Output<'_>) -> Result<()> {{
        out.pair(word, counts.sum::<u64>());
        Ok(())
    }}
}}

gristmill_sdk::export!(WordCount);

#[cfg(test)]
mod tests {{
    use super::*;
    use gristmill_sdk::testing::{{TestJob, run_every_way}};

    #[test]
    fn words_are_counted() {{
        let job = TestJob::new().input("a.txt", "to be or not\nto be\n");
        let outcome = run_every_way::<WordCount>(&job).unwrap();
        assert_eq!(outcome.text(), "be 2\nnot 1\nor 1\nto 2\n");
    }}
}}
"#
    )
}

pub(super) fn readme(name: &str) -> String {
    format!(
        "\
# {name}

An app for Gristmill. `src/lib.rs` holds all of it.

    cargo test                                  # its unit tests
    gristmill check .                           # tries it with odd inputs
    gristmill run --app . -o out INPUT…         # builds and runs it; the result is in out/mr-out-*

`vendor/gristmill-sdk` is a copy of the sdk that this gristmill came with: the crate needs no network to build.
`cargo doc --open -p gristmill-sdk` shows what an app can do.
"
    )
}

pub(super) fn next_steps(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "created {directory}\nnext cargo test --manifest-path {directory}/Cargo.toml\nnext gristmill run --app {directory} INPUT…\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_toml_has_them() {
        assert_eq!(toml_string("/a \"b\"\\c\n/ü"), r#""/a \"b\"\\c\u000A/ü""#);
    }
}
