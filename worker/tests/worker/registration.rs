//! Joining, being given up, joining again, and giving up.

use std::time::Duration;

use gristmill_model::{Assignment, Outcome};
use gristmill_protocol::Endpoint;
use gristmill_worker::{SlotCommand, WorkerConfig, WorkerError};

use crate::coordinator::CLUSTER;
use crate::world::{JOB, World, is_alive, tree, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_given_up_kills_what_it_runs_and_comes_back_as_another() {
    let world = World::new(1);
    let map = world.map(0, "loop");
    world.coordinator.give(map.clone());
    let pid = world.left_at(0).await.parse().unwrap();
    world.coordinator.give_up_workers();
    world.coordinator.registered(2).await;
    until(|| !is_alive(pid)).await;
    let hellos = world.coordinator.hellos();
    assert_ne!(hellos[0].incarnation, hellos[1].incarnation);
    assert_eq!(hellos[0].machine, hellos[1].machine);
    let again = world.map(1, "");
    world.log_of(again.clone()).await;
    assert_eq!(world.coordinator.incarnation_given(again.attempt), Some(hellos[1].incarnation));
    // What was taken from it is no longer its business.
    assert_eq!(world.coordinator.reports(map.attempt), 0);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_repeated_until_it_is_answered() {
    let world = World::new(1);
    world.coordinator.spoil_next_report();
    let map = world.map(0, "");
    world.log_of(map.clone()).await;
    until(|| world.coordinator.reports(map.attempt) >= 2).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_that_comes_again_is_not_run_again() {
    let world = World::new(2);
    let map = world.map(0, "");
    world.log_of(map.clone()).await;
    world.coordinator.give_again(map.clone());
    for index in 1..10 {
        world.log_of(world.map(index, "")).await;
    }
    assert_eq!(world.coordinator.reports(map.attempt), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_nothing_to_do_does_not_poll_again_and_again() {
    let world = World::new(3);
    for index in 0..6 {
        world.log_of(world.map(index, "")).await;
    }
    let maps: Vec<_> = (6..9).map(|index| world.map(index, "")).collect();
    maps.iter().for_each(|map| world.coordinator.give(map.clone()));
    for map in &maps {
        world.coordinator.report(map.attempt).await;
    }
    world.coordinator.heartbeats(20).await;
    let polls = world.coordinator.polls();
    world.coordinator.heartbeats(20).await;
    assert_eq!(world.coordinator.polls(), polls);
    world.finish().await;
}

/// What passes meanwhile is told by the heartbeats of another worker, which beats as often as this one does when it is busy.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_beats_seldom_while_it_has_nothing_to_do_and_often_as_soon_as_it_has() {
    let clock = World::new(1);
    let mut world = World::without_worker();
    world.coordinator.rest_for(u64::MAX);
    world.start_worker(1);
    until(|| world.coordinator.heartbeats_so_far() == 1).await;
    clock.coordinator.heartbeats(20).await;
    assert_eq!(world.coordinator.heartbeats_so_far(), 1);

    let running = world.map(0, "loop");
    world.coordinator.give(running.clone());
    world.coordinator.progress(running.attempt, 1).await;
    world.coordinator.heartbeats(20).await;
    world.coordinator.cancel(running.attempt);
    world.coordinator.report(running.attempt).await;
    // It has files of a job that is not over, and is to hear soon when it is.
    world.log_of(world.map(1, "")).await;
    world.coordinator.heartbeats(20).await;
    world.coordinator.forget(JOB);
    until(|| tree(&world.work_dir()).iter().all(|path| !path.ends_with(CLUSTER.job_dir_name(JOB)))).await;
    // One may have been on its way.
    let before = world.coordinator.heartbeats_so_far();
    clock.coordinator.heartbeats(20).await;
    assert!(world.coordinator.heartbeats_so_far() <= before + 1);
    clock.finish().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_as_often_as_a_short_time_for_it_asks() {
    let mut world = World::without_worker();
    world.coordinator.beat_every(u64::MAX);
    world.start_worker(1);
    let running = Assignment { task_timeout_ms: 100, ..world.map(0, "loop") };
    world.coordinator.give(running.clone());
    world.coordinator.progress(running.attempt, 1).await;
    world.coordinator.heartbeats(5).await;
    world.coordinator.cancel(running.attempt);
    world.coordinator.report(running.attempt).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_nobody_has_is_reported_as_cancelled() {
    let world = World::new(1);
    let map = world.map(0, "");
    world.coordinator.cancel(map.attempt);
    assert_eq!(world.coordinator.report(map.attempt).await.outcome, Outcome::Cancelled);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gives_up_when_its_coordinator_is_silent_for_as_long_as_it_was_told() {
    let mut world = World::without_worker();
    let endpoint = {
        let (connector, listener) = gristmill_protocol::memory();
        drop(listener);
        Endpoint::Memory(connector)
    };
    world.start(WorkerConfig { endpoint, reconnect: Some(Duration::ZERO), ..world.config() });
    let error = world.end().await.unwrap_err();
    assert!(matches!(error, WorkerError::CoordinatorLost { .. }), "{error}");
    assert!(tree(&world.work_dir()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_do_not_start_end_the_worker_with_what_they_said() {
    let mut world = World::without_worker();
    let slot_command = SlotCommand {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), "echo no slot here; exit 4".into()],
    };
    world.start(WorkerConfig { slot_command, ..world.config() });
    let error = world.end().await.unwrap_err().to_string();
    assert!(error.contains("/bin/sh: the slot exited with status 4\nno slot here"), "{error}");
    assert!(tree(&world.work_dir()).is_empty());
}

#[tokio::test]
async fn a_worker_without_slots_is_refused() {
    let world = World::without_worker();
    let config = WorkerConfig { slots: 0, ..world.config() };
    let refused = gristmill_worker::run(config, std::future::pending()).await;
    assert!(matches!(refused, Err(WorkerError::NoSlots)));
}
