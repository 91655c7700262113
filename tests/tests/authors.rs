//! What authors of apps rest on: `new`, `check`, crate directories, plugins in C.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gristmill_tests::{Ended, Place, gristmill, lab_books, plugin, workspace};

fn in_folder(place: &Place, folder: &Path, program: &str, words: &[&str]) -> Ended {
    let mut command = place.command(program);
    command.current_dir(folder).args(words);
    place.start("in-folder", command).wait()
}

#[test]
fn new_app_builds_passes_its_own_test_and_runs() {
    let place = Place::new();
    let elsewhere = place.folder("in").join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let gristmill = gristmill().to_str().unwrap();
    in_folder(&place, &elsewhere, gristmill, &["new", "myapp"]).done();
    let text = place.input("text.txt", "to be or not to be\n");
    let output = place.new_output();
    let words = ["run", "--app", "myapp", "-r", "1", "-o", output.to_str().unwrap(), text.to_str().unwrap()];
    in_folder(&place, &elsewhere, gristmill, &words).done();
    assert!(!gristmill_tests::Output::committed(&output).bytes().is_empty());
    let tested = in_folder(&place, &elsewhere.join("myapp"), "cargo", &["test", "--offline"]).done().stdout();
    assert!(tested.contains("test result: ok."), "{tested}");
    assert!(tested.lines().any(|line| line.starts_with("test ") && line.ends_with("... ok")), "{tested}");
    in_folder(&place, &elsewhere, gristmill, &["check", "myapp"]).done();
    // What is there already is never touched.
    in_folder(&place, &elsewhere, gristmill, &["new", "myapp"]).refused().says(&["myapp"]);
}

#[test]
fn new_refuses_names_that_cargo_would_refuse() {
    let place = Place::new();
    for name in ["1st", "with space", "fn", "", "up!", "ümlaut\n"] {
        place.gristmill(["new", name]).refused();
    }
}

#[test]
fn check_finds_nothing_wrong_with_the_bundled_apps() {
    let place = Place::new();
    for app in ["wc", "indexer", "sort", "topk", "join", "nocrash"] {
        place.gristmill(["check".as_ref(), plugin(app).as_os_str()]).done();
    }
    let grep = ["check".as_ref(), plugin("grep").as_os_str(), "--arg".as_ref(), "pattern=a+".as_ref()];
    place.gristmill(grep).done();
}

#[test]
fn check_takes_the_author_s_own_inputs() {
    let place = Place::new();
    let book: PathBuf = lab_books().remove(0);
    let words = ["check".as_ref(), plugin("wc").as_os_str(), book.as_os_str()];
    place.gristmill(words).done();
}

#[test]
fn check_names_what_is_wrong() {
    let place = Place::new();
    let input = place.input("trouble.txt", "trouble\ntrouble again\nand trouble\n");
    let check = |what: &str, at: &str| {
        let plugin = plugin("misbehave").to_str().unwrap();
        let (what, at) = (format!("do={what}"), format!("at={at}"));
        place.gristmill(["check", plugin, input.to_str().unwrap(), "--arg", &what, "--arg", &at])
    };
    check("nothing", "map").done();
    for (what, at, said) in [
        ("panic", "map", "deliberate panic"),
        ("panic", "setup", "deliberate panic"),
        ("error", "reduce", "deliberate error"),
        ("vary", "map", "determin"),
        ("abort", "map", "SIGABRT"),
        ("exit", "map", "7"),
    ] {
        let ended = check(what, at).failed();
        let said_all = format!("{}{}", ended.stdout(), ended.stderr()).to_lowercase();
        assert!(
            said_all.contains(&said.to_lowercase()),
            "nothing of `{said}` for {what} at {at} from {ended}"
        );
    }
}

#[test]
fn check_refuses_what_is_no_plugin() {
    let place = Place::new();
    let text = place.input("text.so", "no library\n");
    place.gristmill(["check".as_ref(), text.as_os_str()]).refused().says(&["text.so"]);
}

#[test]
fn crate_directory_is_built_and_run() {
    let place = Place::new();
    let target = gristmill().parent().unwrap().parent().unwrap();
    let job = place.job_of(&workspace().join("apps/wc")).env("CARGO_TARGET_DIR", target);
    let job = job.slots(2).reduces(1).input(place.input("a.txt", "b a b\n"));
    assert_eq!(job.run_like_sequential().bytes(), b"a 1\nb 2\n");
}

#[test]
fn plugin_written_in_c_counts_like_wc() {
    let place = Place::new();
    let library = place.folder("in").join("wordcount.so");
    let sdk = workspace().join("sdk");
    let compiled = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
        .args([&library, &sdk.join("tests/c/wordcount.c")])
        .arg("-I")
        .arg(sdk.join("include"))
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    // Bytes of a to z and A to Z are letters to both; all else in this book is no letter to either.
    let ascii = lab_books().into_iter().find(|book| fs::read(book).unwrap().is_ascii()).unwrap();
    let of = |job: gristmill_tests::Job<'_>| {
        let job = job.slots(2).reduces(3).input(&ascii);
        job.clone().memory("1MiB").split_size("50k").run_like_sequential();
        job.run_like_sequential()
    };
    assert!(of(place.job_of(&library)).parts() == of(place.job("wc")).parts());
    place.gristmill(["check".as_ref(), library.as_os_str()]).done();
}
