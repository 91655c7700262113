//! Total orders: the outputs one after the other are sorted as a whole, whatever the number of reduces, the skew, and who dies in between.
#![expect(clippy::unwrap_used, reason = "what helps a test is as strict as the test")]

use std::fs;
use std::path::{Path, PathBuf};

use gristmill_tests::{Ended, Gate, Job, Output, Place, Random, books, program};

/// All lines of these files in the order of their bytes, each with its end: what `LC_ALL=C sort` gives.
fn sorted_lines(files: &[PathBuf]) -> Vec<u8> {
    let texts: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let lines =
        texts.iter().flat_map(|text| text.strip_suffix(b"\n").unwrap_or(text).split(|&byte| byte == b'\n'));
    let mut lines: Vec<&[u8]> = lines.collect();
    lines.sort_unstable();
    lines.iter().flat_map(|line| [line, b"\n".as_slice()].concat()).collect()
}

/// Lines over so many files that there is more than one sample task; every third file ends with `trouble`.
fn many_files(place: &Place) -> Vec<PathBuf> {
    let mut random = Random::new(5);
    let file = |number: u32| {
        let end = if number.is_multiple_of(3) { "trouble\n" } else { "" };
        let lines: String = (0..200).map(|_| format!("{:x}\n", random.number())).collect();
        place.input(format!("{number:03}.txt"), lines + end)
    };
    (0..600).map(file).collect()
}

fn orderly<'p>(place: &'p Place, inputs: &[PathBuf]) -> Job<'p> {
    place.job("orderly").inputs(inputs).slots(2).reduces(3).split_size("1MiB").max_attempts(2)
}

#[test]
fn books_are_sorted_over_all_outputs_and_evenly() {
    let place = Place::new();
    let expected = sorted_lines(&books());
    for reduces in [1, 3, 8] {
        let job = place.job("sort").inputs(books()).slots(2).reduces(reduces).split_size("300k");
        let output = job.run_like_sequential();
        assert!(output.bytes() == expected, "{reduces} reduces: {output:?}");
        assert_eq!(output.parts().len(), reduces as usize);
        let fair = expected.len() / reduces as usize;
        assert!(output.parts().values().all(|part| part.len() < fair * 3 / 2), "{output:?}");
    }
}

/// Records made by `teragen` with these arguments.
fn records(place: &Place, name: &str, arguments: &[&str]) -> PathBuf {
    let file = place.folder("in").join(name);
    let mut command = place.command(program("teragen"));
    command.args(arguments).arg(&file);
    place.start("teragen", command).wait().done();
    file
}

/// What `teravalidate` says of these files.
fn validate<P: AsRef<Path>>(place: &Place, options: &[&str], files: &[P]) -> Ended {
    let mut command = place.command(program("teravalidate"));
    command.args(options).args(files.iter().map(AsRef::as_ref));
    place.start("teravalidate", command).wait()
}

/// Sorts records both ways, and wants all of them in order.
fn sort_records(place: &Place, inputs: &[PathBuf], reduces: u32) -> Output {
    let job = place.job("terasort").inputs(inputs).slots(2).reduces(reduces).split_size("200k");
    let output = job.run_like_sequential();
    let parts: Vec<_> =
        output.parts().iter().map(|(name, part)| place.input(format!("sorted/{name}"), part)).collect();
    let sorted = validate(place, &[], &parts).done();
    let given = validate(place, &["--any-order"], inputs).done();
    assert_eq!(sorted.lines()["records"], given.lines()["records"]);
    assert_eq!(sorted.lines()["checksum"], given.lines()["checksum"]);
    output
}

#[test]
fn records_are_sorted_and_validated() {
    let place = Place::new();
    let inputs = [records(&place, "a", &["20000"]), records(&place, "b", &["9000", "--seed", "2"])];
    validate(&place, &[], &inputs).failed().says(&["the record at byte", "below that of the record before"]);
    let output = sort_records(&place, &inputs, 5);
    let fair = 2_900_000 / 5;
    assert!(output.parts().values().all(|part| part.len().abs_diff(fair) < fair / 5), "{output:?}");
}

