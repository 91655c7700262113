//! `gristmill run` as a shell sees it: results on standard output, the same bytes as the oracle's, nothing left.
#![expect(clippy::unwrap_used, reason = "what helps a test is as strict as the test")]

mod support;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use support::{Ended, gristmill, nothing_left, plugin};

fn run(place: &Path, options: &[&str], inputs: &[&OsStr]) -> Ended {
    let library = plugin(place, &[]);
    let mut arguments: Vec<OsString> = vec!["run".into(), "--app".into(), library.into()];
    arguments.extend(options.iter().map(OsString::from));
    arguments.push("--".into());
    arguments.extend(inputs.iter().map(OsString::from));
    gristmill(place, arguments)
}

fn files(directory: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    let parts = entries.filter(|entry| entry.file_name() != "_SUCCESS");
    parts.map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn the_engine_and_the_oracle_agree_and_leave_nothing() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a.txt"), "to be or not to be\n".repeat(500)).unwrap();
    let options = ["--quiet", "-r", "3", "--slots", "2", "--split-size", "1k"];
    let ended = run(place.path(), &options, &["a.txt".as_ref()]).is(0);
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);
    let oracle = run(place.path(), &["--sequential", "-r", "3", "-o", "oracle"], &["a.txt".as_ref()]).is(0);
    assert_eq!(files(&place.path().join("gristmill-out")), files(&place.path().join("oracle")));
    for (text, maps) in [(ended.stdout, "maps 10\n"), (oracle.stdout, "maps 1\n")] {
        for part in ["app faulty\n", "state done\n", "reduces 3\n", "bytes_in 9500 (9.3 KiB)\n", maps] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }
    nothing_left(place.path());
}

#[test]
fn names_of_any_bytes_are_read() {
    let place = tempfile::tempdir().unwrap();
    let names = [&b"with space"[..], b"with\nnewline", b"not utf-8 \xff", b"-dash"].map(OsStr::from_bytes);
    for name in names {
        std::fs::write(place.path().join(name), "x\n").unwrap();
    }
    run(place.path(), &["-r", "1"], &names).is(0).prints("maps 4\n");
    let all = files(&place.path().join("gristmill-out"));
    assert_eq!(all[OsStr::new("mr-out-00000")], b"x 4\n");
}

#[test]
fn an_input_that_is_named_twice_is_read_twice_with_a_warning() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a"), "x\n").unwrap();
    run(place.path(), &["-r", "1"], &["a".as_ref(), "a".as_ref()]).is(0).says("more than once");
    assert_eq!(files(&place.path().join("gristmill-out"))[OsStr::new("mr-out-00000")], b"x 2\n");
}

#[test]
fn the_summary_as_json_is_one_document_either_way() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a"), "x\n").unwrap();
    let engine = run(place.path(), &["--json", "-o", "one"], &["a".as_ref()]).is(0).json();
    let oracle = run(place.path(), &["--json", "-o", "two", "--sequential"], &["a".as_ref()]).is(0).json();
    let keys =
        |document: &serde_json::Value| document.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&engine), keys(&oracle));
    assert_eq!((&engine["job"], &oracle["job"]), (&"j1".into(), &serde_json::Value::Null));
    assert_eq!(engine["records_out"], oracle["records_out"]);
}

#[test]
fn a_job_that_fails_is_status_1_with_its_reason_on_both_streams() {
    let place = tempfile::tempdir().unwrap();
    let library = plugin(place.path(), &["-DFAULT_REFUSES"]);
    std::fs::write(place.path().join("a"), "x\n").unwrap();
    for way in [&["--slots", "1"][..], &["--sequential"]] {
        let arguments = [&["run", "--app", library.to_str().unwrap()], way, &["a"]].concat();
        let ended = gristmill(place.path(), arguments).is(1).says("the parameter `column` is missing");
        ended.says("gristmill: error: ").prints("state failed\n").prints("error ");
    }
    assert!(!place.path().join("gristmill-out").exists());
    nothing_left(place.path());
}

#[test]
fn a_library_that_ends_or_holds_up_its_loader_is_refused_before_anything_starts() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a"), "x\n").unwrap();
    for (fault, ways, says) in [
        ("EXITS", &[&["--slots", "1"][..], &["--sequential"]][..], "loads it (exit status 3)"),
        ("DIES", &[&["--slots", "1"], &["--sequential"]], "loads it (signal 6 (SIGABRT)"),
        ("HANGS", &[&["--sequential"]], "still being loaded after 10 s"),
    ] {
        let library = plugin(place.path(), &[&format!("-DFAULT_{fault}_WHEN_LOADED")]);
        for way in ways {
            let arguments = [&["run", "--app", library.to_str().unwrap()], *way, &["a"]].concat();
            let ended = gristmill(place.path(), arguments).is(2).says("gristmill: error: ").says(says);
            assert_eq!(ended.stdout, "");
        }
    }
    assert!(!place.path().join("gristmill-out").exists());
    nothing_left(place.path());
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_and_what_a_living_one_uses_is_not() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a"), "x\n").unwrap();
    let tmp = place.path().join("tmp");
    let (dead, living) = (tmp.join("gristmill-run-dead00"), tmp.join("gristmill-run-living"));
    std::fs::create_dir_all(dead.join("work/plugins")).unwrap();
    std::fs::create_dir_all(&living).unwrap();
    let lock = std::fs::File::open(&living).unwrap();
    lock.lock().unwrap();
    run(place.path(), &["-r", "1"], &["a".as_ref()]).is(0);
    assert!(!dead.exists() && living.exists());
    drop(lock);
    run(place.path(), &["-r", "1", "--overwrite"], &["a".as_ref()]).is(0);
    nothing_left(place.path());
}

#[test]
fn a_temporary_directory_without_room_is_named_and_no_coordinator_is() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a"), "x\n").unwrap();
    let library = plugin(place.path(), &[]);
    let run = support::command(place.path());
    // No file may grow beyond 2 KiB: room for everything but the plugin.
    let ended = std::process::Command::new("sh")
        .args(["-c", "trap '' 25; ulimit -f 4; exec \"$0\" \"$@\""])
        .arg(run.get_program())
        .args(["run", "--slots", "1", "--app"])
        .args([library.as_os_str(), "a".as_ref()])
        .current_dir(place.path())
        .env("TMPDIR", place.path().join("tmp"))
        .output()
        .unwrap();
    let ended = support::ended(ended).is(2).says("(os error 27)").says("set TMPDIR");
    assert!(!ended.stderr.contains("coordinator cannot serve"), "{}", ended.stderr);
    assert!(!place.path().join("gristmill-out").exists());
    nothing_left(place.path());
}
