//! Help, wrong usage and exit statuses, as a shell sees them.
#![expect(clippy::unwrap_used, reason = "what helps a test is as strict as the test")]

mod support;

use std::process::Stdio;

use support::{command, ended, golden, gristmill};

#[test]
fn help_is_what_people_read() {
    let place = tempfile::tempdir().unwrap();
    golden("help.txt", &gristmill(place.path(), ["--help"]).is(0).stdout);
    golden("help-run.txt", &gristmill(place.path(), ["run", "-h"]).is(0).stdout);
}

#[test]
fn version_and_help_go_to_standard_output() {
    let place = tempfile::tempdir().unwrap();
    let version = gristmill(place.path(), ["--version"]).is(0);
    assert_eq!(version.stdout, concat!("gristmill ", env!("CARGO_PKG_VERSION"), "\n"));
    assert!(version.stderr.is_empty());
}

#[test]
fn wrong_usage_is_status_2_and_one_line_says_why() {
    let place = tempfile::tempdir().unwrap();
    let ended = gristmill(place.path(), ["run", "--app", "wc", "--memory", "lots", "x"]).is(2);
    assert!(ended.stdout.is_empty());
    let first = ended.stderr.lines().next().unwrap();
    assert!(first.starts_with("gristmill: error: invalid value 'lots' for '--memory"), "{first}");
    gristmill(place.path(), ["coordinator", "--listen", "0.0.0.0:7070"]).is(2).says("loopback");
    gristmill(place.path(), ["run", "--app", "wc"]).is(2).says("<INPUT>");
    gristmill(place.path(), [""; 0]).is(2).says("Usage: gristmill");
}

#[test]
fn a_number_that_is_none_is_named_with_its_argument_and_what_is_wanted() {
    let place = tempfile::tempdir().unwrap();
    for (line, argument, wanted) in [
        ("kv cas k x z --coordinator 127.0.0.1:1", "'x' for '<VERSION>'", "0 or more"),
        (
            "kv delete k --version 1.5 --coordinator 127.0.0.1:1",
            "'1.5' for '--version <VERSION>'",
            "0 or more",
        ),
        ("kv watch --count 0 --coordinator 127.0.0.1:1", "'0' for '--count <N>'", "1 or more"),
        ("coordinator --listen 127.0.0.1:0 --data-dir d --id x", "'x' for '--id <N>'", "1 or more"),
        ("members remove one --coordinator 127.0.0.1:1", "'one' for '<ID>'", "1 or more"),
        ("worker --coordinator 127.0.0.1:1 --slots many", "'many' for '--slots <N>'", "from 1 to 4096"),
        ("run --app wc --priority high x", "'high' for '--priority <N>'", "from -128 to 127"),
        ("run --app wc --reduces 1e3 x", "'1e3' for '--reduces <N>'", "from 0 to 100000"),
    ] {
        let ended = gristmill(place.path(), line.split(' ')).is(2);
        let first = ended.stderr.lines().next().unwrap();
        assert!(first.contains(&format!("invalid value {argument}: write a whole number")), "{first}");
        assert!(first.ends_with(wanted), "{first}");
    }
}

#[test]
fn wrong_input_is_status_2_and_nothing_is_started() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a.txt"), "a\n").unwrap();
    std::fs::create_dir(place.path().join("empty")).unwrap();
    std::fs::create_dir(place.path().join("full")).unwrap();
    std::fs::write(place.path().join("full/precious"), "").unwrap();
    for (arguments, part) in [
        (&["run", "--app", "wc", "missing.txt"][..], "missing.txt"),
        (&["run", "--app", "wc", "*.nothing"], "nothing matches"),
        (&["run", "--app", "wc", "empty"], "holds no input files"),
        (&["run", "--app", "wc", "-o", "full", "a.txt"], "not empty"),
        (&["run", "--app", "wc", "-o", "a.txt", "a.txt"], "not a directory"),
        (&["run", "--app", "wc", "-o", ".", "--overwrite", "a.txt"], "lies in the output directory"),
        (&["run", "--app", "nosuchapp", "a.txt"], "libnosuchapp"),
        (&["run", "--app", "no/such/app", "a.txt"], "does not exist"),
        (&["run", "--app", "empty", "a.txt"], "no Cargo.toml"),
        (&["run", "--app", "a.txt", "a.txt"], "a.txt"),
        (&["run", "--app", "wc", "--slots", "0", "a.txt"], "--listen"),
        (&["run", "--app", "wc", "--arg", "k=1", "--arg", "k=2", "a.txt"], "given twice"),
        (&["repair", "--data-dir", "empty"], "no --data-dir of a coordinator"),
        (&["repair", "--data-dir", "a.txt"], "a.txt/replica: Not a directory"),
    ] {
        let ended = gristmill(place.path(), arguments).is(2).says(part).says("gristmill: error: ");
        assert!(ended.stdout.is_empty() && !ended.stderr.contains("RUST_BACKTRACE"), "{}", ended.stderr);
    }
    assert!(!place.path().join("gristmill-out").exists());
    assert!(place.path().join("full/precious").exists());
    support::nothing_left(place.path());
}

#[test]
fn instructions_that_there_are_not_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let mut jobs = command(place.path());
    jobs.args(["jobs", "--coordinator", "127.0.0.1:1"]);
    let asked = ended(jobs.env("GRISTMILL_SIMD", "mmx").output().unwrap()).is(2);
    asked.says("GRISTMILL_SIMD is `mmx`; it can be avx512, avx2, sse2, neon, portable");
    ended(jobs.env("GRISTMILL_SIMD", "portable").output().unwrap()).is(3);
}

#[test]
fn no_coordinator_is_status_3() {
    let place = tempfile::tempdir().unwrap();
    let ended = gristmill(place.path(), ["jobs", "--coordinator", "127.0.0.1:1"]).is(3);
    ended.says("no coordinator answers at 127.0.0.1:1").says("gristmill: hint: ");
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let place = tempfile::tempdir().unwrap();
    let mut child = command(place.path())
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = ended(child.wait_with_output().unwrap()).is(0);
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command(place.path()).args(["completions", "bash"]).stdout(full).output().unwrap();
    ended(output).is(1).says("write to standard output");
}

#[test]
fn every_shell_has_completions() {
    let place = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        gristmill(place.path(), ["completions", shell]).is(0).prints("gristmill");
    }
}
