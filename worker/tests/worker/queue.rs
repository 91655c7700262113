//! Attempts that wait in the worker until a slot is free.

use gristmill_model::{Assignment, Outcome};

use crate::coordinator::CLUSTER;
use crate::world::{JOB, World, is_alive};

/// A worker of one slot whose first attempt never ends, and the one that waits behind it.
async fn with_one_waiting() -> (World, Assignment, Assignment, u32) {
    let mut world = World::without_worker();
    let (endless, waiting) = (world.map(0, "loop"), world.map(1, "pid"));
    world.coordinator.give(endless.clone());
    world.coordinator.give(waiting.clone());
    world.start_worker(1);
    let pid = world.left_at(0).await.parse().unwrap();
    world.coordinator.waits(waiting.attempt).await;
    (world, endless, waiting, pid)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_begins_when_its_slot_is_free_again() {
    let (world, endless, waiting, _) = with_one_waiting().await;
    world.coordinator.cancel(endless.attempt);
    let report = world.coordinator.report(waiting.attempt).await;
    assert!(matches!(report.outcome, Outcome::Mapped(_)), "{report:?}");
    assert_eq!(world.coordinator.report(endless.attempt).await.outcome, Outcome::Cancelled);
    assert_eq!(world.coordinator.reports(waiting.attempt), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_survives_the_death_of_the_slot() {
    let mut world = World::without_worker();
    let (deadly, waiting) = (world.map(0, "exit"), world.map(1, ""));
    world.coordinator.give(deadly.clone());
    world.coordinator.give(waiting.clone());
    world.start_worker(1);
    let report = world.coordinator.report(waiting.attempt).await;
    assert!(matches!(report.outcome, Outcome::Mapped(_)), "{report:?}");
    let report = world.coordinator.report(deadly.attempt).await;
    assert!(matches!(report.outcome, Outcome::Failed(_)), "{report:?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_can_be_taken_away_and_the_slot_goes_on() {
    let (world, _, waiting, pid) = with_one_waiting().await;
    world.coordinator.cancel(waiting.attempt);
    assert_eq!(world.coordinator.report(waiting.attempt).await.outcome, Outcome::Cancelled);
    assert!(is_alive(pid));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_job_that_is_over_is_given_up() {
    let (world, endless, waiting, _) = with_one_waiting().await;
    world.coordinator.forget(JOB);
    for attempt in [endless.attempt, waiting.attempt] {
        assert_eq!(world.coordinator.report(attempt).await.outcome, Outcome::Cancelled);
    }
    let dir = world.work_dir().join(CLUSTER.job_dir_name(JOB));
    crate::world::until(|| !dir.exists()).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_at_a_worker_that_was_given_up_is_forgotten_without_a_word() {
    let (world, endless, waiting, _) = with_one_waiting().await;
    world.coordinator.give_up_workers();
    let next = world.map(2, "");
    world.coordinator.give(next.clone());
    assert!(matches!(world.coordinator.report(next.attempt).await.outcome, Outcome::Mapped(_)));
    assert_eq!(
        (world.coordinator.reports(endless.attempt), world.coordinator.reports(waiting.attempt)),
        (0, 0)
    );
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_maps_and_reduces_for_all_of_a_job() {
    let mut world = World::without_worker();
    let maps: Vec<_> = (0..20).map(|index| world.map(index, "pid")).collect();
    maps.iter().for_each(|map| world.coordinator.give(map.clone()));
    world.start_worker(1);
    let attempts: Vec<_> = maps.iter().map(|map| map.attempt).collect();
    let mut reduce = world.reduce(&attempts).await;
    reduce.params.clone_from(&maps[0].params);
    world.coordinator.give(reduce.clone());
    let first = world.coordinator.report(attempts[0]).await.log;
    assert!(first.0.starts_with(b"pid "), "{first:?}");
    for attempt in attempts.into_iter().chain([reduce.attempt]) {
        assert_eq!(world.coordinator.report(attempt).await.log, first, "{attempt}");
    }
    world.finish().await;
}