#[test]
fn a_key_that_is_half_of_all_has_a_partition_of_its_own() {
    let place = Place::new();
    let inputs = [records(&place, "skewed", &["20000", "--skew", "50"])];
    let output = sort_records(&place, &inputs, 6);
    let mut sizes: Vec<usize> = output.parts().values().map(Vec::len).collect();
    sizes.sort_unstable();
    let (heavy, others) = sizes.split_last().unwrap();
    assert!((950_000..1_050_000).contains(heavy), "{sizes:?}");
    assert!(others.iter().all(|size| (150_000..290_000).contains(size)), "{sizes:?}");
}

#[test]
fn few_keys_and_none_leave_outputs_empty() {
    let place = Place::new();
    let equal = [records(&place, "equal", &["5000", "--skew", "100"])];
    let output = sort_records(&place, &equal, 4);
    assert_eq!(output.parts().values().filter(|part| !part.is_empty()).count(), 1);

    let few = place.input("few", "b\na\nb\na\nc\n");
    let output = place.job("sort").input(few).reduces(7).run_like_sequential();
    assert_eq!((output.parts().len(), output.bytes()), (7, b"a\na\nb\nb\nc\n".to_vec()));

    let empty = place.input("empty", "");
    let output = place.job("sort").input(empty).reduces(3).run_like_sequential();
    assert_eq!((output.parts().len(), output.bytes().len()), (3, 0));
}

#[test]
fn samples_are_taken_only_where_there_are_partitions_to_cut() {
    let place = Place::new();
    let inputs = many_files(&place);
    let sampled =
        |reduces: u32| orderly(&place, &inputs).reduces(reduces).option("--json").run().done().json();
    let summary = sampled(3);
    assert!(summary["samples"]["done"].as_u64() > Some(1), "{summary}");
    assert_eq!(summary["samples"]["done"], summary["samples"]["total"]);
    assert_eq!(summary["counters"]["lines"], 600 * 200 + 200, "what was sampled is not counted");
    assert_eq!(sampled(1)["samples"], serde_json::Value::Null);
}

#[test]
fn worker_killed_while_it_samples_costs_nothing_but_time() {
    let place = Place::new();
    place.expect_litter();
    let inputs = many_files(&place);
    let (gate, cluster) = (Gate::new(&place), place.cluster());
    let victim = cluster.worker(2);
    let job = orderly(&place, &inputs);
    let (id, output) = gate.holds(job.clone(), "map").hand_in(&cluster);
    gate.until_waiting(1);
    cluster.until_job(&id, "is sampled", |status| status["state"] == "sampling");
    let explained = cluster.ask(["explain", &id]).done().stdout();
    assert!(explained.contains("sample tasks are done") && explained.contains(" runs on w1"), "{explained}");
    victim.process.kill();
    let survivor = cluster.worker(2);
    gate.open();
    let status = cluster.until_done(&id);
    assert!(status["attempts"]["worker_lost"].as_u64() >= Some(1), "{status}");
    let expected = job.sequential().done().output();
    assert!(Output::committed(&output).parts() == expected.parts());
    cluster.end(vec![survivor]);
}

#[test]
fn slot_that_ends_while_it_samples_is_tried_again() {
    let place = Place::new();
    let troubled = place.input("a.txt", "trouble\nb\na\n");
    let job = orderly(&place, &[troubled]);
    let happened = place.folder("in").join("happened");
    let ended = job.clone().arg("do", "exit").arg("once", happened.display()).option("--json").run().done();
    assert_eq!(ended.output().bytes(), b"a\nb\ntrouble\n");
    assert_eq!(ended.json()["attempts"]["failed"], 1);
}

#[test]
fn app_that_fails_on_a_sample_fails_the_job_with_task_file_and_offset() {
    let place = Place::new();
    let troubled = place.input("guilty.txt", "all is well\ntrouble\n");
    let job = orderly(&place, &[troubled]).arg("do", "error");
    let ended = job.run().failed();
    assert!(ended.output_is_untouched());
    ended.says(&[
        "j1.s0 failed 2 times",
        "deliberate error",
        "guilty.txt at byte 12",
        "last words before the trouble",
    ]);

    let cluster = place.cluster();
    let worker = cluster.worker(1);
    let (id, _) = job.hand_in(&cluster);
    cluster.until_state(&id, "failed");
    let logs = cluster.ask(["logs", &id, &format!("{id}.s0")]).done().stdout();
    assert!(logs.contains("s0.a0") && logs.contains("last words before the trouble"), "{logs}");
    cluster.end(vec![worker]);
}
