//! Runs that cannot be read any more.

use gristmill_model::{Incarnation, Outcome, Refusal, WorkerId};

use crate::fixtures::{ended, mapped};
use crate::world::{World, map, reduce};

/// Two maps done by worker 1, and both reduces running on worker 2; each on a machine of its own.
fn reducing() -> World {
    let mut world = World::with_job(2, 2, &["a", "b"]);
    world.finish_map(1, map(0, 0));
    world.finish_map(1, map(1, 0));
    world.poll(2, 2);
    assert_eq!(world.running(2), [reduce(0, 0), reduce(1, 0)]);
    world.told();
    world
}

#[test]
fn a_damaged_run_makes_its_map_run_again_and_then_the_reduce() {
    let mut world = reducing();
    world.lose_run(2, reduce(0, 0), map(0, 0));
    assert_eq!(world.told(), ["j1.r0.a0 ends: RunsLost", "run of j1.m0.a0 lost: Damaged"]);
    world.poll(1, 2);
    assert_eq!(world.told(), ["j1.m0.a1 to w1"], "the reduce waits for its maps");
    world.report_and_ask(1, mapped(map(0, 1), 2, 1, 1));
    assert_eq!(world.told(), ["j1.m0.a1 wins", "j1.r0.a1 to w1"]);
    assert_eq!(world.status().warnings, [""; 0]);
    assert_eq!(world.status().counters["c"], 2, "the withdrawn winner does not count");
}

#[test]
fn a_stale_report_of_a_lost_run_only_repeats_the_reduce() {
    let mut world = reducing();
    world.lose_run(2, reduce(0, 0), map(0, 9));
    assert_eq!(world.told(), ["j1.r0.a0 ends: RunsLost"]);
}

#[test]
fn all_runs_of_a_lost_worker_are_given_up_with_the_first() {
    let mut world = reducing();
    world.disconnect(1);
    assert_eq!(world.told(), ["w1 lost: Disconnected"], "its runs may still be read in place");
    world.lose_run(2, reduce(0, 0), map(0, 0));
    assert_eq!(
        world.told(),
        ["j1.r0.a0 ends: RunsLost", "run of j1.m0.a0 lost: WorkerGone", "run of j1.m1.a0 lost: WorkerGone"]
    );
}

#[test]
fn runs_of_a_machine_without_workers_are_given_up_after_a_while() {
    let mut world = reducing();
    world.disconnect(1);
    world.told();
    world.wait_alive(9_500, &[2], &[reduce(0, 0), reduce(1, 0)]);
    assert_eq!(world.told(), [""; 0]);
    world.wait_alive(500, &[2], &[reduce(0, 0), reduce(1, 0)]);
    assert_eq!(world.told(), ["run of j1.m0.a0 lost: WorkerGone", "run of j1.m1.a0 lost: WorkerGone"]);
}

#[test]
fn runs_stay_when_a_worker_comes_back_to_the_machine() {
    let mut world = reducing();
    world.disconnect(1);
    world.join("a", 2);
    world.told();
    world.wait_alive(30_000, &[2, 3], &[reduce(0, 0), reduce(1, 0)]);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_map_that_changes_its_mind_outdates_every_reduce() {
    let mut world = reducing();
    world.finish_reduce(2, reduce(0, 0));
    world.lose_run(2, reduce(1, 0), map(1, 0));
    world.poll(1, 2);
    world.told();
    world.report(1, mapped(map(1, 1), 2, 999, 1));
    assert_eq!(world.told(), ["j1.m1.a1 wins", "j1.r0.a0 outdated by j1.m1.a1"]);
    assert_eq!(
        world.status().warnings,
        ["the app is not deterministic: j1.m1 made a different result when it ran again"]
    );
    assert_eq!(world.status().reduce.done, 0);
}

#[test]
fn a_running_reduce_that_may_have_read_the_old_run_starts_over() {
    let mut world = reducing();
    world.lose_run(2, reduce(1, 0), map(1, 0));
    world.poll(1, 2);
    world.look_away();
    world.poll(2, 0);
    world.report(1, mapped(map(1, 1), 2, 999, 1));
    assert_eq!(world.told(), ["j1.m1.a1 wins", "j1.r0.a0 ends: Outdated"]);
    assert_eq!(world.answers(), ["w1: j1.m1.a1 won", "w2: end j1.r0.a0"]);
}

#[test]
fn when_all_outputs_are_there_nobody_needs_the_lost_run() {
    let mut world = reducing();
    world.lose_run(2, reduce(1, 0), map(1, 0));
    world.poll(1, 2);
    world.poll(2, 0);
    // The map runs again; the other reduce, which had read everything, wins; and then the map's rerun wins and the last reduce.
    world.finish_reduce(2, reduce(0, 0));
    world.report_and_ask(1, mapped(map(1, 1), 2, 1, 1));
    world.told();
    world.finish_reduce(1, reduce(1, 1));
    assert_eq!(world.told(), ["j1.r1.a1 wins"]);
    assert_eq!(world.state.outputs(reduce(0, 0).task.job).len(), 2);
}

#[test]
fn a_run_that_is_damaged_again_and_again_ends_the_job() {
    let mut world = World::with_job(1, 1, &["a"]);
    for round in 0..3 {
        world.poll(1, 1);
        world.report_and_ask(1, mapped(map(0, round), 1, 1, 1));
        world.lose_run(1, reduce(0, round), map(0, round));
    }
    let last = world.told().pop().expect("something was decided");
    assert!(last.starts_with("j1 failed: task j1.m0 was given up 3 times"), "{last}");
    assert!(last.ends_with("the run of j1.m0.a2 on w1 could not be read: block 3 is damaged"), "{last}");
}

#[test]
fn segments_come_in_pages_and_only_to_whom_they_belong() {
    let mut world = reducing();
    let page = |world: &World, worker, attempt, from| {
        world.state.segments(WorkerId(worker), Incarnation(worker), attempt, from, 1)
    };
    let first = page(&world, 2, reduce(0, 0), 0).expect("it runs there");
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].attempt, first[0].worker), (map(0, 0), WorkerId(1)));
    assert_eq!(page(&world, 2, reduce(0, 0), 1).expect("it runs there")[0].attempt, map(1, 0));
    assert_eq!(page(&world, 2, reduce(0, 0), 2), Ok(vec![]));
    assert!(page(&world, 1, reduce(0, 0), 0).is_err(), "it runs on another worker");
    assert!(page(&world, 2, map(0, 0), 0).is_err(), "a map has none");
    assert_eq!(page(&world, 7, reduce(0, 0), 0), Err(Refusal::UnknownWorker));

    world.lose_run(2, reduce(1, 0), map(1, 0));
    assert!(page(&world, 2, reduce(0, 0), 0).is_ok());
    assert!(matches!(page(&world, 2, reduce(0, 0), 1), Err(Refusal::Unavailable(_))));
    world.told();
    world.report(2, ended(reduce(0, 0), Outcome::Cancelled));
    assert_eq!(world.told(), ["j1.r0.a0 ends: Cancelled"]);
}
