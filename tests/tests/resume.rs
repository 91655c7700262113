//! `gristmill run --state-dir DIR` that is killed goes on with `--resume`.
#![expect(clippy::print_stderr, reason = "a test tells how much it has seen")]

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use gristmill_tests::{Gate, Job, Place, Random, TROUBLE, Worker, free_address, until};

fn inputs(place: &Place) -> [PathBuf; 4] {
    let text = |seed| [Random::new(seed).text(40_000), TROUBLE.to_vec()].concat();
    [1, 2, 3, 4].map(|seed| place.input(format!("{seed}.txt"), text(seed)))
}

fn job(place: &Place) -> Job<'_> {
    job_over(place, &inputs(place))
}

fn job_over<'a>(place: &'a Place, inputs: &[PathBuf]) -> Job<'a> {
    place.job("misbehave").reduces(3).slots(2).split_size("1MiB").inputs(inputs)
}

/// Where a run keeps its state: it may leave what it likes there until it has ended.
fn state_dir(place: &Place) -> PathBuf {
    place.folder("data").join("state")
}

/// Nothing of a run is left but how it ended.
fn is_empty(folder: &PathBuf) -> bool {
    let mut names: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    names == ["gristmill-run", "lock"]
}

#[test]
fn run_that_is_killed_goes_on_and_runs_no_finished_task_again() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let state = state_dir(&place);
    let expected = job(&place).sequential().done().output();
    let output = place.new_output();
    let held = gate
        .holds(job(&place), "reduce")
        .option("--state-dir")
        .option(&state)
        .output(&output)
        .option("--json");
    let first = held.start();
    // All maps are done, and two reduces have begun.
    gate.until_waiting(2);
    first.kill();
    gate.open();
    let ended = held.option("--resume").run().done();
    assert!(ended.output().parts() == expected.parts());
    let summary = ended.json();
    assert_eq!(summary["attempts"]["won"], 7, "{summary}");
    assert_eq!(
        (&summary["attempts"]["runs_lost"], &summary["attempts"]["failed"]),
        (&0.into(), &0.into()),
        "{summary}"
    );
    assert!(is_empty(&state), "the state of a run that is over is still there");
}

#[test]
fn run_that_is_killed_at_any_moment_ends_with_the_same_bytes() {
    let place = Place::new();
    let expected = job(&place).sequential().done().output();
    let mut random = Random::new(7);
    for round in 0..6 {
        let state = place.folder("data").join(format!("state-{round}"));
        let output = place.new_output();
        let resumable = job(&place)
            .option("--state-dir")
            .option(&state)
            .option("--resume")
            .output(&output)
            .option("--quiet");
        let mut kills = 0;
        let ended = loop {
            let mut running = resumable.start();
            let limit = std::time::Instant::now() + Duration::from_millis(20 + random.below(300));
            while running.is_running() && (kills >= 8 || std::time::Instant::now() < limit) {
                std::thread::yield_now();
            }
            if !running.is_running() {
                break running.wait().done();
            }
            running.kill();
            kills += 1;
        };
        eprintln!("round {round}: killed {kills} times");
        assert!(ended.output().parts() == expected.parts(), "round {round}");
        assert!(is_empty(&state));
    }
}

#[test]
fn state_of_a_run_is_neither_overwritten_nor_taken_for_another_job() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let state = state_dir(&place);
    let output = place.new_output();
    let inputs = inputs(&place);
    let job = || job_over(&place, &inputs);
    let with_state = |job: Job<'_>| job.option("--state-dir").option(&state).output(&output).start();
    let first = with_state(gate.holds(job(), "map"));
    gate.until_waiting(1);
    with_state(job().option("--resume")).wait().refused().says(&["another run"]);
    first.kill();
    with_state(job()).wait().refused().says(&["--resume"]);
    let other = place.job("misbehave").reduces(1).slots(1).input(place.input("other.txt", "other\n"));
    with_state(other.option("--resume")).wait().unsuccessful();
    let written = fs::metadata(&inputs[2]).unwrap().modified().unwrap();
    let touch = |at| File::options().write(true).open(&inputs[2]).unwrap().set_modified(at).unwrap();
    touch(written + Duration::from_nanos(1));
    with_state(job().option("--resume")).wait().refused().says(&["another job", "unchanged"]);
    touch(written);
    gate.open();
    with_state(gate.holds(job(), "map").option("--resume")).wait().done();
    until("the state to go", || is_empty(&state).then_some(()));
}

#[test]
fn directory_that_holds_something_else_is_refused() {
    let place = Place::new();
    let state = state_dir(&place);
    fs::create_dir(&state).unwrap();
    fs::write(state.join("letter.txt"), "dear").unwrap();
    job(&place).option("--state-dir").option(&state).run().refused().says(&["--state-dir"]);
    assert_eq!(fs::read(state.join("letter.txt")).unwrap(), b"dear");
    job(&place).option("--resume").run().refused().says(&["--state-dir"]);
}

/// Its state belongs to one run: a member would wait for a leader that does not come again.
#[test]
fn run_takes_no_members_and_goes_on() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let state = state_dir(&place);
    let address = free_address();
    let run = gate.holds(job(&place), "map").option("--state-dir").option(&state).start_listening(&address);
    let worker = Worker::start(&place, &address, 1);
    gate.until_waiting(1);
    let members =
        |words: &[&str]| place.gristmill([&["members"], words, &["--coordinator", &address]].concat());
    let newcomer = format!("2={}", free_address());
    for change in [&["add", &newcomer][..], &["replace", "1", &newcomer]] {
        members(change).refused().says(&["serves one run", "takes no members"]);
    }
    members(&["remove", "1"]).unsuccessful();
    let listed = members(&["--json"]).done().json();
    let ids: Vec<_> =
        listed["members"].as_array().into_iter().flatten().map(|member| &member["id"]).collect();
    assert_eq!(ids, [1], "{listed}");
    gate.open();
    let ended = run.wait().done();
    assert!(ended.output().parts() == job(&place).sequential().done().output().parts());
    worker.process.wait().done();
    assert!(is_empty(&state));
}
