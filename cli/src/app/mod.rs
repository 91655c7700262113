//! From what `--app` says to a library file: a crate is built, a file is taken, a bundled app is looked up.
//!
//! A path that exists wins over a bundled app of the same name. Whether the library is a plugin is not asked here.

mod build;
mod bundled;

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

/// The library of an app. `quiet` leaves out all but errors on standard error while a crate is built.
pub(crate) fn resolve(app: &Path, quiet: bool) -> Outcome<PathBuf> {
    match app.metadata() {
        Ok(kind) if kind.is_dir() => build::build(app, quiet),
        // Whoever loads it may be in another directory.
        Ok(kind) if kind.is_file() => std::path::absolute(app).map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context(format!("find app {}", app.display())))
        }),
        Ok(_) => Err(Failure::wrong(format!("app {} is neither a directory nor a file", app.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match bundled::name(app) {
            Some(name) => bundled::find(name),
            None => Err(Failure::wrong(format!("app {} does not exist", app.display())).hint(WHAT_AN_APP_IS)),
        },
        Err(error) => {
            Err(Failure::usage(anyhow::Error::new(error).context(format!("open app {}", app.display()))))
        }
    }
}

const WHAT_AN_APP_IS: &str = "give a crate directory, a library file, or the name of a bundled app (wc, indexer, grep, sort, topk, join)";

fn library_name(name: &str) -> String {
    format!("{DLL_PREFIX}{name}{DLL_SUFFIX}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(resolve(file.path(), true).unwrap(), file.path());
    }

    #[test]
    fn a_file_named_from_here_is_named_from_the_root() {
        // Tests run in the directory of their crate.
        let here = Path::new("Cargo.toml");
        assert_eq!(resolve(here, true).unwrap(), here.canonicalize().unwrap());
    }

    #[test]
    fn a_missing_path_is_told_apart_from_a_missing_bundled_app() {
        let path = resolve(Path::new("no/such/thing"), true).unwrap_err().to_string();
        assert!(path.contains("app no/such/thing does not exist"), "{path}");
        let name = resolve(Path::new("nosuchapp"), true).unwrap_err().to_string();
        assert!(name.contains("no bundled app `nosuchapp`") && name.contains("libnosuchapp.so"), "{name}");
    }

    #[test]
    fn a_directory_that_is_no_crate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let message = resolve(dir.path(), true).unwrap_err().to_string();
        assert!(message.contains("has no Cargo.toml"), "{message}");
    }
}
