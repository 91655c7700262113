//! Jobs of a group outlive its leader, any minority, and all of it at once: the same bytes, no finished task run again, no running
//! attempt ended.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "what helps a test is as strict as the test")]

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use gristmill_model::{JobId, RequestId, RequestKey};
use gristmill_protocol::{Client, Endpoint};
use gristmill_tests::{
    DEADLINE, Gate, Group, Job, Output, Place, Random, Signal, TROUBLE, Worker, assert_undisturbed, until,
};
use tokio::runtime::Builder;

/// A job of four maps and two reduces, each of which meets the word `trouble`.
fn job(place: &Place) -> Job<'_> {
    let text = |seed| [Random::new(seed).text(20_000), TROUBLE.to_vec()].concat();
    let inputs = [1, 2, 3, 4].map(|seed| place.input(format!("{seed}.txt"), text(seed)));
    place.job("misbehave").reduces(2).split_size("1MiB").inputs(inputs)
}

fn assert_like_sequential(job: &Job<'_>, output: &Path) {
    let expected = job.sequential().done().output();
    let output = Output::committed(output);
    assert!(output.parts() == expected.parts(), "{output:?} instead of {expected:?}");
}

/// The workers, each with the attempts that it runs.
fn running(group: &Group<'_>) -> Vec<String> {
    let listed = group.ask(["workers"]).done().stdout();
    let mut running: Vec<String> = listed
        .lines()
        .map(|line| {
            let attempts = line.split_whitespace().find(|word| word.starts_with("running=")).unwrap();
            format!("{} {attempts}", line.split_once(' ').unwrap().0)
        })
        .collect();
    running.sort();
    running
}

/// Holds a job in its maps or its reduces, does something to the group, and wants the attempts that were under way to be the winners.
fn goes_on(members: u64, at: &str, befall: impl FnOnce(&mut Group<'_>)) {
    let place = Place::new();
    let gate = Gate::new(&place);
    let mut group = place.group(members);
    let workers = group.workers(2, 1);
    let (id, output) = gate.holds(job(&place), at).hand_in(&group);
    gate.until_waiting(2);
    let before = until("both attempts to be told", || {
        Some(running(&group)).filter(|running| running.iter().all(|worker| !worker.ends_with("running=-")))
    });
    befall(&mut group);
    assert_eq!(running(&group), before, "the workers and their attempts after the fault");
    gate.open();
    let status = group.until_done(&id);
    assert_undisturbed(&status);
    assert_like_sequential(&job(&place), &output);
    group.restart_all();
    group.end(workers);
}

fn kill_leader(group: &mut Group<'_>) -> u64 {
    let leader = group.leader();
    group.kill(leader);
    leader
}

#[test]
fn leader_killed_during_maps_costs_nothing() {
    goes_on(3, "map", |group| {
        kill_leader(group);
    });
}

#[test]
fn leader_killed_during_reduces_costs_nothing() {
    goes_on(3, "reduce", |group| {
        kill_leader(group);
    });
}

#[test]
fn minority_of_five_killed_costs_nothing() {
    goes_on(5, "map", |group| {
        kill_leader(group);
        kill_leader(group);
    });
}

#[test]
fn five_leaders_killed_one_after_the_other_cost_nothing() {
    goes_on(3, "map", |group| {
        for _ in 0..5 {
            let leader = kill_leader(group);
            group.restart(leader);
        }
    });
}

#[test]
fn all_coordinators_killed_at_once_cost_nothing() {
    goes_on(3, "map", |group| {
        group.kill_all();
        group.restart_all();
    });
}

#[test]
fn all_coordinators_killed_during_reduces_cost_nothing() {
    goes_on(3, "reduce", |group| {
        group.kill_all();
        group.restart_all();
    });
}

#[test]
fn leader_that_is_stopped_and_comes_back_changes_nothing() {
    goes_on(3, "map", |group| {
        let paused = group.leader();
        group.stop(paused);
        until("another leader", || group.ids().into_iter().find(|&id| id != paused && group.leads(id)));
        group.go_on(paused);
        until("the old leader to know that it leads no more", || (!group.leads(paused)).then_some(()));
    });
}

#[test]
fn lonely_coordinator_that_is_killed_goes_on_where_it_was() {
    goes_on(1, "map", |group| {
        group.kill_all();
        group.restart_all();
    });
}

#[test]
fn reports_of_the_time_without_a_leader_are_accepted_once() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let mut group = place.group(3);
    let workers = group.workers(2, 1);
    let (id, output) = gate.holds(job(&place), "map").hand_in(&group);
    gate.until_waiting(2);
    group.kill_all();
    // The attempts end while nobody is there to be told.
    gate.open();
    until("the attempts to end", || workers.iter().all(has_run).then_some(()));
    group.restart_all();
    let status = group.until_done(&id);
    assert_undisturbed(&status);
    assert_like_sequential(&job(&place), &output);
    group.end(workers);
}

/// Whether a worker holds a finished run.
fn has_run(worker: &Worker) -> bool {
    fn files(folder: PathBuf) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.flat_map(|path| if path.is_dir() { files(path) } else { vec![path] }).collect()
    }
    files(worker.work_dir.clone()).iter().any(|path| path.extension().is_some_and(|e| e == "run"))
}

