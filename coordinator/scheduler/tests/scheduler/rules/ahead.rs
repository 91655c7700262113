//! Attempts that workers are given before they have a slot for them.

use gristmill_model::{JobId, Progress};
use gristmill_scheduler::{Input, Poll};

use crate::fixtures::{mapped, spec};
use crate::world::{World, map};

/// One job of so many maps, and a worker of two slots on each machine that takes two attempts ahead.
fn with_queues(maps: u64, machines: &[&str]) -> World {
    let mut world = World::with_job(maps, 1, &[]);
    for machine in machines {
        world.join(machine, 2);
    }
    world.look_away();
    for worker in 1..=machines.len() as u64 {
        let poll = world.poll_of(worker, 2, 2, 0);
        world.happen(&[Input::Poll(poll)]);
    }
    world
}

/// Reports the end of one attempt of a worker that begins a queued one in its place.
fn report_and_begin_the_next(world: &mut World, worker: u64, index: u32, held: u32) {
    let poll = Poll { reports: vec![mapped(map(index, 0), 1, 1, 1)], ..world.poll_of(worker, 0, 1, held) };
    world.happen(&[Input::Poll(poll)]);
}

#[test]
fn an_answer_takes_along_what_the_slots_begin_next() {
    let mut world = with_queues(20, &["a"]);
    assert_eq!(world.answers(), ["w1: run j1.m0.a0, run j1.m1.a0, run j1.m2.a0, run j1.m3.a0"]);
    report_and_begin_the_next(&mut world, 1, 0, 3);
    assert_eq!(world.answers(), ["w1: run j1.m4.a0, j1.m0.a0 won"]);
    assert_eq!(world.running(1).len(), 4, "one ahead for each slot");
}

#[test]
fn near_the_end_of_a_stage_nothing_is_given_ahead() {
    let mut world = with_queues(10, &["a", "b"]);
    let answers = world.answers();
    assert_eq!(answers[0], "w1: run j1.m0.a0, run j1.m1.a0", "eight tasks are left for the two other slots");
    let mut world = with_queues(16, &["a", "b"]);
    world.look_away();
    report_and_begin_the_next(&mut world, 1, 0, 3);
    assert_eq!(world.answers(), ["w1: j1.m0.a0 won"], "slots elsewhere will want the rest soon");
}

#[test]
fn a_worker_that_is_alone_takes_ahead_to_the_last_task() {
    let mut world = with_queues(4, &["a"]);
    assert_eq!(world.answers(), ["w1: run j1.m0.a0, run j1.m1.a0, run j1.m2.a0, run j1.m3.a0"]);
    world.join("b", 2);
    world.join("c", 2);
    world.drain(2);
    world.drain(3);
    world.submit(spec(2, 4, 1));
    world.look_away();
    let poll = Poll { reports: vec![mapped(map(0, 0), 1, 1, 1)], ..world.poll_of(1, 0, 1, 3) };
    world.happen(&[Input::Poll(poll)]);
    assert_eq!(world.answers(), ["w1: run j2.m0.a0, j1.m0.a0 won"], "those that drain want nothing");
}

#[test]
fn a_worker_that_waits_for_work_is_not_woken_for_a_task_ahead() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.look_away();
    let poll = world.poll_of(1, 0, 2, 1);
    world.happen(&[Input::Poll(poll)]);
    world.submit(spec(2, 40, 1));
    assert_eq!(world.answers(), [""; 0]);
    assert_eq!(world.told(), ["j2 submitted"]);
}

#[test]
fn an_attempt_that_waits_for_a_slot_does_not_time_out() {
    let mut world = with_queues(20, &["a"]);
    world.look_away();
    for ticks in 0..60 {
        world.wait(500);
        let running = |index| Progress { attempt: map(index, 0), ticks, bytes_in: 0, waits: false };
        let waiting = |index| Progress { attempt: map(index, 0), ticks: 0, bytes_in: 0, waits: true };
        let beat = world.heartbeat(1, vec![running(0), running(1), waiting(2), waiting(3)]);
        world.happen(&[beat]);
    }
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.status().map.running, 2);
    let explained = world.leader.explain(&world.state, world.now, JobId(1), Some(map(2, 0).task)).unwrap();
    assert!(explained[0].text.starts_with("j1.m2.a0 waits on w1 for a slot"), "{explained:?}");
}

#[test]
fn what_waited_at_a_lost_worker_is_given_to_others_and_counts_for_no_failure() {
    let mut world = with_queues(20, &["a"]);
    world.disconnect(1);
    world.join("b", 2);
    world.look_away();
    world.poll(2, 2);
    assert_eq!(world.told(), ["j1.m0.a1 to w2", "j1.m1.a1 to w2"]);
    let attempts = world.status().attempts;
    assert_eq!((attempts.worker_lost, attempts.failed, attempts.cancelled), (4, 0, 0));
}

#[test]
fn an_answer_that_was_lost_brings_the_attempts_ahead_again() {
    let mut world = with_queues(20, &["a"]);
    world.look_away();
    let poll = world.poll_of(1, 2, 2, 0);
    world.happen(&[Input::Poll(poll)]);
    assert_eq!(world.answers(), ["w1: run j1.m0.a0, run j1.m1.a0, run j1.m2.a0, run j1.m3.a0"]);
    let poll = world.poll_of(1, 0, 1, 3);
    world.happen(&[Input::Poll(poll)]);
    assert_eq!(world.answers().len(), 1, "one of four did not arrive");
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_cancelled_job_takes_back_what_waits() {
    let mut world = with_queues(20, &["a"]);
    world.look_away();
    world.poll(1, 0);
    world.cancel(1);
    let answer = "w1: end j1.m0.a0, end j1.m1.a0, end j1.m2.a0, end j1.m3.a0, forget j1";
    assert_eq!(world.answers().last().map(String::as_str), Some(answer));
}
