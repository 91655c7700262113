//! Plugins that fail, die, hang, shout or swallow memory: an error that helps, or the right answer; and never a process left.
//!
//! The app `misbehave` counts words, until it meets the word `trouble`.

use std::fs;

use gristmill_tests::{Job, Place, Random};

/// `trouble` stands in the second of two inputs, in the line that begins at byte 12.
fn job<'p>(place: &'p Place, what: &str, at: &str) -> Job<'p> {
    let innocent = place.input("1-innocent.txt", "all is well\n");
    let guilty = place.input("2-guilty.txt", "so far good\nnow trouble comes\nnever seen\n");
    let job = place.job("misbehave").slots(1).reduces(1).split_size("1MiB").inputs([innocent, guilty]);
    job.arg("do", what).arg("at", at).max_attempts(2)
}

/// The misbehaviour happens once: the attempt that makes this file.
fn once<'p>(place: &Place, job: Job<'p>) -> Job<'p> {
    job.arg("once", place.folder("in").join("happened").display())
}

const COUNTS: &[u8] =
    b"all 1\ncomes 1\nfar 1\ngood 1\nis 1\nnever 1\nnow 1\nseen 1\nso 1\ntrouble 1\nwell 1\n";

#[test]
fn error_of_a_map_is_told_with_task_file_offset_and_its_last_words() {
    let place = Place::new();
    let ended = job(&place, "error", "map").run().failed();
    assert!(ended.output_is_untouched());
    // 30 lines were written to standard error, the last says so.
    ended.says(&[
        "deliberate error",
        ".m1",
        "2-guilty.txt",
        "last words before the trouble",
        "failed 2 times",
    ]);
}

#[test]
fn error_of_a_map_names_the_offset_at_which_it_happened() {
    let place = Place::new();
    // The app works line by line, so the sdk knows where it was.
    job(&place, "error", "map").run().failed().says(&["2-guilty.txt", "byte 12"]);
}

#[test]
fn error_of_a_reduce_is_told_with_its_task_and_last_words() {
    let place = Place::new();
    let ended = job(&place, "error", "reduce").run().failed();
    assert!(ended.output_is_untouched());
    ended.says(&["deliberate error", ".r0", "last words before the trouble"]);
}

#[test]
fn error_of_setup_is_told() {
    let place = Place::new();
    job(&place, "error", "setup").run().unsuccessful().says(&["deliberate error"]);
}

#[test]
fn panic_is_told_with_its_message() {
    let place = Place::new();
    for at in ["map", "reduce"] {
        let ended = job(&place, "panic", at).run().failed();
        assert!(ended.output_is_untouched());
        ended.says(&["deliberate panic", "last words before the trouble"]);
    }
    job(&place, "panic", "setup").run().unsuccessful().says(&["deliberate panic"]);
}

#[test]
fn exit_is_an_error_with_the_status() {
    let place = Place::new();
    for at in ["map", "reduce", "setup"] {
        job(&place, "exit", at).run().failed().says(&["exit", "7"]);
    }
    job(&place, "exit", "map").run().failed().says(&[".m1", "last words before the trouble"]);
}

#[test]
fn exit_with_status_zero_is_an_error_too() {
    let place = Place::new();
    job(&place, "exit-0", "map").run().failed().says(&["exit"]);
}

#[test]
fn death_by_signal_is_an_error_that_names_the_signal() {
    let place = Place::new();
    for at in ["map", "reduce", "setup"] {
        job(&place, "abort", at).run().failed().says(&["SIGABRT"]);
        job(&place, "segfault", at).run().failed().says(&["SIGSEGV"]);
    }
    // A stack that overflows ends by either, as the runtime of the plugin decides.
    job(&place, "overflow", "map").run().failed().says(&["SIG"]);
}

#[test]
fn misfortune_that_passes_is_forgiven() {
    for what in ["error", "panic", "exit", "abort", "segfault"] {
        for at in ["map", "reduce"] {
            let place = Place::new();
            let ended = once(&place, job(&place, what, at)).option("--json").run().done();
            assert_eq!(ended.output().bytes(), COUNTS);
            assert_eq!(ended.json()["attempts"]["failed"], 1, "{what} {at}: {ended}");
        }
    }
}

