//! Output directories: refused, replaced, full, forbidden; never half written.
#![expect(clippy::unwrap_used, reason = "what helps a test is as strict as the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gristmill_tests::{Gate, Output, Place, Random, SmallDisk, TROUBLE, permit, unprivileged_job};

#[test]
fn output_that_is_not_empty_is_refused_and_kept() {
    let place = Place::new();
    let input = place.input("a.txt", "a\n");
    let output = place.new_output();
    fs::create_dir(&output).unwrap();
    fs::write(output.join("kept"), "precious").unwrap();
    let job = place.job("wc").input(input).output(&output);
    job.run().refused().says(&[output.to_str().unwrap(), "not empty", "--overwrite"]);
    job.sequential().refused().says(&["not empty"]);
    let cluster = place.cluster();
    job.submit(&cluster).refused().says(&["not empty"]);
    cluster.end(vec![]);
    assert_eq!(files_of(&output), BTreeMap::from([("kept".into(), b"precious".to_vec())]));
}

#[test]
fn overwrite_replaces_all_that_the_output_held() {
    let place = Place::new();
    let job = place.job("wc").slots(2).output(place.new_output()).option("--overwrite");
    let many = job.clone().reduces(5).input(place.input("a.txt", "a b c d e f g\n")).run().done().output();
    assert_eq!(many.parts().len(), 5);
    let few = job.reduces(2).input(place.input("b.txt", "x\n")).run().done().output();
    assert_eq!((few.parts().len(), few.bytes()), (2, b"x 1\n".to_vec()));
}

#[test]
fn failed_job_keeps_the_output_that_it_was_to_replace() {
    let place = Place::new();
    let job = place
        .job("misbehave")
        .output(place.new_output())
        .option("--overwrite")
        .input(place.input("a", TROUBLE));
    let before = job.clone().run().done().output();
    job.clone().arg("do", "error").arg("at", "reduce").max_attempts(1).run().failed();
    let after = Output::committed(&output_of(&place));
    assert!(before == after, "{before:?} became {after:?}");
}

#[test]
fn empty_output_directory_is_used() {
    let place = Place::new();
    let output = place.new_output();
    fs::create_dir(&output).unwrap();
    let done = place.job("wc").reduces(1).input(place.input("a", "a\n")).output(output).run().done();
    assert_eq!(done.output().bytes(), b"a 1\n");
}

#[test]
fn output_that_a_killed_run_had_only_reserved_is_used() {
    let place = Place::new();
    let output = place.new_output();
    let reservation = output.join(".gristmill-request-0123456789abcdef-1-1");
    fs::create_dir_all(&reservation).unwrap();
    fs::write(reservation.join("CREATED"), "").unwrap();
    let ended = place.job("wc").input(place.input("a.txt", "a\n")).output(&output).run().done();
    assert_eq!(ended.output().bytes(), b"a 1\n");
    assert!(!reservation.exists());
}

#[test]
fn missing_parents_of_the_output_are_made() {
    let place = Place::new();
    let parent = place.new_output();
    let done =
        place.job("wc").reduces(1).input(place.input("a", "a\n")).output(parent.join("x/y")).run().done();
    assert_eq!(done.output().bytes(), b"a 1\n");
    fs::remove_dir_all(parent).unwrap();
}

#[test]
fn output_that_is_a_file_is_refused_and_kept() {
    let place = Place::new();
    let file = place.input("file", "precious");
    let job = place.job("wc").input(place.input("a", "a\n"));
    job.clone().output(&file).run().refused().says(&["file"]);
    job.clone().output(&file).option("--overwrite").run().unsuccessful();
    job.output(file.join("below")).run().unsuccessful().says(&["file"]);
    assert_eq!(fs::read(file).unwrap(), b"precious");
}

#[test]
fn output_without_permission_is_an_error_that_names_it() {
    let place = Place::new();
    let Some(job) = unprivileged_job(&place, "wc") else { return };
    let input = place.input("a.txt", "a\n");
    permit(&input, 0o644);
    let locked = place.input("locked/kept", "precious");
    let parent = locked.parent().unwrap();
    permit(parent, 0o555);
    let ended = job.input(input).output(parent.join("out")).run().unsuccessful();
    ended.says(&["locked/out", "permission denied"]);
    permit(parent, 0o755);
    assert_eq!(files_of(parent).len(), 1);
}

