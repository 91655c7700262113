//! How long ended jobs are remembered, and what a new leader does again for them.

use gristmill_model::JobId;
use gristmill_scheduler::{Effect, Input, Leader, Settings};

use crate::fixtures::spec;
use crate::world::{World, map, reduce, settings};

fn with_history(history_jobs: usize, history_age_ms: u64) -> World {
    let mut world = World::new();
    let settings = Settings { history_jobs, history_age_ms, session_ms: u64::MAX, ..settings() };
    world.leader = Leader::new(&world.state, world.now, settings);
    world
}

#[test]
fn a_job_is_forgotten_a_while_after_its_end() {
    let mut world = with_history(10, 1_000);
    world.submit(spec(1, 1, 1));
    world.submit(spec(2, 1, 1));
    world.wait(5_000);
    world.cancel(2);
    world.told();
    world.wait(999);
    assert_eq!(world.told(), [""; 0]);
    world.wait(1);
    assert_eq!(world.told(), ["j2 forgotten"], "and the one that runs is not");
    assert_eq!(world.effects().last(), Some(&Effect::JobForgotten { job: JobId(2) }));
}

#[test]
fn when_there_are_too_many_those_go_that_ended_first() {
    let mut world = with_history(2, u64::MAX);
    (1..=4).for_each(|request| world.submit(spec(request, 1, 1)));
    for job in [3, 4, 1, 2] {
        world.cancel(job);
        world.wait(1);
    }
    world.told();
    world.happen(&[]);
    assert_eq!(world.told(), ["j4 forgotten"]);
    assert_eq!(world.state.jobs(JobId(0)).collect::<Vec<_>>(), [JobId(1), JobId(2)]);
}

#[test]
fn a_new_leader_knows_when_jobs_ended() {
    let mut world = with_history(10, 1_000);
    world.submit(spec(1, 1, 1));
    world.cancel(1);
    world.wait(900);
    let settings = Settings { history_age_ms: 1_000, ..settings() };
    world.leader = Leader::new(&world.state, world.now, settings);
    world.told();
    world.wait(100);
    assert_eq!(world.told(), ["j1 forgotten"]);
}

#[test]
fn a_new_leader_does_again_what_may_not_have_been_done() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.report_and_ask(1, crate::fixtures::mapped(map(0, 0), 1, 1, 5));
    world.finish_reduce(1, reduce(0, 0));
    world.happen(&[Input::Committed { job: JobId(1), result: Ok(()) }]);
    (2..=4).for_each(|request| world.submit(spec(request, 1, 1)));
    world.cancel(3);
    world.submit(spec(5, 0, 0));
    let leader = Leader::new(&world.state, world.now, settings());
    let again = [
        Effect::Place { job: JobId(2) },
        Effect::JobEnded { job: JobId(3) },
        Effect::Place { job: JobId(4) },
        Effect::Place { job: JobId(5) },
        Effect::Commit { job: JobId(5), failures: 0 },
    ];
    assert_eq!(leader.resume(&world.state), again);
}
