//! Workers and slots that die, stop, come back, come late: the same bytes, and nobody left.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;

use gristmill_tests::{
    Gate, Job, Output, Place, Random, Signal, TROUBLE, Worker, children, free_address, is_alive, signal,
    until,
};

/// A job of four maps and two reduces, each of which meets the word `trouble`.
fn job(place: &Place) -> Job<'_> {
    let text = |seed| [Random::new(seed).text(20_000), TROUBLE.to_vec()].concat();
    let inputs = [1, 2, 3, 4].map(|seed| place.input(format!("{seed}.txt"), text(seed)));
    place.job("misbehave").reduces(2).split_size("1MiB").inputs(inputs)
}

fn assert_like_sequential(job: &Job<'_>, output: &std::path::Path) {
    let expected = job.sequential().done().output();
    let output = Output::committed(output);
    assert!(output.parts() == expected.parts(), "{output:?} instead of {expected:?}");
}

#[test]
fn worker_killed_in_its_maps_costs_nothing_but_time() {
    let place = Place::new();
    place.expect_litter();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let (victim, survivor) = (cluster.worker(1), cluster.worker(1));
    cluster.until_workers(2);
    let (id, output) = gate.holds(job(&place), "map").hand_in(&cluster);
    gate.until_waiting(2);
    victim.process.kill();
    gate.open();
    let status = cluster.until_done(&id);
    assert_eq!(status["attempts"]["worker_lost"], 1, "{status}");
    assert_eq!(status["attempts"]["failed"], 0, "{status}");
    assert_like_sequential(&job(&place), &output);
    cluster.end(vec![survivor]);
}

#[test]
fn worker_killed_in_its_reduces_costs_nothing_but_time() {
    let place = Place::new();
    place.expect_litter();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let (victim, survivor) = (cluster.worker(1), cluster.worker(1));
    let (id, output) = gate.holds(job(&place), "reduce").hand_in(&cluster);
    gate.until_waiting(2);
    victim.process.kill();
    gate.open();
    let status = cluster.until_done(&id);
    assert!(status["attempts"]["worker_lost"].as_u64() >= Some(1), "{status}");
    assert_eq!(status["attempts"]["failed"], 0, "{status}");
    assert_like_sequential(&job(&place), &output);
    cluster.end(vec![survivor]);
}

#[test]
fn runs_that_went_with_a_worker_are_made_again() {
    let place = Place::new();
    place.expect_litter();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let victim = cluster.worker(1);
    let (id, output) = gate.holds(job(&place), "reduce").hand_in(&cluster);
    gate.until_waiting(1);
    victim.process.kill();
    fs::remove_dir_all(&victim.work_dir).unwrap();
    gate.open();
    let successor = cluster.worker(2);
    let status = cluster.until_done(&id);
    assert_eq!(status["attempts"]["failed"], 0, "{status}");
    assert_eq!(status["maps"]["done"], 4, "{status}");
    assert_like_sequential(&job(&place), &output);
    cluster.end(vec![successor]);
}

#[test]
fn job_outlives_all_its_workers() {
    let place = Place::new();
    place.expect_litter();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let (id, output) = gate.holds(job(&place), "map").hand_in(&cluster);
    for generation in 1..=3 {
        let workers = cluster.workers(2, 1);
        gate.until_waiting(2 * generation);
        workers.into_iter().for_each(|worker| worker.process.kill());
    }
    let explained = cluster.ask(["explain", &id]).done().stdout();
    assert!(explained.contains("worker"), "{explained}");
    gate.open();
    let workers = cluster.workers(2, 1);
    let status = cluster.until_done(&id);
    // Each slot had an attempt that ran, and may have had one more that waited for it.
    let lost = status["attempts"]["worker_lost"].as_u64();
    assert!((Some(6)..=Some(12)).contains(&lost), "{status}");
    assert_like_sequential(&job(&place), &output);
    cluster.end(workers);
}

