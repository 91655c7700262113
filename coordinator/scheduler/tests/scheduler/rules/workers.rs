//! Workers that come and go.

use gristmill_model::WorkerId;
use gristmill_scheduler::{Input, Leader, LossCause};

use crate::fixtures::spec;
use crate::world::{World, map, settings};

#[test]
fn work_spreads_over_the_workers() {
    let mut world = World::new();
    world.join("a", 2);
    world.join("b", 2);
    world.submit(spec(1, 3, 1));
    world.told();
    let polls = [world.poll_with(1, 2, vec![]), world.poll_with(2, 2, vec![])];
    world.happen(&polls);
    assert_eq!(world.told(), ["j1.m0.a0 to w1", "j1.m1.a0 to w2", "j1.m2.a0 to w1"]);
}

#[test]
fn a_worker_never_gets_more_than_it_has_slots() {
    let mut world = World::new();
    world.join("a", 2);
    world.submit(spec(1, 5, 1));
    world.told();
    world.poll(1, 1_000);
    assert_eq!(world.told(), ["j1.m0.a0 to w1", "j1.m1.a0 to w1"]);
}

#[test]
fn the_work_of_a_disconnected_worker_is_given_away_at_once() {
    let mut world = World::with_job(1, 1, &["a", "b"]);
    assert_eq!(world.told(), ["j1.m0.a0 to w1"]);
    world.disconnect(1);
    assert_eq!(world.told(), ["w1 lost: Disconnected", "j1.m0.a1 to w2"]);
    assert_eq!(world.status().attempts.worker_lost, 1);
    assert_eq!(world.status().attempts.failed, 0);
}

#[test]
fn a_silent_worker_is_lost_when_its_lease_ends() {
    let mut world = World::with_job(1, 1, &["a", "b"]);
    world.told();
    world.wait_alive(4_500, &[2], &[]);
    assert_eq!(world.told(), [""; 0]);
    world.wait_alive(1_000, &[2], &[]);
    assert_eq!(world.told(), ["w1 lost: Silent", "j1.m0.a1 to w2"]);
}

#[test]
fn a_lost_worker_that_comes_back_is_told_to_register_and_its_reports_count_for_nothing() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.disconnect(1);
    world.look_away();
    world.finish_map(1, map(0, 0));
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.answers(), ["w1: this worker is not registered; it must register again"]);
    world.register(1, "a", 2);
    assert_eq!(world.told(), ["w2 joins on a"], "the same incarnation under a new id");
}

#[test]
fn the_same_incarnation_registers_once() {
    let mut world = World::new();
    world.join("a", 2);
    world.register(1, "a", 2);
    assert_eq!(world.told(), ["w1 joins on a"]);
    world.register(1, "a", 3);
    assert_eq!(world.told(), ["w1 lost: Replaced", "w2 joins on a"]);
}

#[test]
fn a_worker_is_lost_once() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.told();
    let gone = |cause| Input::WorkerGone { worker: WorkerId(1), cause };
    world.happen(&[gone(LossCause::Goodbye), gone(LossCause::Disconnected)]);
    assert_eq!(world.told(), ["w1 lost: Goodbye"]);
}

#[test]
fn a_new_leader_starts_every_lease_afresh_and_ends_nothing() {
    let mut world = World::with_job(2, 1, &["a"]);
    world.told();
    world.wait_alive(4_000, &[], &[]);
    world.leader = Leader::new(&world.state, world.now, settings());
    world.wait(4_900);
    assert_eq!(world.told(), [""; 0]);
    world.finish_map(1, map(0, 0));
    assert_eq!(world.told(), ["j1.m0.a0 wins"]);
}

#[test]
fn a_coordinator_that_stood_still_blames_nobody() {
    let mut world = World::with_job(2, 1, &["a"]);
    world.told();
    world.now.ms += 3_600_000;
    world.happen(&[]);
    assert_eq!(world.told(), [""; 0]);
}
