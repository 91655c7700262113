//! Meetings of events that once went wrong, or that seeds seldom come to, brought about step by step.
//!
//! Each script says that what it is about has happened; what must hold is looked at as in any life, to its end. Chance decides only what does not
//! matter, such as how long a message takes, and each script is played with several seeds to show that.

use std::path::Path;
use std::sync::Arc;

use gristmill_model::Timestamp;
use gristmill_scheduler::{Planner, Settings};
use gristmill_storage::Storage;

use super::clients::Client;
use super::faults::Faults;
use super::files::Files;
use super::life::Life;
use super::met::Met;
use super::outputs::CommitFate;
use super::rng::Rng;
use super::visible::Found;
use super::worker::Worker;
use crate::fixtures;

const SEEDS: u64 = 20;
/// Shorter than anything that the group waits for.
const STEP_MS: u64 = 10;

/// Three members of whom the first leads, nothing wrong with them, and clients who ask for what they are told to.
fn group(seed: u64, clients: usize) -> Life {
    let mut life = Life::of(Rng::new(seed), Faults::default(), Settings::default(), 3, u64::MAX);
    life.enthrone_by_script(0);
    for _ in 0..clients {
        let mut client = Client::new(life.next_nonce(), [false; 3]);
        client.retire(life.now);
        life.clients.push(client);
    }
    until(&mut life, "sessions", |life| life.clients.iter().all(Client::has_session));
    assert!(life.leads(0));
    life
}

fn until(life: &mut Life, what: &str, reached: impl Fn(&Life) -> bool) {
    for _ in 0..1_000 {
        if reached(life) {
            return;
        }
        life.step_by(STEP_MS);
    }
    panic!("never: {what}");
}

/// The first member decides on a write that reaches nobody, and its loop stands still.
fn decides_alone_and_stands_still(life: &mut Life) {
    life.cut_off(0);
    life.write_once(0, 0, "a", "one");
    until(life, "a proposal", |life| life.waits_for_outcome(0));
    life.stall(0);
}

/// Another member leads, and writes to the same key.
fn another_leads_and_writes(life: &mut Life) {
    life.cut_off(0);
    life.enthrone_by_script(1);
    life.write_once(1, 1, "a", "two");
    until(life, "the other write", |life| life.clients[1].is_idle());
}

/// Once seed 11.
#[test]
fn an_answer_is_late_and_true_when_the_loop_stood_still_since_its_entry_was_certain() {
    for (seed, has_caught_up) in (0..SEEDS).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut life = group(seed, 2);
        decides_alone_and_stands_still(&mut life);
        life.cuts.clear();
        until(&mut life, "the entry is certain", |life| life.has_outcome(0));
        another_leads_and_writes(&mut life);
        if has_caught_up {
            life.cuts.clear();
            until(&mut life, "the first one follows", |life| !life.leads(0));
            assert!(life.has_outcome(0));
        }
        assert!(!life.clients[0].is_idle());
        life.go_on_with_loop(0);
        until(&mut life, "the late answer", |life| life.clients[0].is_idle());
        let (met, _) = life.end();
        assert!(has_caught_up || met.count("answered late") == 1);
    }
}

/// Once seed 35.
#[test]
fn the_outcome_of_an_entry_that_has_replaced_the_leaders_own_is_not_taken_for_its_own() {
    for seed in 0..SEEDS {
        let mut life = group(seed, 2);
        decides_alone_and_stands_still(&mut life);
        another_leads_and_writes(&mut life);
        life.cuts.clear();
        until(&mut life, "another entry in its place", |life| life.own_entry_was_replaced(0));
        assert!(life.waits_for_outcome(0), "it has an outcome that is not its own");
        life.go_on_with_loop(0);
        until(&mut life, "the end of the leadership", |life| !life.waits_for_outcome(0));
        assert!(!life.clients[0].is_idle(), "its client was answered");
        assert_eq!(life.end().0.count("answered late"), 0);
    }
}

/// Once seed 1595.
#[test]
fn a_leader_that_the_first_answer_of_a_round_deposes_sends_nothing_to_the_others() {
    for seed in 0..SEEDS {
        let mut life = group(seed, 1);
        decides_alone_and_stands_still(&mut life);
        // The second member has a higher term, of which the third has not heard.
        life.cuts.clear();
        life.cut_off(1);
        life.campaign(1);
        let third = life.term_and_len(2);
        assert!(life.term_and_len(1).0 > third.0 && life.term_and_len(0).1 > third.1);
        life.cuts.clear();
        life.coordinate(0);
        assert!(!life.leads(0));
        assert_eq!(life.term_and_len(0).0, life.term_and_len(1).0);
        assert_eq!(life.term_and_len(2), third, "the third member follows one that does not lead");
        life.go_on_with_loop(0);
        assert_eq!(life.end().0.count("leader deposed"), 1);
    }
}

