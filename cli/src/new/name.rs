//! Which names a new crate may have.

use std::path::Path;

/// Words that cargo or rustc would trip over.
const RESERVED: [&str; 62] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "gristmill-sdk",
    "gristmill_sdk",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// The name of the crate in `directory`: its last part, if that can be the name of a crate.
pub(super) fn of_crate(directory: &Path) -> Result<&str, String> {
    let name = directory.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| format!("`{}` does not name a new crate", directory.display()))?;
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(letters) || name.len() > 64 {
        return Err(format!(
            "`{name}` cannot name a crate; begin with a letter and use only letters, digits, `-` and `_` (at most 64)"
        ));
    }
    if RESERVED.binary_search(&name).is_ok() {
        return Err(format!("`{name}` cannot name a crate: the word is reserved"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_words_are_sorted() {
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn the_last_part_of_a_path_names_the_crate() {
        assert_eq!(of_crate(Path::new("/tmp/My-app_2/")), Ok("My-app_2"));
    }

    #[test]
    fn what_cannot_name_a_crate_is_refused() {
        for path in ["", ".", "..", "/", "2fast", "-x", "a b", "naïve", "a.b", "fn", "test", "gristmill-sdk"]
        {
            assert!(of_crate(Path::new(path)).is_err(), "{path}");
        }
        assert!(of_crate(Path::new(&"x".repeat(65))).is_err());
    }
}
