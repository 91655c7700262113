//! Jobs and coordinators that end before they are done: cancelled, interrupted, killed. Nothing may be left.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use gristmill_tests::{
    Gate, Job, Output, Place, Random, Signal, TROUBLE, Worker, descendants, is_alive, until,
};

fn job(place: &Place) -> Job<'_> {
    let text = |seed| [Random::new(seed).text(20_000), TROUBLE.to_vec()].concat();
    let inputs = [1, 2, 3].map(|seed| place.input(format!("{seed}.txt"), text(seed)));
    place.job("misbehave").slots(2).reduces(2).inputs(inputs)
}

fn assert_nothing(output: &Path) {
    let found = Output::snapshot(output);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn ctrl_c_cancels_the_job_and_leaves_nothing() {
    for at in ["map", "reduce"] {
        let place = Place::new();
        let gate = Gate::new(&place);
        let running = gate.holds(job(&place), at).start();
        gate.until_waiting(2);
        // A terminal sends it to every process of the group; the slots must not take it for themselves and make a mess.
        running.signal_group(Signal::INT);
        let ended = running.wait().failed();
        assert!(ended.output_is_untouched());
        ended.says(&["cancelled"]);
    }
}

#[test]
fn interrupt_or_termination_of_run_alone_ends_its_slots_too() {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::new();
        let gate = Gate::new(&place);
        let running = gate.holds(job(&place), "map").start();
        gate.until_waiting(2);
        running.signal(signal);
        assert!(running.wait().failed().output_is_untouched());
    }
}

#[test]
fn second_ctrl_c_does_not_make_it_worse() {
    let place = Place::new();
    place.expect_litter();
    let gate = Gate::new(&place);
    let running = gate.holds(job(&place), "map").start();
    gate.until_waiting(2);
    running.signal_group(Signal::INT);
    running.signal_group(Signal::INT);
    let ended = running.wait();
    assert!(ended.signal().is_some() || ended.failed().output_is_untouched());
}

#[test]
fn ctrl_c_at_any_moment_leaves_nothing() {
    for moment_ms in [0, 2, 5, 10, 20, 40, 80, 160, 320] {
        let place = Place::new();
        let running = job(&place).start();
        thread::sleep(Duration::from_millis(moment_ms));
        running.signal_group(Signal::INT);
        let ended = running.wait();
        // Before the first instruction of ours the signal kills; after the commit the job is done.
        let committed = ended.stdout().contains("state done");
        if committed {
            ended.done().output();
        } else {
            assert!(ended.output_is_untouched(), "after {moment_ms} ms: {ended}");
            assert!(ended.signal() == Some(2) || ended.failed().signal().is_none());
        }
    }
}

#[test]
fn killed_run_takes_its_slots_with_it() {
    let place = Place::new();
    place.expect_litter();
    let gate = Gate::new(&place);
    let running = gate.holds(job(&place).output(place.new_output()), "map").start();
    gate.until_waiting(2);
    let slots = descendants(running.id());
    assert!(slots.len() >= 2, "{slots:?}");
    running.kill();
    until("the slots to end", || slots.iter().all(|&slot| !is_alive(slot)).then_some(()));
}

#[test]
fn what_a_killed_run_left_in_its_output_can_be_overwritten() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let output = place.new_output();
    let killed = gate.holds(job(&place).output(&output), "reduce").start();
    gate.until_waiting(2);
    killed.kill();
    gate.open();
    job(&place).output(&output).option("--overwrite").run().done().output();
    assert_eq!(fs::read_dir(output).unwrap().count(), 3);
    // What was in TMPDIR is the system's to remove.
    place.expect_litter();
}

#[test]
fn cancelled_job_frees_its_slots_and_leaves_nothing() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let worker = cluster.worker(2);
    let submitted = gate.holds(job(&place), "reduce").start_submit(&cluster);
    gate.until_waiting(2);
    cluster.ask(["cancel", "j1"]).done();
    let ended = submitted.wait().failed();
    assert!(ended.output_is_untouched());
    ended.says(&["cancelled"]);
    assert_eq!(cluster.ask(["job", "j1"]).failed().lines()["state"], "cancelled");
    // It stays cancelled, and cancelling again is no error.
    cluster.ask(["cancel", "j1"]).done();
    let next = job(&place).submit(&cluster).done();
    assert_eq!(next.output().parts(), job(&place).sequential().done().output().parts());
    cluster.ask(["cancel", "j2"]).done();
    assert_eq!(cluster.job("j2")["state"], "done");
    cluster.end(vec![worker]);
}

