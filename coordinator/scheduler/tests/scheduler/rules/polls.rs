//! Polls, their answers, and what is repeated when an answer is lost.

use gristmill_model::{Incarnation, JobId, Progress, WorkerId};
use gristmill_scheduler::Orders;

use crate::fixtures::{mapped, spec};
use crate::world::{World, map};

#[test]
fn a_poll_waits_until_there_is_work() {
    let mut world = World::new();
    world.join("a", 2);
    world.poll(1, 2);
    assert_eq!(world.answers(), [""; 0]);
    world.submit(spec(1, 1, 1));
    assert_eq!(world.answers(), ["w1: run j1.m0.a0"]);
}

#[test]
fn a_poll_is_answered_when_its_time_is_over() {
    let mut world = World::new();
    world.join("a", 2);
    world.poll(1, 2);
    world.wait_alive(60_000, &[1], &[]);
    assert_eq!(world.answers(), ["w1: "]);
}

#[test]
fn a_newer_poll_takes_the_place_of_an_older_one() {
    let mut world = World::new();
    world.join("a", 2);
    world.poll(1, 2);
    world.poll(1, 1);
    assert_eq!(world.answers(), ["w1: "]);
    world.submit(spec(1, 2, 1));
    assert_eq!(world.answers(), ["w1: run j1.m0.a0"]);
}

#[test]
fn the_first_good_report_wins_and_repeats_get_the_same_verdict() {
    let mut world = World::with_job(2, 1, &["a"]);
    world.look_away();
    for _ in 0..2 {
        world.finish_map(1, map(0, 0));
        assert_eq!(world.answers(), ["w1: j1.m0.a0 won"]);
    }
    assert_eq!(world.told(), ["j1.m0.a0 wins"]);
    assert_eq!(world.status().counters["c"], 1);
}

#[test]
fn the_same_report_twice_in_a_batch_counts_once() {
    let mut world = World::with_job(2, 1, &["a"]);
    world.told();
    let report = mapped(map(0, 0), 1, 1, 1);
    let polls =
        [world.poll_with(1, 0, vec![report.clone(), report.clone()]), world.poll_with(1, 0, vec![report])];
    world.happen(&polls);
    assert_eq!(world.told(), ["j1.m0.a0 wins"]);
}

#[test]
fn reports_of_attempts_that_never_were_are_discarded() {
    let mut world = World::with_job(1, 1, &["a", "b"]);
    world.look_away();
    world.finish_map(1, map(0, 7));
    world.finish_map(1, map(9, 0));
    world.finish_map(2, map(0, 0));
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(
        world.answers(),
        ["w1: j1.m0.a7 discarded", "w1: j1.m9.a0 discarded", "w2: ", "w2: j1.m0.a0 discarded"]
    );
}

#[test]
fn an_assignment_whose_answer_was_lost_is_given_again() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.look_away();
    world.poll(1, 2);
    assert_eq!(world.answers(), ["w1: run j1.m0.a0"]);
    world.poll(1, 1);
    assert_eq!(world.answers(), [""; 0], "one slot is taken, as it should be");
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn an_assignment_that_has_arrived_is_not_given_again() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.answers();
    world.wait_alive(500, &[1], &[map(0, 0)]);
    world.poll(1, 2);
    assert_eq!(world.answers(), [""; 0]);
}

#[test]
fn a_cancellation_is_repeated_by_heartbeats_until_its_effect_shows() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.cancel(1);
    let progress = Progress { attempt: map(0, 0), ticks: 1, bytes_in: 0, waits: false };
    let mut orders = |running: Vec<Progress>| {
        let beat = world.heartbeat(1, running);
        world.happen(&[beat]);
        world.leader.orders(&world.state, WorkerId(1), Incarnation(1)).expect("it is registered")
    };
    let both = Orders { cancel: vec![map(0, 0)], forget: vec![JobId(1)], leave: false };
    assert_eq!(orders(vec![progress]), both);
    assert_eq!(orders(vec![progress]), both);
    assert_eq!(orders(vec![]), Orders { cancel: vec![], forget: vec![JobId(1)], leave: false });
    assert_eq!(orders(vec![]), Orders::default(), "a job is told to be forgotten a few times only");
}

#[test]
fn an_attempt_that_is_unknown_here_is_cancelled() {
    let mut world = World::new();
    world.join("a", 1);
    let beat = world.heartbeat(1, vec![Progress { attempt: map(4, 2), ticks: 1, bytes_in: 0, waits: false }]);
    world.happen(&[beat]);
    let orders = world.leader.orders(&world.state, WorkerId(1), Incarnation(1));
    assert_eq!(orders, Ok(Orders { cancel: vec![map(4, 2)], forget: vec![], leave: false }));
}
