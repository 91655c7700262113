//! The apps that come with gristmill: libraries beside the executable or in `../lib/gristmill`.

use std::path::{Component, Path, PathBuf};

use anyhow::Context;

use super::{WHAT_AN_APP_IS, library_name};
use crate::failure::{Failure, Outcome};

/// The name that `app` may be: one plain word, nothing that looks like a path or a file.
pub(super) fn name(app: &Path) -> Option<&str> {
    let mut parts = app.components();
    let (Some(Component::Normal(_)), None) = (parts.next(), parts.next()) else { return None };
    let name = app.to_str()?;
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    plain.then_some(name)
}

/// The library of the bundled app `name`; an error lists where it was looked for.
pub(super) fn find(name: &str) -> Outcome<PathBuf> {
    let executable = std::env::current_exe().context("find this executable").map_err(Failure::failed)?;
    find_beside(&executable, name)
}

fn find_beside(executable: &Path, name: &str) -> Outcome<PathBuf> {
    // Cargo turns `-` into `_` when it names a library after a package.
    let library = library_name(&name.replace('-', "_"));
    let beside = executable.parent().unwrap_or(Path::new("/"));
    let installed = beside.parent().unwrap_or(beside).join("lib/gristmill");
    let places = [beside.join(&library), installed.join(&library)];
    if let Some(found) = places.iter().find(|place| place.is_file()) {
        return Ok(found.clone());
    }
    let [first, second] = places;
    Err(Failure::wrong(format!(
        "there is no file or directory and no bundled app `{name}`; looked for {} and {}",
        first.display(),
        second.display()
    ))
    .hint(WHAT_AN_APP_IS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_word_names_a_bundled_app() {
        assert_eq!(name(Path::new("wc")), Some("wc"));
        assert_eq!(name(Path::new("top-k_2")), Some("top-k_2"));
        for path in ["", ".", "..", "./wc", "a/b", "wc.so", "/wc", "w c"] {
            assert_eq!(name(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn beside_the_executable_comes_before_the_library_directory() {
        let root = tempfile::tempdir().unwrap();
        let (bin, lib) = (root.path().join("bin"), root.path().join("lib/gristmill"));
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(&lib).unwrap();
        let executable = bin.join("gristmill");

        assert!(find_beside(&executable, "my-app").is_err());
        std::fs::write(lib.join(library_name("my_app")), "").unwrap();
        assert!(find_beside(&executable, "my-app").unwrap().starts_with(root.path().join("lib")));
        std::fs::write(bin.join(library_name("my_app")), "").unwrap();
        assert_eq!(find_beside(&executable, "my-app").unwrap(), bin.join(library_name("my_app")));
    }
}