#[test]
fn job_without_workers_can_be_cancelled() {
    let place = Place::new();
    let cluster = place.cluster();
    let (id, output) = job(&place).hand_in(&cluster);
    cluster.ask(["cancel", &id]).done();
    cluster.until_state(&id, "cancelled");
    assert_nothing(&output);
    cluster.end(vec![]);
}

#[test]
fn ctrl_c_on_a_waiting_submit_cancels_its_job() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let worker = cluster.worker(2);
    let submitted = gate.holds(job(&place), "map").start_submit(&cluster);
    gate.until_waiting(2);
    submitted.signal(Signal::INT);
    assert!(submitted.wait().failed().output_is_untouched());
    cluster.until_state("j1", "cancelled");
    cluster.end(vec![worker]);
}

#[test]
fn without_coordinator_clients_say_so_and_exit_with_3() {
    let place = Place::new();
    place.expect_litter();
    let mut cluster = place.cluster();
    cluster.kill_coordinator();
    for words in
        [&["jobs"][..], &["job", "j1"], &["cancel", "j1"], &["explain", "j1"], &["logs", "j1"], &["workers"]]
    {
        cluster.ask(words).found_no_coordinator().says(&[cluster.address()]);
    }
    let ended = job(&place).submit(&cluster).found_no_coordinator();
    assert!(ended.output_is_untouched());
}

#[test]
fn submit_that_waits_tells_the_loss_of_its_coordinator() {
    let place = Place::new();
    place.expect_litter();
    let gate = Gate::new(&place);
    let mut cluster = place.cluster();
    let worker = cluster.worker(2);
    let submitted = gate.holds(job(&place), "map").start_submit(&cluster);
    gate.until_waiting(2);
    cluster.kill_coordinator();
    submitted.wait().found_no_coordinator();
    worker.end();
}

#[test]
fn worker_outlives_its_coordinator_and_serves_the_next() {
    let place = Place::new();
    place.expect_litter();
    let gate = Gate::new(&place);
    let mut cluster = place.cluster();
    let mut worker = cluster.worker(2);
    gate.holds(job(&place), "map").hand_in(&cluster);
    gate.until_waiting(2);
    cluster.kill_coordinator();
    assert!(worker.process.is_running());
    cluster.restart_coordinator();
    // The log was in memory: the old job is forgotten, and what was made for it is rubbish.
    let done = job(&place).submit(&cluster).done();
    assert_eq!(done.output().parts(), job(&place).sequential().done().output().parts());
    assert!(worker.process.is_running());
    worker.end();
    cluster.end(vec![]);
}

#[test]
fn coordinator_that_is_ended_ends_in_order_and_leaves_its_jobs_to_its_next_start() {
    let place = Place::new();
    // Its worker keeps the runs of the job, which may be of use, and what was staged stays.
    place.expect_litter();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let worker = cluster.worker(2);
    let (_, output) = gate.holds(job(&place), "reduce").hand_in(&cluster);
    gate.until_waiting(2);
    cluster.end(vec![]);
    worker.end();
    let names = fs::read_dir(&output).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let visible = names.filter(|name| !name.to_string_lossy().starts_with(".gristmill-"));
    assert_eq!(visible.count(), 0);
}

#[test]
fn worker_that_is_ended_as_soon_as_its_job_is_over_leaves_nothing() {
    let place = Place::new();
    let cluster = place.cluster();
    for _ in 0..5 {
        let worker = cluster.worker(2);
        job(&place).submit(&cluster).done();
        // It may not have heard that the job is over.
        worker.end();
    }
    cluster.end(vec![]);
}

#[test]
fn workers_end_when_the_run_that_they_serve_is_over() {
    for cancelled in [false, true] {
        let place = Place::new();
        let gate = Gate::new(&place);
        let address = gristmill_tests::free_address();
        let running = gate.holds(job(&place), "map").start_listening(&address);
        let workers = [0, 1, 2].map(|_| Worker::start(&place, &address, 1));
        gate.until_waiting(3);
        if cancelled {
            running.signal(Signal::INT);
            running.wait().failed();
        } else {
            gate.open();
            running.wait().done().output();
        }
        workers.into_iter().for_each(|worker| drop(worker.process.wait().done()));
    }
}
