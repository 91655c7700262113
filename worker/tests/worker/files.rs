//! What is removed, and when.

use std::fs;

use gristmill_model::{Incarnation, JobId, Outcome};
use gristmill_worker::Exit;

use crate::coordinator::CLUSTER;
use crate::world::{JOB, World, tree, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_run_of_a_discarded_attempt_is_removed_and_that_of_a_winner_kept() {
    let world = World::new(1);
    let (winner, loser) = (world.map(0, ""), world.map(1, ""));
    world.coordinator.decide(loser.attempt.task);
    let mut runs = Vec::new();
    for map in [&winner, &loser] {
        world.coordinator.give(map.clone());
        let report = world.coordinator.report(map.attempt).await;
        let Outcome::Mapped(result) = report.outcome else { panic!("{report:?}") };
        runs.push(result.path.to_path());
    }
    until(|| !runs[1].exists()).await;
    assert!(runs[0].exists());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_output_of_a_discarded_attempt_is_removed() {
    let world = World::new(1);
    let mut map_only = world.map(0, "");
    map_only.reduces = 0;
    map_only.params = Default::default();
    world.coordinator.decide(map_only.attempt.task);
    world.coordinator.give(map_only.clone());
    world.coordinator.report(map_only.attempt).await;
    until(|| tree(&world.staging()).is_empty()).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_job_leaves_no_directory_and_its_attempts_end() {
    let world = World::new(2);
    let job_dir = world.work_dir().join(CLUSTER.job_dir_name(JOB));
    world.log_of(world.map(0, "")).await;
    let looping = world.map(1, "loop");
    world.coordinator.give(looping.clone());
    world.left_at(1).await;
    assert!(job_dir.exists());
    world.coordinator.forget(JOB);
    assert_eq!(world.coordinator.report(looping.attempt).await.outcome, Outcome::Cancelled);
    until(|| !job_dir.exists()).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_of_jobs_that_are_over_are_removed_at_registration() {
    let mut world = World::without_worker();
    let (live, over) = (JobId(1), JobId(2));
    let dir = |cluster: gristmill_model::ClusterId, job| world.work_dir().join(cluster.job_dir_name(job));
    let others = dir(gristmill_model::ClusterId(99), over);
    let (live_dir, over_dir) = (dir(CLUSTER, live), dir(CLUSTER, over));
    for path in [&live_dir, &over_dir, &others] {
        fs::create_dir_all(path).unwrap();
    }
    world.coordinator.add_live_job(live);
    world.start_worker(1);
    until(|| !over_dir.exists()).await;
    assert!(live_dir.exists());
    // A job of another cluster, none of whose workers is here.
    until(|| !others.exists()).await;
    // One that was over only later is known all the same.
    world.coordinator.forget(live);
    until(|| !live_dir.exists()).await;
    assert_eq!(world.stop().await.unwrap(), Exit::Shutdown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_leaves_the_runs_that_jobs_need_and_the_plugin() {
    let mut world = World::new(2);
    let map = world.map(0, "");
    let info = map.plugin.clone();
    world.coordinator.give(map.clone());
    let Outcome::Mapped(result) = world.coordinator.report(map.attempt).await.outcome else { panic!() };
    world.coordinator.give(world.map(1, "loop"));
    world.left_at(1).await;
    assert_eq!(world.stop().await.unwrap(), Exit::Shutdown);
    assert_eq!(world.coordinator.goodbyes().len(), 1);
    let run = result.path.to_path();
    let plugins = world.work_dir().join("plugins");
    let mut expected =
        vec![run.parent().unwrap().to_owned(), run, plugins.join(format!("{}.so", info.sha256)), plugins];
    expected.sort();
    assert_eq!(tree(&world.work_dir()), expected);
    // The next life takes the plugin from there.
    let calls = world.coordinator.blob_calls();
    world.start_worker(1);
    world.log_of(world.map(2, "")).await;
    assert_eq!(world.coordinator.blob_calls(), calls);
    assert_eq!(world.stop().await.unwrap(), Exit::Shutdown);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_can_share_a_directory() {
    let mut world = World::new(1);
    let config = world.config();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let second = tokio::spawn(gristmill_worker::run(config, async move { drop(stopped.await) }));
    world.coordinator.registered(2).await;
    for index in 0..6 {
        world.log_of(world.map(index, "")).await;
    }
    drop(stop);
    assert_eq!(second.await.unwrap().unwrap(), Exit::Shutdown);
    world.log_of(world.map(6, "")).await;
    assert_eq!(world.stop().await.unwrap(), Exit::Shutdown);
    let agents = tree(&world.work_dir()).into_iter().filter(|path| path.to_str().unwrap().contains("agent-"));
    assert_eq!(agents.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_has_left_is_removed_by_the_next() {
    let mut world = World::without_worker();
    let dead = world.work_dir().join(format!("agent-{}", Incarnation(5)));
    fs::create_dir_all(dead.join("slot-1")).unwrap();
    world.start_worker(1);
    until(|| !dead.exists()).await;
    world.coordinator.registered(1).await;
    world.finish().await;
}
