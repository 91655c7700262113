//! Inputs and runs that are not what they should be: errors that name them, and the right ones run again.

use std::fs;

use crate::harness::{Bench, Shape};
use gristmill_dataplane::{Plugin, ReduceError};
use gristmill_model::{FailureCause, InputFile, LostRun, MapResult, PathBytes, TaskFailure};

fn map_failure(bench: &Bench, plugin: &Plugin, input: InputFile) -> TaskFailure {
    let shape = Shape { split_bytes: u64::MAX, memory_bytes: 1, ..Shape::default() };
    let failure = bench.maps(plugin, &[input], &shape).unwrap_err();
    assert_eq!(failure.cause, FailureCause::Input, "{failure:?}");
    failure
}

#[test]
fn an_input_that_is_gone_changed_or_unreadable_is_named() {
    let bench = Bench::new();
    let plugin = bench.plugin(&[]);
    let gone = bench.input("gone", b"x");
    fs::remove_file(gone.path.to_path()).unwrap();
    assert!(map_failure(&bench, &plugin, gone).message.contains("No such file"));
    let grown = bench.input("grown", b"x");
    fs::write(grown.path.to_path(), "xyz").unwrap();
    let failure = map_failure(&bench, &plugin, grown);
    assert!(failure.message.contains("it had 1 bytes and now has 3"), "{failure:?}");
    let directory = InputFile { path: PathBytes::from(bench.dir("d").as_path()), ..bench.input("d", b"") };
    assert!(bench.maps(&plugin, &[directory], &Shape::default()).is_err());
}

#[test]
fn a_line_beyond_memory_is_named_with_its_place() {
    let bench = Bench::new();
    let plugin = bench.plugin(&[]);
    let text = format!("short\n{}\n", "x".repeat(70_000));
    let failure = map_failure(&bench, &plugin, bench.input("text", text.as_bytes()));
    assert!(
        failure.message.contains("the line that begins at byte 6 is longer than 65536 bytes"),
        "{failure:?}"
    );
    assert_eq!(failure.location.unwrap().offset, 6);
    let fits = format!("short\n{}\n", "x".repeat(65_000));
    let outputs = bench.engine(
        &plugin,
        &[bench.input("text", fits.as_bytes())],
        &Shape { memory_bytes: 1, ..Shape::default() },
    );
    assert_eq!(outputs.concat().len(), "short 1\n".len() + 65_000 + " 1\n".len());
}

#[test]
fn a_partial_record_is_named_with_its_place() {
    let bench = Bench::new();
    let plugin = bench.plugin(&["INPUT_MODE=2", "RECORD_BYTES=3"]);
    let failure = map_failure(&bench, &plugin, bench.input("records", b"abcdefgh"));
    assert!(failure.message.contains("2 bytes are left at byte 6, a record has 3"), "{failure:?}");
    assert_eq!(failure.location.unwrap().offset, 6);
}

#[test]
fn a_record_beyond_memory_is_named_with_its_place() {
    let bench = Bench::new();
    let plugin = bench.plugin(&["INPUT_MODE=2", "RECORD_BYTES=70000"]);
    let failure = map_failure(&bench, &plugin, bench.input("records", &[b'x'; 140_000]));
    assert!(
        failure.message.contains("the record that begins at byte 0 is longer than 65536 bytes"),
        "{failure:?}"
    );
}

#[test]
fn a_file_read_whole_must_fit() {
    let bench = Bench::new();
    let plugin = bench.plugin(&["INPUT_MODE=1"]);
    let failure = map_failure(&bench, &plugin, bench.input("big", &[b'x'; 70_000]));
    let message = "reads files whole, and a slot with this memory takes less than 65536 bytes, but its content has 70000";
    assert!(failure.message.contains(message), "{failure:?}");
}

fn pairs_of(bench: &Bench, plugin: &Plugin, shape: &Shape) -> Vec<MapResult> {
    let text: String = (0..5000).map(|n| format!("w{n}\n")).collect();
    let inputs =
        [bench.input("a", text.as_bytes()), bench.input("b", text.as_bytes()), bench.input("c", b"c")];
    bench.maps(plugin, &inputs, shape).unwrap()
}

fn lost(result: Result<gristmill_model::ReduceResult, ReduceError>) -> Vec<LostRun> {
    match result {
        Err(ReduceError::RunsLost(lost)) => lost,
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_runs_that_cannot_be_read_are_named_at_once() {
    let bench = Bench::new();
    let plugin = bench.plugin(&[]);
    let shape = Shape::default();
    let maps = pairs_of(&bench, &plugin, &shape);
    fs::remove_file(maps[0].path.to_path()).unwrap();
    let cut = fs::read(maps[2].path.to_path()).unwrap();
    fs::write(maps[2].path.to_path(), &cut[..cut.len() - 1]).unwrap();
    let lost = lost(bench.reduce(&plugin, 1, &maps, &shape));
    assert_eq!(lost.iter().map(|run| run.attempt.to_string()).collect::<Vec<_>>(), ["j1.m0.a0", "j1.m2.a0"]);
    assert!(lost[0].reason.contains("No such file") && lost[1].reason.contains("cut off"), "{lost:?}");
}

#[test]
fn a_run_whose_blocks_are_damaged_is_lost_and_the_others_are_not() {
    let bench = Bench::new();
    let plugin = bench.plugin(&[]);
    for memory_bytes in [1, 64 << 20] {
        let shape = Shape { memory_bytes, ..Shape::default() };
        let maps = pairs_of(&bench, &plugin, &shape);
        let path = maps[1].path.to_path();
        let mut run = fs::read(&path).unwrap();
        let middle = usize::try_from(maps[1].partitions[0].bytes).unwrap() / 2;
        run[16 + middle] ^= 1;
        fs::write(&path, run).unwrap();
        let lost = lost(bench.reduce(&plugin, 0, &maps, &shape));
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert_eq!(lost[0].attempt.to_string(), "j1.m1.a0");
        assert!(lost[0].reason.contains("damaged block at byte "), "{lost:?}");
        bench.reduce(&plugin, 1, &maps, &shape).unwrap();
    }
}

#[test]
fn no_room_for_the_result_is_the_machines_fault() {
    let bench = Bench::new();
    let plugin = bench.plugin(&[]);
    let shape = Shape::default();
    let maps = pairs_of(&bench, &plugin, &shape);
    let task = gristmill_dataplane::ReduceTask {
        attempt: gristmill_model::TaskId::reduce(gristmill_model::JobId(1), 0).attempt(0),
        partition: 0,
        params: shape.params.clone(),
        segments: vec![gristmill_model::Segment {
            attempt: gristmill_model::TaskId::map(gristmill_model::JobId(1), 0).attempt(0),
            worker: gristmill_model::WorkerId(1),
            path: maps[0].path.clone(),
        }],
        memory_bytes: shape.memory_bytes,
        output_path: bench.path("no such directory").join("output"),
        scratch_dir: bench.dir("scratch"),
    };
    match gristmill_dataplane::run_reduce(&plugin, &task, &gristmill_dataplane::ProgressCell::new()) {
        Err(ReduceError::Failed(failure)) => assert_eq!(failure.cause, FailureCause::Machine, "{failure:?}"),
        other => panic!("{other:?}"),
    }
}