#[test]
fn worker_that_comes_back_as_a_zombie_changes_nothing_and_is_of_use_again() {
    let place = Place::new();
    place.expect_litter();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let (zombie, survivor) = (cluster.worker(1), cluster.worker(1));
    cluster.until_workers(2);
    let (id, output) = gate.holds(job(&place), "map").hand_in(&cluster);
    gate.until_waiting(2);
    let slots = zombie.slots();
    stop(&zombie, &slots);
    // It is taken for dead.
    cluster.until_workers(1);
    gate.open();
    let status = cluster.until_done(&id);
    assert_eq!(status["attempts"]["worker_lost"], 1, "{status}");
    let snapshot = Output::committed(&output);
    go_on(&zombie, &slots);
    // Once it has registered again it has said all that it had to say of its old life.
    let second = job(&place);
    survivor.end();
    let (id, second_output) = second.hand_in(&cluster);
    cluster.until_done(&id);
    assert!(Output::committed(&output) == snapshot, "a zombie changed the output");
    assert_like_sequential(&second, &second_output);
    cluster.end(vec![zombie]);
}

#[test]
fn slot_that_is_killed_is_a_failed_attempt_and_is_replaced() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let worker = cluster.worker(1);
    let (id, output) = gate.holds(job(&place), "map").hand_in(&cluster);
    gate.until_waiting(1);
    let slots = worker.slots();
    assert_eq!(slots.len(), 1);
    signal(slots[0], Signal::KILL);
    gate.until_waiting(2);
    gate.open();
    let status = cluster.until_done(&id);
    assert_eq!(status["attempts"]["failed"], 1, "{status}");
    assert_eq!(status["attempts"]["worker_lost"], 0, "{status}");
    let log = cluster.ask(["logs", &id]).done().stdout();
    assert!(log.contains("signal 9"), "{log}");
    assert_like_sequential(&job(&place), &output);
    cluster.end(vec![worker]);
}

#[test]
fn slot_that_is_killed_too_often_fails_the_job() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let worker = cluster.worker(1);
    let (id, output) = gate.holds(job(&place), "map").max_attempts(2).hand_in(&cluster);
    // The second kill may meet another task, which waited behind the first; the fifth has met one of the four twice.
    for attempt in 1..=5 {
        let is_over = || cluster.job(&id)["state"] == "failed";
        until("the next attempt, or the end", || (gate.waiting() >= attempt || is_over()).then_some(()));
        worker.slots().into_iter().for_each(|slot| signal(slot, Signal::KILL));
    }
    let status = cluster.until_state(&id, "failed");
    assert!((2..=5).contains(&status["attempts"]["failed"].as_u64().unwrap()), "{status}");
    assert!(status["error"].as_str().unwrap().contains("SIGKILL"), "{status}");
    // What was staged is removed once it is certain that the job has failed.
    until("nothing to be left in the output", || Output::snapshot(&output).is_empty().then_some(()));
    cluster.end(vec![worker]);
}

#[test]
fn slot_that_stops_is_taken_for_hung_and_killed() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let worker = cluster.worker(1);
    let (id, output) = gate.holds(job(&place), "map").task_timeout("1s").hand_in(&cluster);
    gate.until_waiting(1);
    let stopped = worker.slots();
    stopped.iter().for_each(|&slot| signal(slot, Signal::STOP));
    gate.open();
    let status = cluster.until_done(&id);
    // On a machine that is busy its successor may take longer than the second, too.
    assert!(status["attempts"]["timed_out"].as_u64() >= Some(1), "{status}");
    assert!(stopped.iter().all(|slot| !worker.slots().contains(slot)), "the hung slot is still there");
    assert_like_sequential(&job(&place), &output);
    cluster.end(vec![worker]);
}

#[test]
fn slots_end_with_their_killed_worker() {
    let place = Place::new();
    place.expect_litter();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let worker = cluster.worker(3);
    let (id, _) = gate.holds(job(&place), "map").hand_in(&cluster);
    gate.until_waiting(3);
    let slots = worker.slots();
    assert_eq!(slots.len(), 3);
    worker.process.kill();
    until("the slots to end", || slots.iter().all(|&slot| !is_alive(slot)).then_some(()));
    cluster.ask(["cancel", &id]).done();
    cluster.end(vec![]);
}

#[test]
fn worker_that_leaves_gives_its_work_away_at_once() {
    let place = Place::new();
    // What it has made stays, for it is still of use.
    place.expect_litter();
    let gate = Gate::new(&place);
    let cluster = place.cluster();
    let (leaver, stayer) = (cluster.worker(1), cluster.worker(1));
    let (id, output) = gate.holds(job(&place), "map").hand_in(&cluster);
    gate.until_waiting(2);
    leaver.end();
    gate.open();
    let status = cluster.until_done(&id);
    assert_eq!(status["attempts"]["failed"], 0, "{status}");
    assert_like_sequential(&job(&place), &output);
    cluster.end(vec![stayer]);
}

