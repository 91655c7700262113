//! What clients of a group see is what they would see of one coordinator that never fails: histories of real processes that are killed,
//! stopped and parted, looked through by a complete checker.
//!
//! A part of it runs with the other tests. `GRISTMILL_FAULTS=N` lets each group live through so many faults, and
//! `scripts/linearizability.sh` runs all of it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what helps a test is as strict as the test, and tells how much it has seen"
)]

use std::env;
use std::sync::Arc;

use gristmill_linearizable::{Answer, Call, Kv, Operation, Submissions, Verdict, check, revisions};
use gristmill_tests::{Group, KvClients, Mischief, Place, Random, Recorder, Submitters, play_all};
use tokio::runtime::Runtime;

/// Configurations that the checker may try for each key. What it does not know within that counts as wrong.
const BUDGET: u64 = 5_000_000;

/// How many faults a group lives through.
fn faults(usual: usize) -> usize {
    env::var("GRISTMILL_FAULTS").map_or(usual, |text| text.parse().expect("GRISTMILL_FAULTS is a number"))
}

/// Records what clients see of a group while these faults happen, and checks it.
fn survey(group: &mut Group<'_>, clients: u64, keys: u64, kinds: &[Mischief], count: usize, seed: u64) {
    let runtime = Runtime::new().unwrap();
    let recorder = Arc::new(Recorder::default());
    let clients = KvClients { address: group.address().to_owned(), clients, keys, seed };
    let load = runtime.spawn(clients.clone().run(recorder.clone()));
    play_all(group, kinds, count, &mut Random::new(seed));
    recorder.end();
    runtime.block_on(load).expect("the clients end");
    // Each member has come to its state by itself: all of them must give the same answers.
    for id in group.ids() {
        group.lead(id);
        runtime.block_on(clients.read_all(recorder.clone()));
    }
    let history = Arc::into_inner(recorder).expect("nobody records any more").into_history();
    judge(&history, keys);
}

fn judge(history: &[Operation<Call, Answer>], keys: u64) {
    let unknown = history.iter().filter(|operation| operation.answered.is_none()).count();
    eprintln!("{} operations on {keys} keys, {unknown} of unknown fate", history.len());
    let verdict = check::<Kv>(history, BUDGET);
    assert_eq!(verdict, Verdict::Linearizable, "{verdict}");
    if let Err(disorder) = revisions(history) {
        panic!("{disorder}");
    }
    let last_reads = history.iter().filter(|operation| operation.answered.is_some()).count();
    assert!(last_reads as u64 >= keys, "hardly anything was answered");
}

#[test]
fn store_is_linearizable_while_members_are_killed_and_stopped() {
    let place = Place::new();
    let mut group = place.group(3);
    survey(&mut group, 12, 150, &Mischief::PROCESSES, faults(7), 1);
    group.end(vec![]);
}

#[test]
fn store_is_linearizable_while_members_are_parted() {
    let place = Place::new();
    let mut group = Group::start_with_wires(&place, 5);
    survey(&mut group, 12, 150, &Mischief::WIRES, faults(5), 2);
    group.end(vec![]);
}

#[test]
fn store_is_linearizable_on_seven_servers_with_fifteen_clients_under_everything_at_once() {
    let place = Place::new();
    let mut group = Group::start_with_wires(&place, 7);
    let kinds = [Mischief::PROCESSES.as_slice(), &Mischief::WIRES].concat();
    survey(&mut group, 15, 100, &kinds, faults(9), 3);
    group.end(vec![]);
}

/// A leader that dies has written less than it had others write: what they have acknowledged must not be replaced by what it writes in
/// its next life.
#[test]
fn store_is_linearizable_while_the_leader_dies_and_is_back_at_once() {
    let place = Place::new();
    let mut group = place.group(3);
    let faults = faults(4);
    // Each fault leaves calls of unknown fate, and what the checker must try grows exponentially with those of one key.
    let keys = 60.max(6 * faults as u64);
    survey(&mut group, 16, keys, &[Mischief::BounceLeader], faults, 6);
    group.end(vec![]);
}

#[test]
fn one_key_is_linearizable_when_everybody_wants_it() {
    let place = Place::new();
    let mut group = place.group(3);
    survey(
        &mut group,
        5,
        1,
        &[Mischief::KillLeader, Mischief::BounceLeader, Mischief::StopLeader],
        faults(3),
        4,
    );
    group.end(vec![]);
}

#[test]
fn request_is_one_job_however_often_it_is_sent_and_whoever_leads() {
    let place = Place::new();
    let mut group = place.group(3);
    let runtime = Runtime::new().unwrap();
    let recorder = Arc::new(Recorder::default());
    let submitters = Submitters::new(&place, group.address(), 500);
    let load = runtime.spawn(submitters.run(recorder.clone()));
    play_all(&mut group, &Mischief::PROCESSES, faults(4), &mut Random::new(5));
    recorder.end();
    runtime.block_on(load).expect("the clients end");
    let history = Arc::into_inner(recorder).expect("nobody records any more").into_history();
    eprintln!("{} operations on requests, of which each is one job", history.len());
    let verdict = check::<Submissions>(&history, BUDGET);
    assert_eq!(verdict, Verdict::Linearizable, "{verdict}");
    if let Err(disorder) = Submissions::jobs(&history) {
        panic!("{disorder}");
    }
    group.end(vec![]);
}
