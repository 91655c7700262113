//! The life of a job.

use gristmill_model::{Incarnation, InputMode, JobId, JobPhase, JobSpec, Refusal, WorkerId};
use gristmill_scheduler::{Effect, Input, Leader, Planner};

use crate::fixtures::{mapped, reduced, spec, submit};
use crate::world::{World, map, reduce, settings};

const PLACE: Effect = Effect::Place { job: JobId(1) };
const COMMIT: Effect = Effect::Commit { job: JobId(1), failures: 0 };

/// A job of one map and one reduce whose outputs all have winners.
fn complete() -> World {
    let mut world = World::with_job(1, 1, &["a"]);
    world.report_and_ask(1, mapped(map(0, 0), 1, 1, 5));
    world.finish_reduce(1, reduce(0, 0));
    world.told();
    world
}

#[test]
fn maps_come_before_reduces_and_the_commit_comes_last() {
    let mut world = World::with_job(2, 1, &["a"]);
    assert_eq!(world.told(), ["j1.m0.a0 to w1", "j1.m1.a0 to w1"]);
    world.report_and_ask(1, mapped(map(0, 0), 1, 1, 5));
    assert_eq!(world.told(), ["j1.m0.a0 wins"], "a free slot waits: assigned is not done");
    world.report_and_ask(1, mapped(map(1, 0), 1, 1, 6));
    assert_eq!(world.told(), ["j1.m1.a0 wins", "j1.r0.a0 to w1"]);
    assert_eq!(world.status().phase, JobPhase::Reducing);
    world.effects();
    world.report(1, reduced(reduce(0, 0), 7));
    assert_eq!(world.effects(), [COMMIT]);
    assert_eq!(world.status().phase, JobPhase::Committing);
    assert_eq!(world.state.outputs(JobId(1)).len(), 1);
    world.happen(&[Input::Committed { job: JobId(1), result: Ok(()) }]);
    assert_eq!(world.effects(), [Effect::JobEnded { job: JobId(1) }]);
    assert_eq!(world.status().phase, JobPhase::Done);
    assert_eq!(world.status().counters["c"], 18);
}

#[test]
fn a_job_without_maps_still_reduces() {
    let mut world = World::with_job(0, 1, &["a"]);
    assert_eq!(world.told(), ["j1.r0.a0 to w1"]);
}

#[test]
fn a_job_without_any_task_commits_at_once() {
    let mut world = World::new();
    world.submit(spec(1, 0, 0));
    assert_eq!(world.effects(), [PLACE, COMMIT]);
}

#[test]
fn a_map_only_job_commits_its_maps() {
    let mut world = World::with_job(1, 0, &["a"]);
    world.effects();
    world.finish_map(1, map(0, 0));
    assert_eq!(world.effects(), [COMMIT]);
    assert_eq!(world.state.outputs(JobId(1))[0].attempt, map(0, 0));
}

#[test]
fn the_first_job_comes_first() {
    let mut world = World::new();
    world.submit(spec(1, 1, 1));
    world.submit(spec(2, 3, 1));
    world.join("a", 2);
    world.told();
    world.poll(1, 2);
    assert_eq!(world.told(), ["j1.m0.a0 to w1", "j2.m0.a0 to w1"]);
}

#[test]
fn the_same_key_is_the_same_job_in_one_batch_and_later() {
    let mut world = World::new();
    let input = submit(spec(1, 1, 1));
    world.happen(&[input.clone(), input.clone()]);
    world.happen(&[input]);
    assert_eq!(world.told(), ["j1 submitted"]);
    assert_eq!(world.state.admit(&spec(1, 1, 1), Planner::EvenPieces), Ok(Some(JobId(1))));
}

#[test]
fn two_jobs_may_not_write_to_the_same_place() {
    let mut world = World::new();
    let other = JobSpec { output: spec(1, 1, 1).output, ..spec(2, 1, 1) };
    world.happen(&[submit(spec(1, 1, 1)), submit(other.clone())]);
    let refusal = world.state.admit(&other, Planner::EvenPieces).unwrap_err();
    assert!(refusal.to_string().starts_with("job j1 is still writing to /out/1;"), "{refusal}");
    assert_eq!(world.told(), ["j1 submitted", &format!("2 of c1 refused: {refusal}")]);
}

