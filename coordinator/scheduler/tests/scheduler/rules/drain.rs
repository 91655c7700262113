//! Workers that are to leave.

use gristmill_model::{Incarnation, JobId, WorkerId};
use gristmill_scheduler::{Input, Leader};

use crate::fixtures::{mapped, spec};
use crate::world::{World, map, reduce, settings};

#[test]
fn a_worker_that_drains_gets_nothing_new_and_finishes_what_it_has() {
    let mut world = World::with_job(5, 0, &["a", "b"]);
    world.look_away();
    world.drain(1);
    world.drain(1);
    assert_eq!(world.told(), ["w1 drains", "1000002 of c1 changes nothing"]);
    assert_eq!(world.state.slots(), 2, "its slots do not count any more");
    world.report_and_ask(1, mapped(map(0, 0), 0, 1, 1));
    assert_eq!(world.told(), ["j1.m0.a0 wins"]);
    assert_eq!(world.answers(), ["w1: j1.m0.a0 won"]);
    world.report_and_ask(2, mapped(map(2, 0), 0, 1, 1));
    assert_eq!(world.told(), ["j1.m2.a0 wins", "j1.m4.a0 to w2"]);
    let draining: Vec<_> =
        world.leader.workers(&world.state, world.now).iter().map(|worker| worker.draining).collect();
    assert_eq!(draining, [true, false]);
}

#[test]
fn it_leaves_when_it_runs_nothing_and_nobody_needs_its_runs() {
    let mut world = World::with_job(1, 1, &["a", "b"]);
    world.finish_map(1, map(0, 0));
    world.look_away();
    world.poll(1, 2);
    world.drain(1);
    assert_eq!(world.answers(), [""; 0], "the reduce will read its run");
    let explained = world.leader.explain(&world.state, world.now, JobId(1), None).unwrap();
    assert!(explained[0].text.contains("w1 drains and stays until the job is over"), "{explained:?}");
    world.finish_reduce(2, reduce(0, 0));
    assert_eq!(
        world.answers(),
        ["w2: j1.r0.a0 won"],
        "it is to hear of the end of the job, whose files it removes"
    );
    world.happen(&[Input::Committed { job: JobId(1), result: Ok(()) }]);
    assert_eq!(world.answers(), ["w1: forget j1, leave"]);
    world.poll(1, 2);
    assert_eq!(world.answers(), [""; 0], "it is told once; heartbeats repeat it");
    let orders = world.leader.orders(&world.state, WorkerId(1), Incarnation(1)).unwrap();
    assert!(orders.leave);
    world.disconnect(1);
    assert_eq!(world.leader.workers(&world.state, world.now).len(), 1);
}

#[test]
fn one_that_has_nothing_leaves_at_once() {
    let mut world = World::with_job(0, 0, &["a"]);
    world.look_away();
    world.drain(1);
    assert_eq!(world.answers(), ["w1: leave"]);
    assert_eq!(world.told(), ["w1 drains"]);
    for (request, unknown) in [(1_000_002, 0), (1_000_003, 2), (1_000_004, 7)] {
        world.drain(unknown);
        assert_eq!(world.told(), [format!("{request} of c1 refused: there is no worker w{unknown}")]);
    }
}

#[test]
fn one_that_has_left_is_drained_however_often_that_is_asked_for() {
    let mut world = World::with_job(0, 0, &["a", "b"]);
    world.drain(1);
    world.disconnect(1);
    world.disconnect(2);
    world.look_away();
    for worker in [1, 1, 2] {
        world.drain(worker);
    }
    let nothing = |request| format!("{request} of c1 changes nothing");
    assert_eq!(world.told(), [1_000_002, 1_000_003, 1_000_004].map(nothing));
}

#[test]
fn a_new_leader_knows_who_drains() {
    let mut world = World::with_job(3, 1, &["a"]);
    world.drain(1);
    world.leader = Leader::new(&world.state, world.now, settings());
    world.look_away();
    world.finish_map(1, map(0, 0));
    world.poll(1, 1);
    assert_eq!(world.told(), ["j1.m0.a0 wins"]);
}

#[test]
fn with_nobody_left_a_job_waits_and_says_for_what() {
    let mut world = World::with_job(1, 0, &[]);
    world.join("a", 2);
    world.drain(1);
    world.poll(1, 2);
    let explained = world.leader.explain(&world.state, world.now, JobId(1), Some(map(0, 0).task)).unwrap();
    assert!(
        explained[0].text.contains("waits for a worker: the 1 that are registered drain"),
        "{explained:?}"
    );
    world.look_away();
    world.join("b", 1);
    world.poll(2, 1);
    assert_eq!(world.told(), ["w2 joins on b", "j1.m0.a0 to w2"]);
}

#[test]
fn no_backup_goes_to_a_worker_that_drains() {
    let mut world = World::with_job(1, 1, &["a", "b"]);
    world.drain(2);
    world.poll(1, 1);
    world.look_away();
    world.wait_alive(9_500, &[1, 2], &[map(0, 0)]);
    assert_eq!(world.told(), [""; 0]);
    world.wait_alive(1_500, &[1, 2], &[map(0, 0)]);
    assert_eq!(world.told(), ["backup j1.m0.a1 to w1"], "in another slot of the only one that is left");
}

#[test]
fn a_job_of_others_does_not_keep_it() {
    let mut world = World::with_job(1, 1, &["a", "b"]);
    world.finish_map(1, map(0, 0));
    world.cancel(1);
    world.submit(spec(2, 4, 1));
    world.look_away();
    world.drain(1);
    world.poll(1, 2);
    assert_eq!(world.answers(), ["w1: forget j1, leave"]);
}
