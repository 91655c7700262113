//! `gristmill new`: what it writes builds, passes its own test and is accepted by cargo as a workspace of its own. Needs cargo, no network.
#![expect(clippy::unwrap_used, reason = "what helps a test is as strict as the test")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Ended, ended, gristmill};

fn cargo(directory: &Path, target: &Path, arguments: &[&str]) -> Ended {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).arg("--offline").current_dir(directory).env("CARGO_TARGET_DIR", target);
    ended(command.output().unwrap())
}

#[test]
fn the_written_crate_passes_its_own_test_without_a_network() {
    let place = tempfile::tempdir().unwrap();
    let made = gristmill(place.path(), ["new", "my-app"]).is(0).prints("created my-app");
    assert!(made.stderr.is_empty());
    let crate_directory = place.path().join("my-app");
    let tested = cargo(&crate_directory, &place.path().join("target"), &["test"]).is(0);
    assert!(tested.stdout.contains("words_are_counted ... ok"), "{}", tested.stdout);
    assert!(!tested.stderr.contains("warning"), "{}", tested.stderr);
}

#[test]
fn an_outer_workspace_does_not_swallow_it() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    gristmill(place.path(), ["new", "inner"]).is(0);
    let crate_directory = place.path().join("inner");
    cargo(&crate_directory, &place.path().join("target"), &["metadata", "--format-version=1"]).is(0);
}

#[test]
fn a_path_dependency_is_taken_instead_of_a_copy() {
    let place = tempfile::tempdir().unwrap();
    let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk");
    gristmill(place.path(), ["new", "lean", "--path", sdk]).is(0);
    assert!(!place.path().join("lean/vendor").exists());
    cargo(&place.path().join("lean"), &place.path().join("target"), &["metadata", "--format-version=1"])
        .is(0);
    gristmill(place.path(), ["new", "other", "--path", "."])
        .is(2)
        .says("is not the directory of gristmill-sdk");
}

#[test]
fn nothing_that_exists_is_touched() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("mine")).unwrap();
    std::fs::write(place.path().join("mine/thesis"), "precious").unwrap();
    gristmill(place.path(), ["new", "mine"]).is(2).says("mine exists and is not empty");
    std::fs::write(place.path().join("file"), "precious").unwrap();
    gristmill(place.path(), ["new", "file"]).is(2);
    assert_eq!(std::fs::read_dir(place.path().join("mine")).unwrap().count(), 1);
    std::fs::create_dir(place.path().join("vacant")).unwrap();
    gristmill(place.path(), ["new", "vacant"]).is(0);
}

#[test]
fn names_that_cargo_would_refuse_are_refused() {
    let place = tempfile::tempdir().unwrap();
    for name in ["1st", "with space", "fn", "", "up!", "ümlaut\n"] {
        gristmill(place.path(), ["new", name]).is(2);
    }
}
