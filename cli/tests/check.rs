//! `gristmill check` on plugins that are right, and on plugins that each do one thing wrong. They are written in C: quick to compile.
#![expect(clippy::unwrap_used, reason = "what helps a test is as strict as the test")]

mod support;

use std::path::{Path, PathBuf};

use support::{gristmill, nothing_left, plugin};

fn faulty(place: &Path, fault: &str) -> PathBuf {
    plugin(place, &[&format!("-DFAULT_{fault}")])
}

#[test]
fn a_sound_plugin_passes_everything() {
    let place = tempfile::tempdir().unwrap();
    let library = faulty(place.path(), "NONE");
    let text = gristmill(place.path(), ["check".as_ref(), library.as_os_str()]).is(0);
    assert!(text.stderr.is_empty(), "{}", text.stderr);
    assert!(
        text.stdout.starts_with("app faulty 1.2\ninput text\nmap_only no\ncombines yes\nok "),
        "{}",
        text.stdout
    );
    assert!(text.stdout.ends_with("verdict ok\n"), "{}", text.stdout);
    let json =
        gristmill(place.path(), ["check".as_ref(), library.as_os_str(), "--json".as_ref()]).is(0).json();
    assert_eq!((&json["app"], &json["wrong"]), (&"faulty".into(), &0.into()), "{json}");
    assert!(json["trials"].as_array().unwrap().iter().all(|trial| trial["verdict"] == "ok"), "{json}");
    nothing_left(place.path());
}

#[test]
fn each_fault_is_found_and_named() {
    let place = tempfile::tempdir().unwrap();
    for (fault, parts) in [
        ("ABORTS_AT_NUL", &["wrong NUL bytes: ", "SIGABRT", "ok invalid UTF-8", "verdict 1 wrong"][..]),
        ("ASKS_FOR_ITS_PROCESS", &["a second time: line ", "not deterministic"]),
        ("HIDES_ITS_PROCESS", &["pair by pair: ", "not deterministic"]),
        ("COUNTS_CALLS", &["in many small splits: line ", "a split may begin"]),
        ("COMBINES_WRONGLY", &["in many small splits: line ", "combined in any groups"]),
        ("REFUSES", &["wrong ordinary input: ", "the parameter `column` is missing", "--arg"]),
    ] {
        let library = faulty(place.path(), fault);
        let ended = gristmill(place.path(), ["check".as_ref(), library.as_os_str()]).is(1);
        for part in parts {
            assert!(ended.stdout.contains(part), "{fault}: no `{part}` in {}", ended.stdout);
        }
        nothing_left(place.path());
    }
}

#[test]
fn an_error_that_is_returned_for_odd_input_is_only_a_note() {
    let place = tempfile::tempdir().unwrap();
    let library = faulty(place.path(), "REFUSES_HIGH_BYTES");
    gristmill(place.path(), ["check".as_ref(), library.as_os_str()]).is(0).prints("note invalid UTF-8: ");
}

#[test]
fn the_same_error_for_ones_own_input_is_wrong() {
    let place = tempfile::tempdir().unwrap();
    let library = faulty(place.path(), "REFUSES_HIGH_BYTES");
    let own = place.path().join("own.txt");
    std::fs::write(&own, b"\xff\n").unwrap();
    let ended = gristmill(place.path(), ["check".as_ref(), library.as_os_str(), own.as_os_str()]).is(1);
    ended.prints("wrong your own input: ").prints("not my kind of text");
}

#[test]
fn a_library_that_dies_when_it_is_loaded_does_not_take_the_check_along() {
    let place = tempfile::tempdir().unwrap();
    let library = faulty(place.path(), "DIES_WHEN_LOADED");
    gristmill(place.path(), ["check".as_ref(), library.as_os_str()])
        .is(1)
        .says("ends the process that loads it (signal 6 (SIGABRT)");
}

#[test]
fn what_is_no_plugin_is_wrong_usage() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("text.so"), "no library\n").unwrap();
    gristmill(place.path(), ["check", "text.so"]).is(2).says("text.so");
    gristmill(place.path(), ["check", "no/such/app"]).is(2).says("does not exist");
}