#[test]
fn what_cannot_be_run_is_refused_with_a_reason() {
    let world = World::new();
    let refused = |change: fn(&mut JobSpec), reason: &str| {
        let mut wrong = spec(1, 2, 1);
        change(&mut wrong);
        match world.state.admit(&wrong, Planner::EvenTasks { slots: 2 }) {
            Err(Refusal::Invalid(message)) => assert!(message.contains(reason), "{message}"),
            other => panic!("{reason}: {other:?}"),
        }
    };
    refused(|spec| spec.split_bytes = 0, "split size");
    refused(|spec| spec.max_attempts = 0, "attempts");
    refused(|spec| spec.task_timeout_ms = 0, "timeout");
    refused(|spec| spec.plugin.input_mode = InputMode::Records(0), "records of zero bytes");
    refused(|spec| spec.plugin.map_only = true, "map-only");
    refused(|spec| spec.reduces = u32::MAX, "reduces are too many");
    refused(|spec| (spec.inputs[0].bytes, spec.split_bytes) = (u64::MAX, 1), "--split-size");
}

#[test]
fn a_cancelled_job_stops_everywhere() {
    let mut world = World::with_job(2, 1, &["a"]);
    world.look_away();
    world.poll(1, 0);
    world.cancel(1);
    assert_eq!(world.told(), ["j1 cancelled"]);
    assert_eq!(world.answers(), ["w1: end j1.m0.a0, end j1.m1.a0, forget j1"]);
    assert_eq!(world.status().phase, JobPhase::Cancelled);
    assert_eq!(world.status().attempts.cancelled, 2);
    world.finish_map(1, map(0, 0));
    assert_eq!(world.told(), [""; 0], "a late report of a job that is over is ignored");
}

#[test]
fn it_is_too_late_to_cancel_a_job_that_commits() {
    let mut world = complete();
    world.cancel(1);
    assert_eq!(world.told(), ["1000001 of c1 changes nothing"]);
}

#[test]
fn a_commit_is_tried_a_few_times() {
    let mut world = complete();
    world.effects();
    let failed = Input::Committed { job: JobId(1), result: Err("no space\nleft".into()) };
    world.happen(std::slice::from_ref(&failed));
    assert_eq!(world.told(), ["commit of j1 fails: no space left"]);
    assert_eq!(world.effects(), [Effect::Commit { job: JobId(1), failures: 1 }]);
    world.happen(std::slice::from_ref(&failed));
    world.told();
    world.happen(&[failed]);
    assert_eq!(world.told(), ["j1 failed: the output could not be committed (tried 3 times): no space left"]);
}

#[test]
fn a_new_leader_commits_what_may_not_have_been_committed() {
    let world = complete();
    let leader = Leader::new(&world.state, world.now, settings());
    assert_eq!(leader.resume(&world.state), [PLACE, COMMIT]);
}

#[test]
fn old_jobs_are_forgotten_with_their_keys() {
    let mut world = World::new();
    world.leader =
        Leader::new(&world.state, world.now, gristmill_scheduler::Settings { history_jobs: 1, ..settings() });
    for request in 1..=2 {
        world.submit(spec(request, 1, 1));
        world.cancel(request);
    }
    world.told();
    world.happen(&[]);
    assert_eq!(world.told(), ["j1 forgotten"]);
    assert_eq!(world.state.job_of(spec(1, 1, 1).key), None);
    assert_eq!(world.state.job_of(spec(2, 1, 1).key), Some(JobId(2)));
}

#[test]
fn a_new_leader_tells_the_workers_which_jobs_are_over() {
    let mut world = complete();
    world.happen(&[Input::Committed { job: JobId(1), result: Ok(()) }]);
    world.leader = Leader::new(&world.state, world.now, settings());
    let orders = world.leader.orders(&world.state, WorkerId(1), Incarnation(1)).unwrap();
    assert_eq!(orders.forget, [JobId(1)]);
}