#[test]
fn worker_may_come_before_its_coordinator() {
    let place = Place::new();
    let address = free_address();
    let somebody_else = TcpListener::bind(&address).unwrap();
    let early = Worker::start(&place, &address, 1);
    // Its first try has failed when it was let in and thrown out.
    drop(somebody_else.accept().unwrap());
    drop(somebody_else);
    until("the worker to complain", || early.process.stderr().contains(&address).then_some(()));
    let job = job(&place);
    let running = job.start_listening(&address);
    assert_eq!(running.wait().done().output().parts(), job.sequential().done().output().parts());
    let ended = early.process.wait().done();
    assert!(!ended.stderr().contains('\x1b'), "colours in a file: {ended}");
}

#[test]
fn straggler_gets_a_backup_attempt_even_as_the_last_task() {
    let place = Place::new();
    let cluster = place.cluster();
    let workers = cluster.workers(2, 1);
    let once = place.folder("in").join("hung");
    let job = job(&place).task_timeout("1h");
    let (id, output) =
        job.clone().arg("do", "hang").arg("at", "map").arg("once", once.display()).hand_in(&cluster);
    let status = cluster.until_done(&id);
    assert!(status["attempts"]["backups"].as_u64() >= Some(1), "{status}");
    assert_like_sequential(&job, &output);
    cluster.end(workers);
}

#[test]
fn workers_may_share_a_work_directory() {
    let place = Place::new();
    let cluster = place.cluster();
    let first = cluster.worker(1);
    let second = Worker::start_in(&place, cluster.address(), 1, &first.work_dir);
    let job = job(&place).split_size("2k");
    let done = job.submit(&cluster).done();
    assert_eq!(done.output().parts(), job.sequential().done().output().parts());
    cluster.end(vec![first, second]);
}

#[test]
fn slot_is_given_no_secrets_and_no_files_but_its_own() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let job = job(&place).slots(1).env("PASSWORD", "swordfish").env("GRISTMILL_SIMD", "portable");
    let running = gate.holds(job, "map").start();
    gate.until_waiting(1);
    for slot in children(running.id()) {
        let environment = fs::read(format!("/proc/{slot}/environ")).unwrap();
        assert!(!environment.windows(9).any(|window| window == b"swordfish"), "a slot knows the password");
        assert!(environment.split(|byte| *byte == 0).any(|variable| variable == b"GRISTMILL_SIMD=portable"));
        let files = fs::read_dir(format!("/proc/{slot}/fd")).unwrap();
        let targets: BTreeSet<_> = files.map(|file| fs::read_link(file.unwrap().path()).unwrap()).collect();
        // The control channel, one pipe for both streams of output, nothing to read; then files of this test.
        let foreign = targets.iter().filter(|target| !target.starts_with(place.root()));
        assert!(foreign.count() <= 3, "a slot holds {targets:?}");
    }
    gate.open();
    running.wait().done();
}

#[test]
fn bad_worker_does_not_fail_a_good_job() {
    let place = Place::new();
    place.expect_litter();
    let cluster = place.cluster();
    let (bad, good) = (cluster.worker(1), cluster.worker(1));
    until("the bad worker to have made its directory", || (bad.slots().len() == 1).then_some(()));
    // Its slots cannot write their runs.
    fs::remove_dir_all(&bad.work_dir).unwrap();
    fs::write(&bad.work_dir, "not a directory").unwrap();
    let (id, output) = job(&place).max_attempts(100).hand_in(&cluster);
    cluster.until_done(&id);
    assert_like_sequential(&job(&place), &output);
    bad.process.kill();
    cluster.end(vec![good]);
}

fn stop(worker: &Worker, slots: &[u32]) {
    worker.process.signal(Signal::STOP);
    slots.iter().for_each(|&slot| signal(slot, Signal::STOP));
}

fn go_on(worker: &Worker, slots: &[u32]) {
    // Those that were taken away may be gone.
    slots.iter().filter(|&&slot| is_alive(slot)).for_each(|&slot| signal(slot, Signal::CONT));
    worker.process.signal(Signal::CONT);
}