#[test]
fn attempt_that_hangs_is_taken_away_and_given_out_again() {
    for at in ["map", "reduce"] {
        let place = Place::new();
        let job = once(&place, job(&place, "hang", at)).task_timeout("5s").option("--json");
        let ended = job.run().done();
        assert_eq!(ended.output().bytes(), COUNTS);
        // Those that do not hang are not kept waiting for as long, even on a busy machine.
        assert_eq!(ended.json()["attempts"]["timed_out"], 1, "{at}: {ended}");
    }
}

#[test]
fn app_that_hangs_every_time_fails_the_job() {
    let place = Place::new();
    let ended = job(&place, "hang", "map").task_timeout("200ms").run().failed();
    assert!(ended.output_is_untouched());
    ended.says(&[".m1", "no progress for 200 ms"]);
}

#[test]
fn megabytes_of_printed_text_do_no_harm_and_are_kept_in_bounds() {
    let place = Place::new();
    let cluster = place.cluster();
    let worker = cluster.worker(1);
    let (id, _) = job(&place, "print", "map").hand_in(&cluster);
    cluster.until_done(&id);
    let logs = cluster.ask(["logs", &id]).done().stdout();
    assert!(logs.contains("first printed line") && logs.contains("last printed line"), "{}", logs.len());
    assert!(logs.len() < 200_000, "{} bytes of logs", logs.len());
    cluster.end(vec![worker]);
}

#[test]
fn printing_by_a_plugin_leaves_standard_output_of_run_alone() {
    let place = Place::new();
    let ended = job(&place, "print", "reduce").option("--json").run().done();
    ended.json();
    assert_eq!(ended.output().bytes(), COUNTS);
}

#[test]
fn memory_without_end_costs_the_slot_and_not_the_machine() {
    let place = Place::new();
    let ended = job(&place, "allocate", "map").memory("64MiB").max_attempts(1).run().failed();
    // The app gives up by itself, with these words, when it got 8 GiB.
    assert!(!ended.stderr().contains("was given everything"), "{ended}");
    ended.says(&["memory"]);
}

#[test]
fn huge_keys_and_values_come_through() {
    let place = Place::new();
    let keys = job(&place, "huge-keys", "map").memory("16MiB").run_like_sequential();
    assert!(keys.bytes().len() > 7 << 20, "{keys:?}");
    let values = job(&place, "huge-values", "map").memory("256MiB").run_like_sequential();
    assert_eq!(values.numbers_of("huge"), [3]);
}

#[test]
fn value_beyond_the_memory_is_told_with_its_size() {
    let place = Place::new();
    let ended = job(&place, "huge-values", "map").memory("16MiB").run();
    ended.failed().says(&["67108873 bytes", "the slot has 16777216 bytes of memory"]);
}

#[test]
fn reduce_may_leave_values_untaken() {
    let place = Place::new();
    let text = Random::new(3).text(300_000);
    let input = place.input("text.txt", text);
    for what in ["take-one", "take-none", "stop-early"] {
        let job =
            place.job("misbehave").slots(2).reduces(3).input(&input).arg("do", what).arg("at", "reduce");
        job.split_size("50k").memory("1MiB").run_like_sequential();
    }
}

#[test]
fn reduce_may_write_more_than_it_took() {
    let place = Place::new();
    let output = job(&place, "write-more", "reduce").run_like_sequential();
    assert_eq!(output.bytes().iter().filter(|&&b| b == b'\n').count(), 1000 + 10);
}

#[test]
fn partition_beyond_the_last_is_an_error() {
    let place = Place::new();
    job(&place, "bad-partition", "map").run().failed().says(&["partition"]);
    job(&place, "bad-partition", "map").sequential().failed().says(&["partition"]);
}

#[test]
fn plugin_that_closes_every_file_fails_and_does_not_hang_the_job() {
    let place = Place::new();
    job(&place, "close-files", "map").max_attempts(1).run().failed();
}

#[test]
fn app_that_changes_its_mind_is_told_of() {
    let place = Place::new();
    let input = place.input("text.txt", Random::new(4).text(1_000));
    let ended = place.job("misbehave").input(input).arg("do", "vary").arg("at", "map").option("--json").run();
    drop(ended.done());
}

#[test]
fn sequential_tells_errors_too() {
    let place = Place::new();
    for at in ["map", "reduce"] {
        let ended = job(&place, "error", at).sequential().failed();
        assert!(ended.output_is_untouched());
        ended.says(&["deliberate error"]);
        job(&place, "panic", at).sequential().failed().says(&["deliberate panic"]);
    }
    assert_eq!(fs::read_dir(place.folder("out")).unwrap().count(), 0);
}
