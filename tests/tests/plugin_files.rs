//! What is given as `--app` and is no plugin, or not one for us: refused before anything runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use gristmill_tests::{Ended, Place, PluginFile};

fn run(place: &Place, app: &Path) -> Ended {
    let input = place.input("a.txt", "a\n");
    let ended = place.job_of(app).input(input).run();
    assert!(ended.output_is_untouched());
    ended
}

#[test]
fn app_that_does_not_exist_is_refused_by_name() {
    let place = Place::new();
    run(&place, &place.folder("in").join("nowhere.so")).refused().says(&["nowhere.so"]);
    run(&place, Path::new("no-such-app")).refused().says(&["no-such-app", "wc"]);
}

#[test]
fn file_that_is_no_library_is_refused() {
    let place = Place::new();
    let text = place.input("notes.so", "This is no library.\n");
    run(&place, &text).refused().says(&["notes.so", "shared library"]);
    let empty = place.input("empty.so", "");
    run(&place, &empty).refused().says(&["empty.so"]);
}

#[test]
fn library_that_is_cut_short_is_refused() {
    let place = Place::new();
    for bytes in [17, 64, 5_000, 50_000] {
        let cut = PluginFile::of("wc").cut_to(bytes).write(&place);
        run(&place, &cut).refused().says(&[cut.to_str().unwrap()]);
    }
}

#[test]
fn library_without_descriptor_is_refused() {
    let place = Place::new();
    let source = place.input("plain.c", "int answer(void) { return 42; }\n");
    let library = place.folder("in").join("plain.so");
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status().unwrap();
    assert!(compiled.success());
    run(&place, &library).refused().says(&["plain.so", "gristmill_plugin"]);
}

#[test]
fn library_whose_descriptor_is_something_else_is_refused() {
    let place = Place::new();
    let strange = PluginFile::of("wc").without_magic().write(&place);
    run(&place, &strange).refused().says(&[strange.to_str().unwrap()]);
}

#[test]
fn plugin_of_another_abi_version_is_refused_naming_both() {
    let place = Place::new();
    let newer = PluginFile::of("wc").of_abi_version(4711).write(&place);
    run(&place, &newer).refused().says(&["4711", "version 2"]);
}

#[test]
fn plugin_for_another_architecture_is_refused_naming_both() {
    let place = Place::new();
    let foreign = PluginFile::of("wc").for_another_architecture().write(&place);
    run(&place, &foreign).refused().says(&["x86_64", "aarch64"]);
}

#[test]
fn directory_without_a_crate_is_refused() {
    let place = Place::new();
    place.input("nocrate/readme.txt", "nothing here\n");
    run(&place, &place.folder("in").join("nocrate")).refused().says(&["nocrate", "Cargo.toml"]);
}

#[test]
fn crate_that_does_not_compile_is_refused_with_the_compiler_s_words() {
    let place = Place::new();
    let folder = place.folder("in").join("broken");
    let manifest = "[package]\nname = \"broken\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n";
    place.input("broken/Cargo.toml", manifest);
    place.input("broken/src/lib.rs", "fn unfinished( {}\n");
    run(&place, &folder).refused().says(&["error: ", "src/lib.rs:1", "unfinished"]);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn crate_that_makes_no_shared_library_is_refused_with_the_cure() {
    let place = Place::new();
    let folder = place.folder("in").join("ordinary");
    place.input("ordinary/Cargo.toml", "[package]\nname = \"ordinary\"\nversion = \"0.1.0\"\n[workspace]\n");
    place.input("ordinary/src/lib.rs", "");
    run(&place, &folder).refused().says(&["cdylib"]);
}
