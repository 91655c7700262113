//! Honest work: maps and reduces, their results, figures and files.

use std::fs;

use gristmill_model::{MapWork, Outcome, SampleSplit, SampleWork, Segment, TaskId};

use crate::coordinator::CLUSTER;
use crate::world::{JOB, World, tree};

#[tokio::test(flavor = "multi_thread")]
async fn maps_and_a_reduce_make_output() {
    let world = World::new(2);
    let maps: Vec<_> = (0..3).map(|index| world.map(index, "")).collect();
    let attempts: Vec<_> = maps.iter().map(|map| map.attempt).collect();
    maps.into_iter().for_each(|map| world.coordinator.give(map));
    let reduce = world.reduce(&attempts).await;
    world.coordinator.give(reduce.clone());
    let report = world.coordinator.report(reduce.attempt).await;
    let Outcome::Reduced(result) = report.outcome else { panic!("{report:?}") };
    let path = result.path.to_path();
    assert_eq!(fs::read_to_string(&path).unwrap(), "a 3\nb 6\n");
    assert_eq!(path.parent(), Some(world.staging().as_path()));
    let incarnation = world.coordinator.hellos()[0].incarnation;
    assert_eq!(path.file_name().unwrap().to_str(), Some(&*format!("r00000-a0-{incarnation}")));
    if cfg!(target_os = "linux") {
        assert!(result.stats.peak_bytes > 0);
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_named_by_attempt_and_incarnation_in_the_directory_of_its_job() {
    let world = World::new(1);
    let map = world.map(4, "");
    world.coordinator.give(map.clone());
    let report = world.coordinator.report(map.attempt).await;
    let Outcome::Mapped(result) = report.outcome else { panic!("{report:?}") };
    let incarnation = world.coordinator.hellos()[0].incarnation;
    let expected =
        world.work_dir().join(CLUSTER.job_dir_name(JOB)).join(format!("j7.m4.a0-{incarnation}.run"));
    assert_eq!(result.path.to_path(), expected);
    assert!(expected.exists());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduce_over_more_maps_than_a_page_holds_gets_every_segment() {
    let world = World::new(1);
    let map = world.map(0, "");
    world.coordinator.give(map.clone());
    let Outcome::Mapped(result) = world.coordinator.report(map.attempt).await.outcome else { panic!() };
    let count = 5000;
    let segments = (0..count).map(|_| Segment {
        attempt: map.attempt,
        worker: gristmill_model::WorkerId(1),
        path: result.path.clone(),
    });
    let reduce = world.reduce_of(segments.collect());
    world.coordinator.give(reduce.clone());
    let Outcome::Reduced(result) = world.coordinator.report(reduce.attempt).await.outcome else { panic!() };
    let text = fs::read_to_string(result.path.to_path()).unwrap();
    assert_eq!(text, format!("a {count}\nb {}\n", 2 * count));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_tells_keys_and_leaves_no_file() {
    let world = World::new(1);
    let mut sample = world.map(0, "");
    sample.attempt = TaskId::sample(JOB, 0).attempt(0);
    let gristmill_model::Work::Map(MapWork { mut splits, .. }) = sample.work else { panic!() };
    let (split, bytes_max) = (splits.remove(0), u64::MAX);
    sample.work =
        gristmill_model::Work::Sample(SampleWork { splits: vec![SampleSplit { split, bytes_max }] });
    world.coordinator.give(sample.clone());
    let report = world.coordinator.report(sample.attempt).await;
    let Outcome::Sampled(found) = report.outcome else { panic!("{report:?}") };
    let keys: Vec<_> =
        found.keys.iter().map(|key| String::from_utf8_lossy(&key.key.0).into_owned()).collect();
    assert_eq!(keys, ["a", "b"]);
    assert!(found.stats.bytes_in > 0 && found.stats.peak_bytes > 0, "{:?}", found.stats);
    let is_run = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "run");
    assert!(!tree(&world.work_dir()).iter().any(is_run));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduce_whose_run_is_gone_says_which() {
    let world = World::new(1);
    let gone = TaskId::map(JOB, 0).attempt(0);
    let segment = Segment {
        attempt: gone,
        worker: gristmill_model::WorkerId(1),
        path: world.path("gone.run").as_path().into(),
    };
    let reduce = world.reduce_of(vec![segment]);
    world.coordinator.give(reduce.clone());
    let report = world.coordinator.report(reduce.attempt).await;
    let Outcome::RunsLost(lost) = report.outcome else { panic!("{report:?}") };
    assert_eq!(lost.iter().map(|run| run.attempt).collect::<Vec<_>>(), [gone]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduce_that_belongs_to_somebody_else_by_now_is_cancelled() {
    let world = World::new(1);
    let mut reduce = world.reduce_of(Vec::new());
    reduce.attempt.number = 1;
    reduce.work = gristmill_model::Work::Reduce(gristmill_model::ReduceWork { partition: 0, maps: 1 });
    world.coordinator.give(reduce.clone());
    assert_eq!(world.coordinator.report(reduce.attempt).await.outcome, Outcome::Cancelled);
    world.log_of(world.map(0, "")).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugin_is_fetched_once() {
    let world = World::new(3);
    let maps: Vec<_> = (0..6).map(|index| world.map(index, "")).collect();
    maps.iter().for_each(|map| world.coordinator.give(map.clone()));
    for map in &maps {
        world.coordinator.report(map.attempt).await;
    }
    // One piece and the end.
    assert_eq!(world.coordinator.blob_calls(), 2);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_slot_runs_an_attempt_at_the_same_time() {
    let world = World::new(3);
    let maps: Vec<_> = (0..3).map(|index| world.map(index, "loop")).collect();
    maps.iter().for_each(|map| world.coordinator.give(map.clone()));
    for index in 0..3 {
        world.left_at(index).await;
    }
    for map in &maps {
        assert!(world.coordinator.progress(map.attempt, 1).await.ticks >= 1);
    }
    world.finish().await;
}
