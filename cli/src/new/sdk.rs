//! The copy of the sdk that this binary carries.

/// Where the copy lies in a new crate.
pub(super) const VENDORED: &str = "vendor/gristmill-sdk";

static SOURCES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

/// Every file of the copy. Its manifest is its own: that of the sdk leans on the workspace around it.
pub(super) fn files() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let manifest = ("Cargo.toml", manifest().into_bytes());
    std::iter::once(manifest).chain(SOURCES.iter().map(|(path, bytes)| (*path, bytes.to_vec())))
}

fn manifest() -> String {
    format!(
        r#"# A copy of the sdk that came with gristmill {version}. To renew it, run `gristmill new` elsewhere and copy its vendor folder.
[package]
name = "gristmill-sdk"
description = "All that an author of a Gristmill app depends on"
version = "{version}"
edition = "2024"
rust-version = "{rust_version}"
license = "MIT"
publish = false

[features]
# Shows benches what is inside; nothing for apps.
bench = []
"#,
        version = env!("CARGO_PKG_VERSION"),
        rust_version = env!("CARGO_PKG_RUST_VERSION"),
    )
}
