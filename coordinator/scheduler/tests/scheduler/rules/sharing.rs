//! Several jobs at once: priorities, and fair shares among equals.

use gristmill_model::{JobId, JobSpec, Report};
use gristmill_scheduler::{Input, Leader, Poll};

use crate::fixtures::{mapped, spec, submit};
use crate::world::{World, map, settings};

/// Jobs of so many maps and these priorities, in their order.
fn with_jobs(jobs: &[(u64, i8)]) -> World {
    let mut world = World::new();
    let specs = (1..).zip(jobs);
    let specs =
        specs.map(|(request, (maps, priority))| JobSpec { priority: *priority, ..spec(request, *maps, 0) });
    world.happen(&specs.map(submit).collect::<Vec<_>>());
    world.look_away();
    world
}

/// A worker that has all that it was given asks for more.
fn ask(world: &mut World, worker: u64, free_slots: u32, reports: Vec<Report>) {
    let held = world.running(worker).len() as u32;
    let poll = Poll { reports, ..world.poll_of(worker, free_slots, 0, held) };
    world.happen(&[Input::Poll(poll)]);
}

/// How many attempts of each job run.
fn running(world: &World, jobs: u64) -> Vec<u32> {
    let status = |job| world.leader.job_status(&world.state, JobId(job)).expect("the job");
    (1..=jobs).map(|job| status(job).map.running).collect()
}

#[test]
fn equals_share_the_slots() {
    let mut world = with_jobs(&[(20, 0), (20, 0), (20, 0)]);
    world.join("a", 6);
    world.join("b", 3);
    ask(&mut world, 1, 6, vec![]);
    assert_eq!(running(&world, 3), [2, 2, 2]);
    ask(&mut world, 2, 3, vec![]);
    assert_eq!(running(&world, 3), [3, 3, 3]);
}

#[test]
fn what_a_small_job_does_not_take_goes_to_the_others() {
    let mut world = with_jobs(&[(20, 0), (1, 0), (20, 0)]);
    world.join("a", 9);
    ask(&mut world, 1, 9, vec![]);
    assert_eq!(running(&world, 3), [4, 1, 4]);
}

#[test]
fn a_slot_goes_to_the_job_that_has_fewest_and_nothing_is_taken_away() {
    let mut world = with_jobs(&[(20, 0)]);
    world.join("a", 4);
    ask(&mut world, 1, 4, vec![]);
    world.submit(spec(2, 20, 0));
    world.look_away();
    for index in 0..2 {
        ask(&mut world, 1, 1, vec![mapped(map(index, 0), 0, 1, 1)]);
    }
    assert_eq!(world.told(), ["j1.m0.a0 wins", "j2.m0.a0 to w1", "j1.m1.a0 wins", "j2.m1.a0 to w1"]);
    assert_eq!(running(&world, 2), [2, 2]);
}

#[test]
fn a_higher_priority_comes_first_whatever_runs() {
    let mut world = with_jobs(&[(20, 0), (3, 5), (20, -7)]);
    world.join("a", 10);
    ask(&mut world, 1, 4, vec![]);
    assert_eq!(running(&world, 3), [1, 3, 0]);
    ask(&mut world, 1, 6, vec![]);
    assert_eq!(running(&world, 3), [7, 3, 0]);
    let explained = world.leader.explain(&world.state, world.now, JobId(3), None).unwrap();
    assert!(explained[0].text.contains("its priority is -7"), "{explained:?}");
    assert!(explained[0].text.contains("after 1 jobs of a higher priority"), "{explained:?}");
}

#[test]
fn a_new_leader_shares_alike() {
    let mut world = with_jobs(&[(20, 0), (20, 0)]);
    world.join("a", 8);
    ask(&mut world, 1, 3, vec![]);
    assert_eq!(running(&world, 2), [2, 1]);
    world.leader = Leader::new(&world.state, world.now, settings());
    ask(&mut world, 1, 1, vec![]);
    assert_eq!(running(&world, 2), [2, 2]);
}

#[test]
fn tasks_ahead_are_shared_too() {
    let mut world = with_jobs(&[(20, 0), (20, 0)]);
    world.join("a", 2);
    let poll = world.poll_of(1, 2, 2, 0);
    world.happen(&[Input::Poll(poll)]);
    assert_eq!(world.answers(), ["w1: run j1.m0.a0, run j2.m0.a0, run j1.m1.a0, run j2.m1.a0"]);
}

#[test]
fn nothing_is_given_ahead_past_a_job_that_waits_for_a_free_slot() {
    let mut world = with_jobs(&[(9, 0), (20, -1)]);
    world.join("a", 2);
    world.join("b", 2);
    world.happen(&[]);
    world.look_away();
    let poll = world.poll_of(1, 2, 2, 0);
    world.happen(&[Input::Poll(poll)]);
    assert_eq!(world.told(), ["j1.m0.a0 to w1", "j1.m1.a0 to w1"], "seven tasks of the first job wait");
}

#[test]
fn hundreds_of_jobs_are_all_served() {
    let mut world = with_jobs(&vec![(1, 0); 300]);
    world.join("a", 300);
    ask(&mut world, 1, 300, vec![]);
    assert_eq!(running(&world, 300), vec![1; 300]);
}