#[test]
fn group_without_a_majority_answers_nobody_and_forgets_nothing() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let mut group = place.group(3);
    let workers = group.workers(1, 1);
    let (id, output) = gate.holds(job(&place), "map").hand_in(&group);
    gate.until_waiting(1);
    kill_leader(&mut group);
    kill_leader(&mut group);
    group.ask(["jobs"]).found_no_coordinator();
    group.restart_all();
    gate.open();
    let status = group.until_done(&id);
    assert_undisturbed(&status);
    assert_like_sequential(&job(&place), &output);
    group.end(workers);
}

/// A commit makes files visible one after the other, then `_SUCCESS`: the leader is killed when each of some has appeared.
#[test]
fn leader_killed_between_any_two_steps_of_a_commit_is_continued_by_the_next() {
    let place = Place::new();
    let mut group = place.group(3);
    let workers = group.workers(1, 2);
    let inputs = [1, 2].map(|seed| place.input(format!("{seed}.txt"), Random::new(seed).text(50_000)));
    let job = place.job("wc").reduces(30).inputs(inputs);
    let expected = job.sequential().done().output();
    for step in ["mr-out-00000", "mr-out-00007", "mr-out-00019", "mr-out-00029", "_SUCCESS"] {
        let leader = group.leader();
        let (id, output) = job.hand_in(&group);
        let visible = output.join(step);
        let limit = Instant::now() + DEADLINE;
        while !visible.exists() {
            assert!(Instant::now() < limit, "waited in vain for {step}");
            thread::yield_now();
        }
        group.process(leader).signal(Signal::KILL);
        group.kill(leader);
        let was_over = output.join("_SUCCESS").exists();
        eprintln!("killed at {step}, the commit {}", if was_over { "was over" } else { "went on" });
        let status = group.until_done(&id);
        assert_undisturbed(&status);
        let output = Output::committed(&output);
        assert!(output.parts() == expected.parts(), "at {step}: {output:?} instead of {expected:?}");
        group.restart(leader);
    }
    group.end(workers);
}

/// Measured, and only its order of magnitude is asserted: machines differ. It is the time from the death of the leader until an attempt
/// of a job that is handed in at the same moment has begun.
#[test]
fn next_assignment_after_the_leader_s_death_comes_soon() {
    let place = Place::new();
    let mut group = place.group(3);
    let workers = group.workers(1, 1);
    let mut took: Vec<Duration> = (0..5)
        .map(|_| {
            let gate = Gate::new(&place);
            let job = gate.holds(job(&place), "map");
            let leader = group.leader();
            let begun = Instant::now();
            group.kill(leader);
            let (id, _) = job.hand_in(&group);
            gate.until_waiting(1);
            let took = begun.elapsed();
            gate.open();
            group.until_done(&id);
            group.restart(leader);
            took
        })
        .collect();
    took.sort();
    eprintln!("from the leader's death to the next attempt: median {:?} of {took:?}", took[2]);
    assert!(took[2] < Duration::from_secs(30), "{took:?}");
    group.end(workers);
}

/// A call that comes again is answered like the first, whatever there is by now that it could be about.
#[test]
fn cancel_that_comes_again_over_a_failover_is_one_cancel() {
    let place = Place::new();
    let mut group = place.group(3);
    let workers = group.workers(1, 1);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(Endpoint::parse(group.address()).unwrap(), DEADLINE);
    let session = runtime.block_on(client.open_session(1)).unwrap();
    let cancel = |request, job| {
        let key = RequestKey { client: session, request: RequestId(request) };
        runtime.block_on(client.cancel_under(key, JobId(job))).map_err(|error| error.to_string())
    };
    let too_early = cancel(1, 1).unwrap_err();
    assert!(too_early.contains("there is no job j1"), "{too_early}");
    let gate = Gate::new(&place);
    let (first, output) = gate.holds(job(&place), "map").hand_in(&group);
    assert_eq!(first, "j1");
    gate.until_waiting(1);
    kill_leader(&mut group);
    assert_eq!(cancel(1, 1), Err(too_early));
    group.restart_all();
    gate.open();
    group.until_done(&first);
    assert_like_sequential(&job(&place), &output);

    let gate = Gate::new(&place);
    let (second, _) = gate.holds(job(&place), "map").hand_in(&group);
    gate.until_waiting(1);
    assert_eq!(cancel(2, 2), Ok(()));
    let ended = group.until_state(&second, "cancelled");
    kill_leader(&mut group);
    assert_eq!(cancel(2, 2), Ok(()));
    assert_eq!(group.until_state(&second, "cancelled")["attempts"], ended["attempts"]);
    group.restart_all();
    group.end(workers);
}

#[test]
fn job_can_be_handed_in_at_any_member() {
    let place = Place::new();
    let group = place.group(3);
    let workers = group.workers(1, 2);
    let expected = job(&place).sequential().done().output();
    for id in group.ids() {
        let ended = job(&place).submit(&group.only(id)).done();
        assert!(ended.output().parts() == expected.parts(), "by member {id}");
    }
    group.end(workers);
}
