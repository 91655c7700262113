//! Commits: all or nothing, once, and carried on after a crash between any two steps.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use gristmill_storage::{Faulty, Local, Operation, Output, Staged, Storage, StorageError, output_name};

const JOB: &str = "gristmill-0123-j1";
const MANIFEST: &[u8] = b"{\"job\":\"j1\"}";

fn local(directory: &Path, overwrite: bool) -> Output {
    Output::new(Arc::new(Local), directory, JOB, overwrite)
}

/// Stages three files as attempts would.
fn stage(output: &Output) -> Vec<Staged> {
    let stage = |index: u32| {
        let path = output.staging().join(format!("r{index}.a0"));
        let content = format!("new {index}");
        fs::write(&path, &content).unwrap();
        Staged { path, name: output_name(index), bytes: content.len() as u64 }
    };
    (0..3).map(stage).collect()
}

fn contents(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let content = if entry.path().is_dir() {
                "directory".into()
            } else {
                fs::read_to_string(entry.path()).unwrap()
            };
            (name, content)
        })
        .collect()
}

fn committed() -> BTreeMap<String, String> {
    let mut files: BTreeMap<_, _> =
        (0..3).map(|index| (output_name(index), format!("new {index}"))).collect();
    files.insert("_SUCCESS".into(), String::from_utf8(MANIFEST.to_vec()).unwrap());
    files
}

fn old_output(directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    for index in 0..5 {
        fs::write(directory.join(output_name(index)), format!("old {index}")).unwrap();
    }
    fs::write(directory.join("_SUCCESS"), "old").unwrap();
}

#[test]
fn a_commit_shows_everything_and_leaves_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("made/out");
    let output = local(&out, false);
    output.prepare().unwrap();
    let files = stage(&output);
    output.commit(&files, MANIFEST).unwrap();
    assert_eq!(contents(&out), committed());
    output.commit(&files, MANIFEST).unwrap();
    assert_eq!(contents(&out), committed(), "a repeated commit changes nothing");
}

#[test]
fn a_commit_that_fails_at_any_operation_can_be_carried_on() {
    for overwrite in [false, true] {
        for fails_at in 0.. {
            let root = tempfile::tempdir().unwrap();
            let out = root.path().join("out");
            if overwrite {
                old_output(&out);
            }
            let output = local(&out, overwrite);
            output.prepare().unwrap();
            let files = stage(&output);
            let faulty = Arc::new(Faulty::new(Local, fails_at));
            let first = Output::new(Arc::clone(&faulty) as Arc<dyn Storage>, &out, JOB, overwrite)
                .commit(&files, MANIFEST);
            let seen = contents(&out);
            let staging = out.join(format!(".{JOB}"));
            let is_ready = ["_SUCCESS", "READY"].iter().all(|name| staging.join(name).exists());
            let is_past = staging.join("COMMITTING").exists() || !staging.exists();
            let wrote_last = matches!(&first, Err(StorageError::Io { operation: Operation::Write, .. }));
            if overwrite && (wrote_last || !is_ready && !is_past) {
                assert_eq!(
                    seen.len(),
                    7,
                    "an old output is whole while something has to be written: {seen:?}"
                );
                assert_eq!(seen["_SUCCESS"], "old");
            }
            assert!(!wrote_last || !seen.contains_key("mr-out-00000") || overwrite, "{seen:?}");
            if seen.get("_SUCCESS").is_some_and(|success| success != "old") {
                assert!(
                    committed().iter().all(|(name, content)| seen.get(name) == Some(content)),
                    "{seen:?}"
                );
            }
            if seen.get("_SUCCESS").is_some_and(|success| success == "old") {
                assert_eq!(
                    seen.values().filter(|content| content.starts_with("old ")).count(),
                    5,
                    "{seen:?}"
                );
            }
            local(&out, overwrite).commit(&files, MANIFEST).unwrap();
            assert_eq!(contents(&out), committed(), "overwrite {overwrite}, failure at {fails_at}");
            if first.is_ok() {
                assert!(fails_at > 10, "the commit was interrupted at every operation");
                break;
            }
        }
    }
}

#[test]
fn a_directory_that_holds_something_is_refused_and_kept() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("notes"), "mine").unwrap();
    let error = local(root.path(), false).prepare().unwrap_err();
    assert!(matches!(&error, StorageError::OutputExists { found, .. } if found == "notes"));
    assert!(error.to_string().contains("choose another or add --overwrite"), "{error}");
    assert_eq!(contents(root.path()).len(), 1);
    let error = local(&root.path().join("notes"), true).prepare().unwrap_err();
    assert!(matches!(error, StorageError::OutputNotADirectory(_)));
}

#[test]
fn an_empty_directory_and_our_own_staging_are_fine() {
    let root = tempfile::tempdir().unwrap();
    local(root.path(), false).prepare().unwrap();
    local(root.path(), false).prepare().unwrap();
    let other = Output::new(Arc::new(Local), root.path(), "gristmill-0123-j2", false);
    assert!(matches!(other.prepare().unwrap_err(), StorageError::OutputExists { .. }));
}

fn reserved(directory: &Path, request: &str) -> Output {
    Output::reserved(Arc::new(Local), directory, request, false)
}

#[test]
fn what_a_dead_process_has_reserved_is_in_nobodys_way() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("out");
    drop(reserved(&directory, "9876-1-1").prepare().unwrap());
    let next = reserved(&directory, "9876-2-1");
    let lock = next.prepare().unwrap();
    assert_eq!(contents(&directory).into_keys().collect::<Vec<_>>(), [".gristmill-request-9876-2-1"]);
    // The directory was made for the first, and is removed with the second.
    next.discard().unwrap();
    drop(lock);
    assert!(!directory.exists());
}