/// Once seed 9227.
#[test]
fn a_snapshot_of_what_others_had_synced_outlives_the_log_that_had_not() {
    for seed in 0..SEEDS {
        let mut life = group(seed, 1);
        life.snapshot_entries = 3;
        life.members[0].slow_until = Timestamp::from_ms(u64::MAX);
        while !life.snapshot_is_ahead(0) {
            life.write_once(0, 0, "a", "more");
            until(&mut life, "a write", |life| life.clients[0].is_idle());
        }
        life.crash_with_nothing_unsynced(0);
        until(&mut life, "it is back", |life| life.members[0].down_until.is_none());
        for _ in 0..10 {
            life.write_once(0, 1, "a", "behind it");
            // It asks the others too.
            life.clients[0].silent_until = life.now;
            until(&mut life, "a write behind it", |life| life.clients[0].is_idle());
        }
        until(&mut life, "it has caught up", |life| life.applied_by(0).1 == life.entries.len());
        life.end();
    }
}

/// A leader that is cut off believes that it leads, and may not say so: found by 2 of 1,000 seeds.
#[test]
fn a_leader_that_another_has_replaced_answers_no_reader() {
    for seed in 0..SEEDS {
        let mut life = group(seed, 3);
        life.write_once(0, 0, "a", "one");
        until(&mut life, "a write", |life| life.clients[0].is_idle());
        another_leads_and_writes(&mut life);
        assert!(life.leads(0) && life.leads(1));
        life.read_once(2, 0, "a");
        for _ in 0..20 {
            life.step_by(STEP_MS);
            assert!(!life.clients[2].is_idle(), "it has answered");
        }
        life.end();
    }
}

/// Once seed 1764.
#[test]
fn the_power_may_fail_at_any_step_of_a_second_leader_that_moves_outputs() {
    let met = commits_that_end_twice(|steps| CommitFate::Dies { steps, power: false });
    assert!(met.count("power fails while outputs move") >= 50, "{met:?}");
}

/// The first try may have removed old files and failed before that was durable, so that the second finds none.
#[test]
fn old_files_do_not_return_with_the_power_when_the_first_try_has_failed() {
    let met = commits_that_end_twice(|steps| CommitFate::Fails { steps });
    assert!(met.count("removed, and not durable") >= 10, "{met:?}");
}

/// An old output is replaced; the first try ends so at every step that it has, and the power fails at every step of the second.
fn commits_that_end_twice(first: fn(u64) -> CommitFate) -> Met {
    let mut met = Met::default();
    let (mut steps, mut then) = (0, 0);
    loop {
        let mut life = group(steps + then, 1);
        life.workers.push(Worker::new(1, 0, 2));
        let mut spec = fixtures::spec(1, 2, 0);
        life.leave_old_output(&mut spec);
        life.outputs.push(spec.output.to_path());
        life.clients[0].jobs.push((life.now, Arc::new(spec), Planner::EvenPieces));
        life.commit_fates.extend([first(steps), CommitFate::Dies { steps: then, power: true }]);
        let (one, _) = life.end();
        assert_eq!(one.count("job done"), 1, "{one:?}");
        met.add(&one);
        match (one.count("ends behind a commit") > 0, then) {
            // The first try has no such step.
            (true, 0) => return met,
            // Nor has the second one.
            (true, _) => (steps, then) = (steps + 1, 0),
            (false, _) => then += 1,
        }
    }
}

/// Once seed 1980. What moved there from a directory that was synced first is not taken away when the removal becomes durable.
#[test]
fn a_name_that_was_removed_and_taken_again_keeps_the_last_that_it_was_given() {
    let (output, staging) = (Path::new("/out"), Path::new("/out/staging"));
    for synced in [[output, staging], [staging, output]] {
        let files = Files::new();
        files.create_directory(staging).unwrap();
        let (name, staged) = (output.join("name"), staging.join("name"));
        files.write(&name, b"old").unwrap();
        files.write(&staged, b"new").unwrap();
        files.remove_file(&name).unwrap();
        files.rename(&staged, &name).unwrap();
        let held = |found: &Found| found.get("name").cloned();
        let left: Vec<_> = files.might_be_left(output).iter().map(held).collect();
        assert_eq!(left, [None, Some(b"new".to_vec())]);
        for directory in synced {
            files.sync_directory(directory).unwrap();
            assert_eq!(held(&files.durable_files(output)), Some(b"new".to_vec()));
        }
    }
}
