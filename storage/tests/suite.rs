//! What every storage must do, told once and run by each; and what a storage does that begins to fail.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs;
use std::path::Path;

use gristmill_storage::{Faulty, Kind, Local, Storage};

fn read(storage: &dyn Storage, path: &Path) -> Vec<u8> {
    let file = storage.open(path).unwrap();
    let mut bytes = vec![0; usize::try_from(file.bytes()).unwrap() + 8];
    let mut filled = 0;
    loop {
        match file.read_at(&mut bytes[filled..], filled as u64).unwrap() {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    bytes
}

fn keeps_the_contract(storage: &dyn Storage, root: &Path) {
    let directory = root.join("a/b");
    assert_eq!(storage.stat(&directory).unwrap(), None);
    storage.create_directory(&directory).unwrap();
    storage.create_directory(&directory).unwrap();
    assert_eq!(storage.stat(&directory).unwrap().unwrap().kind, Kind::Directory);

    let file = directory.join("file");
    storage.write(&file, b"first and longer").unwrap();
    storage.write(&file, b"second").unwrap();
    assert_eq!(storage.stat(&file).unwrap().unwrap().bytes, 6);
    assert_eq!(read(storage, &file), b"second");
    assert_eq!(storage.open(&file).unwrap().read_at(&mut [0; 4], 99).unwrap(), 0);
    assert_eq!(storage.stat(&file.join("below a file")).unwrap(), None);

    let other = directory.join("other");
    storage.write(&other, b"to be replaced").unwrap();
    storage.sync_file(&file).unwrap();
    storage.rename(&file, &other).unwrap();
    storage.sync_directory(&directory).unwrap();
    assert_eq!(read(storage, &other), b"second");
    assert!(storage.rename(&file, &other).is_err(), "what is gone cannot be renamed");

    let lock = storage.lock_directory(&directory).unwrap();
    assert!(lock.is_some());
    assert!(storage.lock_directory(&directory).unwrap().is_none(), "a lock has one holder");
    drop(lock);
    assert!(storage.lock_directory(&directory).unwrap().is_some());
    assert!(storage.lock_directory(&root.join("absent")).is_err());

    storage.write(&directory.join("a"), b"").unwrap();
    let names: Vec<_> = storage.list(&directory).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "other"], "sorted, and no temporary name left");

    assert!(!storage.remove_empty_directory(&directory).unwrap());
    storage.remove_file(&directory.join("a")).unwrap();
    storage.remove_file(&directory.join("a")).unwrap();
    storage.remove_tree(&root.join("a")).unwrap();
    storage.remove_tree(&root.join("a")).unwrap();
    assert_eq!(storage.stat(&root.join("a")).unwrap(), None);
    assert!(storage.list(&directory).is_err());
    assert!(storage.open(&file).is_err());
    assert!(storage.remove_empty_directory(&directory).unwrap());
}

#[test]
fn local_storage_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    keeps_the_contract(&Local, root.path());
}

#[test]
fn faulty_storage_keeps_the_contract_until_it_fails() {
    let root = tempfile::tempdir().unwrap();
    let storage = Faulty::new(Local, u64::MAX);
    keeps_the_contract(&storage, root.path());
    assert!(storage.operations() > 20);
}

#[test]
fn faulty_storage_fails_from_the_chosen_operation_on_and_names_it() {
    let root = tempfile::tempdir().unwrap();
    let storage = Faulty::new(Local, 1);
    let file = root.path().join("file");
    storage.write(&file, b"x").unwrap();
    let error = storage.remove_file(&file).unwrap_err().to_string();
    assert!(error.starts_with("cannot remove ") && error.contains("file"), "{error}");
    assert!(storage.stat(&file).is_err());
    assert!(fs::exists(&file).unwrap(), "what fails does nothing");
}

#[test]
fn written_files_have_ordinary_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let (ours, plain) = (root.path().join("ours"), root.path().join("plain"));
    Local.write(&ours, b"").unwrap();
    fs::write(&plain, b"").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}