#[test]
fn what_a_living_process_has_reserved_and_what_is_beside_it_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let living = reserved(root.path(), "9876-1-1");
    let lock = living.prepare().unwrap();
    let refused = || reserved(root.path(), "9876-2-1").prepare().unwrap_err();
    assert!(matches!(refused(), StorageError::OutputExists { .. }));
    assert!(living.staging().exists());
    drop(lock);
    fs::write(root.path().join("notes"), "mine").unwrap();
    assert!(matches!(refused(), StorageError::OutputExists { found, .. } if found == "notes"));
    assert!(living.staging().exists());
    fs::remove_file(root.path().join("notes")).unwrap();
    // A file is none of ours, whatever its name.
    fs::write(root.path().join(".gristmill-request-mine"), "mine").unwrap();
    assert!(matches!(refused(), StorageError::OutputExists { .. }));
    assert_eq!(fs::read(root.path().join(".gristmill-request-mine")).unwrap(), b"mine");
}

#[test]
fn overwrite_touches_the_old_output_only_at_the_commit_and_nothing_but_it() {
    let root = tempfile::tempdir().unwrap();
    old_output(root.path());
    fs::write(root.path().join("notes"), "mine").unwrap();
    let output = local(root.path(), true);
    output.prepare().unwrap();
    let files = stage(&output);
    assert_eq!(contents(root.path())["mr-out-00004"], "old 4");
    output.commit(&files, MANIFEST).unwrap();
    let mut expected = committed();
    expected.insert("notes".into(), "mine".into());
    assert_eq!(contents(root.path()), expected);
}

#[test]
fn overwrite_removes_what_killed_jobs_have_staged() {
    let root = tempfile::tempdir().unwrap();
    let killed = Output::new(Arc::new(Local), root.path(), "gristmill-9876-j4", false);
    killed.prepare().unwrap();
    stage(&killed);
    let output = local(root.path(), true);
    output.prepare().unwrap();
    output.commit(&stage(&output), MANIFEST).unwrap();
    assert_eq!(contents(root.path()), committed());
}

#[test]
fn overwrite_keeps_what_a_living_job_stages_even_when_its_directory_is_renamed() {
    let root = tempfile::tempdir().unwrap();
    let request = Output::reserved(Arc::new(Local), root.path(), "9876-1-1", true);
    let lock = request.prepare().unwrap();
    assert!(matches!(request.lock_staging().unwrap_err(), StorageError::OutputBusy(_)));
    let living = Output::new(Arc::new(Local), root.path(), "gristmill-9876-j4", true);
    fs::rename(request.staging(), living.staging()).unwrap();
    let files = stage(&living);
    let output = local(root.path(), true);
    let _own = output.prepare().unwrap();
    output.commit(&stage(&output), MANIFEST).unwrap();
    let mut expected = committed();
    expected.insert(".gristmill-9876-j4".into(), "directory".into());
    assert_eq!(contents(root.path()), expected);
    living.commit(&files, b"later").unwrap();
    drop(lock);
    expected = committed();
    expected.insert("_SUCCESS".into(), "later".into());
    assert_eq!(contents(root.path()), expected);
}

#[test]
fn two_do_not_commit_to_one_directory_at_once() {
    let root = tempfile::tempdir().unwrap();
    let output = local(root.path(), false);
    let _own = output.prepare().unwrap();
    let files = stage(&output);
    let other = Local.lock_directory(root.path()).unwrap();
    assert!(matches!(output.commit(&files, MANIFEST).unwrap_err(), StorageError::OutputBusy(_)));
    drop(other);
    output.commit(&files, MANIFEST).unwrap();
}

#[test]
fn an_output_that_appeared_meanwhile_is_not_mixed_with() {
    let root = tempfile::tempdir().unwrap();
    let output = local(root.path(), false);
    output.prepare().unwrap();
    let files = stage(&output);
    fs::write(root.path().join("mr-out-00001"), "new 1").unwrap();
    assert!(matches!(output.commit(&files, MANIFEST).unwrap_err(), StorageError::OutputExists { .. }));
    assert_eq!(contents(root.path()).len(), 2);
}

#[test]
fn a_staged_file_that_is_gone_or_of_another_size_is_no_success() {
    let root = tempfile::tempdir().unwrap();
    let output = local(root.path(), true);
    output.prepare().unwrap();
    let files = stage(&output);
    fs::write(&files[1].path, "cut").unwrap();
    assert!(matches!(
        output.commit(&files, MANIFEST).unwrap_err(),
        StorageError::WrongSize { expected: 5, found: 3, .. }
    ));
    fs::remove_file(&files[1].path).unwrap();
    assert!(matches!(output.commit(&files, MANIFEST).unwrap_err(), StorageError::StagedMissing { .. }));
    assert!(!contents(root.path()).contains_key("_SUCCESS"));
}

#[test]
fn discard_removes_what_the_job_made_and_no_more() {
    let root = tempfile::tempdir().unwrap();
    let made = root.path().join("made");
    let output = local(&made, false);
    output.prepare().unwrap();
    stage(&output);
    output.discard().unwrap();
    output.discard().unwrap();
    assert!(!fs::exists(&made).unwrap());

    let output = local(root.path(), false);
    output.prepare().unwrap();
    output.discard().unwrap();
    assert_eq!(contents(root.path()), BTreeMap::new(), "a directory that was there stays");
}
