//! Backups of slow attempts.

use crate::world::{World, map, reduce};

/// Two maps of about a second, the other still running, and both workers with free slots.
fn with_a_straggler() -> World {
    let mut world = World::with_job(2, 1, &["a", "b"]);
    world.told();
    world.wait_alive(1_000, &[1, 2], &[map(0, 0), map(1, 0)]);
    world.finish_map(1, map(0, 0));
    world.poll(1, 1);
    world.told();
    world
}

#[test]
fn a_slow_last_task_gets_one_backup_on_another_worker() {
    let mut world = with_a_straggler();
    world.wait_alive(1_500, &[1, 2], &[map(1, 0)]);
    assert_eq!(world.told(), [""; 0]);
    world.wait_alive(1_500, &[1, 2], &[map(1, 0)]);
    assert_eq!(world.told(), ["backup j1.m1.a1 to w2"]);
    world.poll(2, 1);
    world.wait_alive(20_000, &[1, 2], &[map(1, 0), map(1, 1)]);
    assert_eq!(world.told(), [""; 0], "at most one");
}

#[test]
fn whoever_is_first_wins_and_the_other_is_told_to_end() {
    let mut world = with_a_straggler();
    world.wait_alive(3_000, &[1, 2], &[map(1, 0)]);
    world.poll(1, 0);
    world.look_away();
    world.finish_map(2, map(1, 1));
    assert_eq!(world.told(), ["j1.m1.a1 wins"]);
    assert_eq!(world.answers(), ["w1: end j1.m1.a0", "w2: j1.m1.a1 won"]);
    world.finish_map(1, map(1, 0));
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.answers(), ["w1: j1.m1.a0 discarded"]);
    assert_eq!((world.status().attempts.backups, world.status().attempts.cancelled), (1, 1));
}

#[test]
fn when_one_of_two_fails_the_other_goes_on() {
    let mut world = with_a_straggler();
    world.wait_alive(3_000, &[1, 2], &[map(1, 0)]);
    world.told();
    world.report(1, crate::fixtures::failed(map(1, 0), "bad word"));
    assert_eq!(world.told(), ["j1.m1.a0 fails"]);
    assert_eq!(world.running(2), [map(1, 1)]);
}

#[test]
fn the_only_task_gets_a_backup_in_another_slot_of_the_only_worker() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.poll(1, 1);
    world.told();
    world.wait_alive(9_500, &[1], &[map(0, 0)]);
    assert_eq!(world.told(), [""; 0]);
    world.wait_alive(1_500, &[1], &[map(0, 0)]);
    assert_eq!(world.told(), ["backup j1.m0.a1 to w1"]);
}

#[test]
fn waiting_tasks_come_before_backups() {
    let mut world = World::with_job(5, 1, &["a"]);
    world.wait_alive(1_000, &[1], &[map(0, 0), map(1, 0)]);
    world.finish_map(1, map(0, 0));
    world.wait_alive(30_000, &[1], &[map(1, 0)]);
    world.told();
    world.poll(1, 1);
    assert_eq!(world.told(), ["j1.m2.a0 to w1"]);
}

#[test]
fn tasks_of_two_to_five_seconds_run_exactly_once_each() {
    let mut world = World::with_job(8, 1, &["a", "b"]);
    let durations = [2_000, 5_000, 3_500, 4_900, 2_100, 5_000, 2_700, 4_400];
    let mut ends: Vec<(u64, u64, u32)> =
        (0..4).map(|task| (durations[task as usize], u64::from(task / 2) + 1, task)).collect();
    let (mut next, start) = (4, world.now.ms);
    while !ends.is_empty() {
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let (at, worker, task) = ends.pop().expect("it is not empty");
        let running: Vec<_> = (0..8).map(|task| map(task, 0)).collect();
        world.wait_alive((start + at).saturating_sub(world.now.ms), &[1, 2], &running);
        world.report_and_ask(worker, crate::fixtures::mapped(map(task, 0), 1, 1, 1));
        if next < 8 {
            ends.push((world.now.ms - start + durations[next as usize], worker, next));
            next += 1;
        }
    }
    assert_eq!(world.status().map.done, 8);
    assert_eq!(world.status().attempts.backups, 0, "{:?}", world.told());
}

#[test]
fn a_reduce_gets_a_backup_too() {
    let mut world = World::with_job(1, 1, &["a", "b"]);
    world.finish_map(1, map(0, 0));
    world.poll(1, 1);
    world.told();
    world.wait_alive(11_000, &[1, 2], &[reduce(0, 0)]);
    assert_eq!(world.told(), ["backup j1.r0.a1 to w1"]);
}
