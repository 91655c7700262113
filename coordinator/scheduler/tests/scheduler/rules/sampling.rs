//! Samples before the maps of a total order.

use gristmill_model::{Blob, Bounds, FailureCause, JobId, JobPhase, Outcome, TaskFailure, Work};
use gristmill_scheduler::Leader;

use crate::fixtures::{ended, failed, ordered_spec, sampled, spec};
use crate::world::{World, map, sample, settings};

/// A job of two samples, one map and three reduces.
fn ordered(machines: &[&str]) -> World {
    World::with(ordered_spec(1, 1, 3), machines)
}

#[test]
fn samples_come_first_and_maps_are_told_the_bounds() {
    let mut world = ordered(&["a"]);
    assert_eq!(world.told(), ["j1.s0.a0 to w1", "j1.s1.a0 to w1"]);
    assert_eq!(world.status().phase, JobPhase::Sampling);
    world.report_and_ask(1, sampled(sample(1, 0), b"bdf", 1));
    assert_eq!(world.told(), ["j1.s1.a0 wins"], "a free slot waits: assigned is not done");
    world.report_and_ask(1, sampled(sample(0, 0), b"ace", 1));
    assert_eq!(world.told(), ["j1.s0.a0 wins", "j1 parted at c e", "j1.m0.a0 to w1"]);
    assert_eq!(world.status().phase, JobPhase::Mapping);
    let work = world.state.assignment(map(0, 0)).unwrap().work;
    let Work::Map(work) = work else { panic!("{work:?}") };
    assert_eq!(*work.bounds, Bounds(vec![Blob(b"c".to_vec()), Blob(b"e".to_vec())]));
}

#[test]
fn a_sample_is_given_pieces_of_all_of_the_input() {
    let world = ordered(&["a"]);
    let work = world.state.assignment(sample(1, 0)).unwrap().work;
    let Work::Sample(work) = work else { panic!("{work:?}") };
    assert_eq!(work.splits.len(), 82);
    let last = work.splits.last().unwrap();
    assert!(last.split.offset > (1 << 30) - (10 << 20) && last.bytes_max == last.split.bytes, "{last:?}");
}

#[test]
fn what_was_sampled_is_not_counted() {
    let mut world = ordered(&["a"]);
    world.report(1, sampled(sample(0, 0), b"a", 100));
    let status = world.status();
    assert_eq!((status.sample.total, status.sample.done, status.sample.running), (2, 1, 1));
    assert!(status.sample.bytes_done > 0 && status.sample.bytes_done < status.sample.bytes_total);
    assert_eq!((status.map_stats.bytes_in, status.slowest), (0, None));
    assert!(status.counters.is_empty());
}

#[test]
fn no_samples_are_taken_where_none_are_needed() {
    for spec in [ordered_spec(1, 1, 1), spec(1, 1, 3)] {
        let mut world = World::with(spec, &["a"]);
        assert_eq!(world.told(), ["j1.m0.a0 to w1"]);
    }
    let mut empty = World::with(ordered_spec(1, 0, 2), &["a"]);
    assert_eq!(empty.told(), ["j1.r0.a0 to w1", "j1.r1.a0 to w1"]);
}

#[test]
fn a_sample_goes_with_its_worker_and_the_first_good_report_stays() {
    let mut world = ordered(&["a", "b"]);
    world.told();
    world.report(1, sampled(sample(1, 0), b"x", 1));
    world.disconnect(1);
    assert_eq!(world.told(), ["j1.s1.a0 wins", "w1 lost: Disconnected", "j1.s0.a1 to w2"]);
    world.report_and_ask(2, sampled(sample(0, 1), b"m", 1));
    assert_eq!(world.told(), ["j1.s0.a1 wins", "j1 parted at x", "j1.m0.a0 to w2"]);
}

#[test]
fn a_sample_that_is_slow_gets_a_backup_and_one_that_hangs_is_taken_away() {
    let mut world = ordered(&["a", "b"]);
    world.report(1, sampled(sample(1, 0), b"x", 1));
    world.told();
    world.wait_alive(3_000, &[1, 2], &[sample(0, 0)]);
    assert_eq!(world.told(), ["backup j1.s0.a1 to w2"]);
    world.poll(2, 0);
    world.wait_alive(10_500, &[1, 2], &[sample(0, 1)]);
    assert_eq!(world.told(), ["j1.s0.a0 ends: TimedOut"]);
    world.report(2, sampled(sample(0, 1), b"a", 1));
    assert_eq!(world.told()[..2], ["j1.s0.a1 wins", "j1 parted at x"]);
}

#[test]
fn an_app_that_fails_in_every_sample_fails_its_job() {
    let mut world = ordered(&["a"]);
    world.told();
    world.report_and_ask(1, failed(sample(0, 0), "bad word"));
    world.report(1, failed(sample(0, 1), "bad word"));
    let told = world.told();
    assert_eq!(told[..3], ["j1.s0.a0 fails", "j1.s0.a1 to w1", "j1.s0.a1 fails"]);
    assert!(
        told[3].starts_with("j1 failed: task j1.s0 failed 2 times; first: j1.s0.a0 on n1: panic: bad word"),
        "{told:?}"
    );
}

#[test]
fn a_result_of_another_stage_is_refused() {
    let mut world = ordered(&["a"]);
    world.told();
    world.report(1, crate::fixtures::mapped(sample(0, 0), 3, 1, 1));
    assert_eq!(world.told(), ["j1.s0.a0 fails"]);
    let failure = TaskFailure { cause: FailureCause::Input, message: "gone".into(), location: None };
    world.report(1, ended(sample(1, 0), Outcome::Failed(failure)));
    assert_eq!(world.told(), ["j1.s1.a0 fails"]);
}

#[test]
fn a_job_is_cancelled_while_it_is_sampled() {
    let mut world = ordered(&["a"]);
    world.look_away();
    world.poll(1, 0);
    world.cancel(1);
    assert_eq!(world.answers(), ["w1: end j1.s0.a0, end j1.s1.a0, forget j1"]);
    assert_eq!(world.status().attempts.cancelled, 2);
}

#[test]
fn it_is_explained_what_samples_and_maps_wait_for() {
    let mut world = ordered(&["a"]);
    let text = |world: &World, task| {
        world.leader.explain(&world.state, world.now, JobId(1), task).unwrap()[0].text.clone()
    };
    assert_eq!(text(&world, None), "0 of 2 sample tasks are done, 2 attempts run");
    assert!(text(&world, Some(sample(0, 0).task)).starts_with("j1.s0.a0 runs on w1"));
    assert_eq!(text(&world, Some(map(0, 0).task)), "waits until 2 more samples are taken");
    world.report(1, sampled(sample(0, 0), b"a", 1));
    assert_eq!(text(&world, Some(sample(0, 0).task)), "waits for nothing: j1.s0.a0 on w1 has won");
    assert!(world.leader.explain(&world.state, world.now, JobId(1), Some(sample(2, 0).task)).is_err());
}

#[test]
fn a_new_leader_goes_on_with_the_samples_that_are_there() {
    let mut world = ordered(&["a"]);
    world.report(1, sampled(sample(0, 0), b"ab", 1));
    world.leader = Leader::new(&world.state, world.now, settings());
    world.told();
    world.report_and_ask(1, sampled(sample(1, 0), b"c", 1));
    assert_eq!(world.told(), ["j1.s1.a0 wins", "j1 parted at b c", "j1.m0.a0 to w1"]);
}
