//! `gristmill new`: writes a crate with a small word count, its test, and a copy of the sdk.
//!
//! The sdk is copied, not named by version or by a path to some checkout: crates are not published, and a copy builds offline, on any
//! machine, for as long as the crate lives.

mod name;
mod sdk;
mod template;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::arguments::NewArguments;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Writes the crate and says what to do with it.
pub(crate) fn new(arguments: &NewArguments) -> Outcome {
    let directory = &arguments.name;
    let name = name::of_crate(directory).map_err(Failure::wrong)?;
    refuse_what_holds_something(directory)?;
    let sdk = match &arguments.path {
        Some(path) => Some(absolute_sdk(path)?),
        None => None,
    };
    let files = files(name, sdk.as_deref());
    write(directory, &files)
        .with_context(|| format!("write the crate {}", directory.display()))
        .map_err(Failure::failed)?;
    output::result(&template::next_steps(directory))
}

/// Every file of the crate, by its path in it.
fn files(name: &str, sdk: Option<&Path>) -> Vec<(PathBuf, Vec<u8>)> {
    let dependency = sdk.unwrap_or(Path::new(sdk::VENDORED));
    let mut files: Vec<(PathBuf, Vec<u8>)> = vec![
        ("Cargo.toml".into(), template::manifest(name, dependency).into_bytes()),
        ("src/lib.rs".into(), template::library(name).into_bytes()),
        (".gitignore".into(), template::GITIGNORE.into()),
        ("README.md".into(), template::readme(name).into_bytes()),
    ];
    if sdk.is_none() {
        files.extend(sdk::files().map(|(path, bytes)| (Path::new(sdk::VENDORED).join(path), bytes)));
    }
    files
}

fn refuse_what_holds_something(directory: &Path) -> Outcome {
    let mut entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            let context = format!("look into {}", directory.display());
            return Err(Failure::usage(anyhow::Error::new(error).context(context)));
        }
    };
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(Failure::wrong(format!("{} exists and is not empty", directory.display()))
            .hint("choose another name, or empty the directory first")),
    }
}

fn absolute_sdk(path: &Path) -> Outcome<PathBuf> {
    let manifest = fs::read_to_string(path.join("Cargo.toml"));
    if manifest.is_ok_and(|text| text.contains("name = \"gristmill-sdk\"")) {
        return path.canonicalize().context("find the sdk").map_err(Failure::usage);
    }
    Err(Failure::wrong(format!("{} is not the directory of gristmill-sdk", path.display()))
        .hint("give the folder `sdk` of a checkout of gristmill, or leave --path out to get a copy"))
}

fn write(directory: &Path, files: &[(PathBuf, Vec<u8>)]) -> anyhow::Result<()> {
    for (path, bytes) in files {
        let path = directory.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: PathBuf) -> NewArguments {
        NewArguments { name: path, path: None }
    }

    #[test]
    fn a_directory_that_holds_something_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("thesis.txt"), "precious").unwrap();
        let directory = root.path().to_owned();
        let renamed = directory.with_file_name("some-app");
        fs::rename(&directory, &renamed).unwrap();
        let failure = new(&named(renamed.clone())).unwrap_err();
        assert!(failure.to_string().contains("is not empty"), "{failure}");
        assert_eq!(fs::read_dir(&renamed).unwrap().count(), 1);
        fs::rename(&renamed, &directory).unwrap();
    }

    #[test]
    fn the_crate_brings_all_of_the_sdk_with_it() {
        let names: Vec<PathBuf> = files("app", None).into_iter().map(|(path, _)| path).collect();
        for needed in
            ["Cargo.toml", "src/lib.rs", "vendor/gristmill-sdk/Cargo.toml", "vendor/gristmill-sdk/src/lib.rs"]
        {
            assert!(names.contains(&PathBuf::from(needed)), "{needed} is not among {names:?}");
        }
    }

    #[test]
    fn with_a_path_nothing_is_copied() {
        let files = files("app", Some(Path::new("/a \"quoted\" place")));
        assert!(!files.iter().any(|(path, _)| path.starts_with("vendor")));
        let manifest = String::from_utf8(files[0].1.clone()).unwrap();
        assert!(manifest.contains(r#"path = "/a \"quoted\" place""#), "{manifest}");
    }
}
