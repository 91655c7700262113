//! Which files a user's arguments name.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gristmill_storage::{Input, Local, StorageError, list_inputs};

fn list(arguments: &[&Path]) -> Result<Vec<Input>, StorageError> {
    let arguments: Vec<OsString> = arguments.iter().map(|path| path.as_os_str().to_owned()).collect();
    list_inputs(&Local, &arguments)
}

fn names(root: &Path, inputs: &[Input]) -> Vec<OsString> {
    inputs.iter().map(|input| input.name.strip_prefix(root).unwrap().as_os_str().to_owned()).collect()
}

fn tree(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.as_bytes()).unwrap();
    }
    root
}

#[test]
fn a_directory_stands_for_its_files_and_those_below_in_order() {
    let root = tree(&["d/b", "d/a", "d/sub/c", "d/.hidden", "d/_SUCCESS", "d/_tmp/x", "d/.git/y"]);
    let inputs = list(&[&root.path().join("d")]).unwrap();
    assert_eq!(names(root.path(), &inputs), ["d/a", "d/b", "d/sub/c"]);
    assert!(inputs.iter().all(|input| input.path.is_absolute() && input.splittable));
    assert_eq!(inputs[2].version.bytes, 7);
}

#[test]
fn what_is_named_itself_is_taken_whatever_its_name_and_as_often_as_named() {
    let root = tree(&["_odd", "a[1]*.txt", "z"]);
    let path = |name: &str| root.path().join(name);
    let inputs = list(&[&path("z"), &path("a[1]*.txt"), &path("_odd"), &path("z")]).unwrap();
    assert_eq!(names(root.path(), &inputs), ["_odd", "a[1]*.txt", "z", "z"]);
}

#[test]
fn globs_match_name_by_name_and_not_hidden_ones() {
    let root = tree(&["x/1.txt", "x/2.log", "y/3.txt", ".h/4.txt", "y/deep/er/5.txt", "y/.6.txt"]);
    let glob = |pattern: &str| list(&[&root.path().join(pattern)]).map(|inputs| names(root.path(), &inputs));
    assert_eq!(glob("*/*.txt").unwrap(), ["x/1.txt", "y/3.txt"]);
    assert_eq!(glob("**/*.txt").unwrap(), ["x/1.txt", "y/3.txt", "y/deep/er/5.txt"]);
    assert_eq!(glob("[x]/?.*").unwrap(), ["x/1.txt", "x/2.log"]);
    assert_eq!(glob("y/.*").unwrap(), ["y/.6.txt"]);
    assert_eq!(glob("?").unwrap(), ["x/1.txt", "x/2.log", "y/3.txt", "y/deep/er/5.txt"], "directories, too");
    assert!(matches!(glob("*/nothing").unwrap_err(), StorageError::NothingMatches(_)));
    assert!(matches!(glob("x/[").unwrap_err(), StorageError::BadPattern { .. }));
}

#[test]
fn names_of_any_bytes_are_listed_by_directory_and_by_glob() {
    let root = tempfile::tempdir().unwrap();
    let odd = [&b"new\nline"[..], b"not \xff utf-8", b"space d"].map(OsStr::from_bytes);
    for name in odd {
        fs::write(root.path().join(name), "x").unwrap();
    }
    assert_eq!(names(root.path(), &list(&[root.path()]).unwrap()), odd);
    assert_eq!(names(root.path(), &list(&[&root.path().join("*")]).unwrap()), odd);
}

#[test]
fn files_that_begin_or_are_named_as_compressed_are_not_split() {
    let root = tree(&["plain", "really-text.gz"]);
    fs::write(root.path().join("gzip.txt"), b"\x1f\x8b\x08\x00rest").unwrap();
    fs::write(root.path().join("zstd"), b"\x28\xb5\x2f\xfdrest").unwrap();
    let splittable: Vec<bool> = list(&[root.path()]).unwrap().iter().map(|input| input.splittable).collect();
    assert_eq!(splittable, [false, true, false, false]);
}

#[test]
fn what_cannot_be_an_input_is_named() {
    let root = tree(&["d/_only", "ok"]);
    fs::create_dir(root.path().join("empty")).unwrap();
    let at = |name: &str| list(&[&root.path().join(name)]).unwrap_err();
    assert!(matches!(list(&[]).unwrap_err(), StorageError::NoInputs));
    assert!(matches!(at("missing"), StorageError::InputMissing(path) if path.ends_with("missing")));
    assert!(matches!(at("d"), StorageError::DirectoryWithoutFiles(path) if path.ends_with("d")));
    assert!(matches!(at("empty"), StorageError::DirectoryWithoutFiles(_)));
    assert!(matches!(list(&[Path::new("/dev/null")]).unwrap_err(), StorageError::InputNotAFile(_)));
}

#[test]
fn links_to_files_are_followed_and_links_to_directories_are_not_entered() {
    let root = tree(&["real/file", "d/plain"]);
    std::os::unix::fs::symlink(root.path().join("real/file"), root.path().join("d/link")).unwrap();
    std::os::unix::fs::symlink(root.path().join("d"), root.path().join("d/loop")).unwrap();
    std::os::unix::fs::symlink(root.path().join("gone"), root.path().join("d/dangling")).unwrap();
    assert_eq!(names(root.path(), &list(&[&root.path().join("d")]).unwrap()), ["d/link", "d/plain"]);
}

#[test]
fn a_name_that_climbs_is_kept_and_its_path_does_not_climb() {
    let root = tree(&["deep/a", "b"]);
    let named = root.path().join("deep/../b");
    let inputs = list(&[&named]).unwrap();
    assert_eq!(inputs[0].name, named);
    assert_eq!(inputs[0].path, root.path().canonicalize().unwrap().join("b"));
}