#[test]
fn output_without_space_fails_the_job_and_leaves_nothing() {
    let place = Place::new();
    let Some(disk) = SmallDisk::new(&place, 256) else { return };
    let input = place.input("big.txt", Random::new(1).text(2_000_000));
    let job = place.job("sort").slots(2).reduces(2).input(input).output(disk.path().join("out"));
    disk.run(&job).failed().says(&["no space left"]);
}

#[test]
fn work_directory_without_space_fails_the_job_and_leaves_nothing() {
    let place = Place::new();
    let Some(disk) = SmallDisk::new(&place, 256) else { return };
    let input = place.input("big.txt", Random::new(2).text(2_000_000));
    let ended = disk.run(&place.job("sort").slots(2).reduces(2).input(input).work_dir(disk.path())).failed();
    assert!(ended.output_is_untouched());
    ended.says(&["no space left"]);
}

#[test]
fn spills_without_space_fail_the_job_and_leave_nothing() {
    let place = Place::new();
    // Room for some spills, but not for all.
    let Some(disk) = SmallDisk::new(&place, 1500) else { return };
    let input = place.input("big.txt", Random::new(2).text(2_000_000));
    let job = place.job("sort").slots(1).reduces(2).split_size("1GiB").memory("1MiB").input(input);
    let ended = disk.run(&job.work_dir(disk.path())).failed();
    assert!(ended.output_is_untouched());
    ended.says(&["no space left"]);
}

#[test]
fn work_directory_without_permission_is_an_error_that_names_it() {
    let place = Place::new();
    let Some(job) = unprivileged_job(&place, "wc") else { return };
    let input = place.input("a.txt", "a\n");
    permit(&input, 0o644);
    let locked = place.new_folder();
    permit(&locked, 0o555);
    let ended = job.input(input).work_dir(locked.join("work")).run().unsuccessful();
    assert!(ended.output_is_untouched());
    ended.says(&[locked.to_str().unwrap(), "permission denied"]);
    permit(&locked, 0o755);
    assert_eq!(fs::read_dir(locked).unwrap().count(), 0);
}

#[test]
fn small_disk_with_enough_room_is_enough() {
    let place = Place::new();
    let Some(disk) = SmallDisk::new(&place, 50_000) else { return };
    let input = place.input("big.txt", Random::new(2).text(2_000_000));
    let job = place.job("sort").slots(2).reduces(2).input(input);
    let ended = disk.run(&job.clone().work_dir(disk.path())).done();
    assert_eq!(ended.output().parts(), job.sequential().done().output().parts());
}

#[test]
fn map_whose_run_was_damaged_runs_again() {
    spoil_runs(|run| {
        let mut bytes = fs::read(run).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(run, bytes).unwrap();
    });
}

#[test]
fn map_whose_run_was_cut_short_runs_again() {
    spoil_runs(|run| {
        let bytes = fs::read(run).unwrap();
        fs::write(run, &bytes[..bytes.len() / 3]).unwrap();
    });
}

#[test]
fn map_whose_run_was_removed_runs_again() {
    spoil_runs(|run| fs::remove_file(run).unwrap());
}

/// One slot has read the runs for its first reduce and waits in it; then every run is spoiled, and the other reduces find that out.
fn spoil_runs(spoil: impl Fn(&Path)) {
    let place = Place::new();
    let inputs = [1, 2, 3]
        .map(|seed| place.input(format!("{seed}.txt"), [&Random::new(seed).text(200_000), TROUBLE].concat()));
    let gate = Gate::new(&place);
    let job = gate.holds(place.job("misbehave").reduces(4).inputs(inputs), "reduce");
    let cluster = place.cluster();
    let worker = cluster.worker(1);
    let (id, output) = job.clone().hand_in(&cluster);
    gate.until_waiting(1);
    let mut runs = all_files_below(&worker.work_dir);
    runs.retain(|path| path.extension().is_some_and(|extension| extension == "run"));
    assert_eq!(runs.len(), 3, "{:?}", all_files_below(&worker.work_dir));
    runs.iter().for_each(|run| spoil(run));
    gate.open();
    let status = cluster.until_done(&id);
    assert!(status["attempts"]["runs_lost"].as_u64().unwrap() > 0, "{status}");
    assert_eq!(status["attempts"]["failed"], 0, "{status}");
    let expected = job.sequential().done().output();
    assert!(Output::committed(&output).parts() == expected.parts());
    cluster.end(vec![worker]);
}

fn output_of(place: &Place) -> PathBuf {
    fs::read_dir(place.folder("out")).unwrap().next().unwrap().unwrap().path()
}

fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn all_files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { all_files_below(&path) } else { vec![path] }).collect()
}
