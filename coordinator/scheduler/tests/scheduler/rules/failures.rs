//! Attempts that fail, hang or are given up.

use gristmill_model::{Location, Outcome, PathBytes};

use crate::fixtures::{ended, failed, mapped, spec};
use crate::world::{World, map, reduce};

#[test]
fn a_failed_task_is_tried_again_on_another_worker() {
    let mut world = World::with_job(1, 1, &["a", "b"]);
    world.told();
    world.report_and_ask(1, failed(map(0, 0), "bad word"));
    assert_eq!(world.told(), ["j1.m0.a0 fails", "j1.m0.a1 to w2"]);
}

#[test]
fn it_is_tried_again_on_the_same_worker_when_no_other_is_free() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.told();
    world.report_and_ask(1, failed(map(0, 0), "bad word"));
    assert_eq!(world.told(), ["j1.m0.a0 fails", "j1.m0.a1 to w1"]);
}

#[test]
fn a_job_fails_with_the_first_error_of_the_task_that_used_up_its_attempts() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.told();
    let mut first = failed(map(0, 0), "bad\u{1b}[31m word");
    if let Outcome::Failed(failure) = &mut first.outcome {
        failure.location = Some(Location { document: PathBytes::from("a.txt"), offset: 77 });
    }
    world.report_and_ask(1, first);
    world.report_and_ask(1, failed(map(0, 1), "another"));
    let message = "j1 failed: task j1.m0 failed 2 times; first: j1.m0.a0 on n1: panic: bad [31m word\n  at a.txt at byte 77\n  \
        it last printed:\n    first line\n    last line";
    assert_eq!(world.told(), ["j1.m0.a0 fails", "j1.m0.a1 to w1", "j1.m0.a1 fails", message]);
}

#[test]
fn messages_are_bounded_whatever_the_app_says() {
    let mut world = World::with_job(1, 1, &["a"]);
    let mut report = failed(map(0, 0), &"é".repeat(100_000));
    report.log.0 = b"\xff\n".repeat(1_000_000);
    world.report_and_ask(1, report.clone());
    report.attempt = map(0, 1);
    world.report_and_ask(1, report);
    let told = world.told().join("\n");
    assert!(told.contains("j1 failed") && told.len() < 6_000, "{} bytes", told.len());
}

#[test]
fn other_ends_do_not_use_up_the_attempts_of_a_task() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.report_and_ask(1, failed(map(0, 0), "bad word"));
    world.report_and_ask(1, ended(map(0, 1), Outcome::Cancelled));
    world.told();
    world.wait_alive(10_000, &[1], &[]);
    world.poll(1, 1);
    assert_eq!(world.told(), ["j1.m0.a2 ends: TimedOut", "j1.m0.a3 to w1"]);
    world.disconnect(1);
    assert_eq!(world.told(), ["w1 lost: Disconnected"]);
}

#[test]
fn an_attempt_without_progress_is_taken_away_and_its_worker_told() {
    let mut world = World::with_job(1, 1, &["a", "b"]);
    world.look_away();
    world.poll(1, 0);
    world.wait_alive(9_500, &[1, 2], &[]);
    assert_eq!(world.told(), [""; 0]);
    world.wait_alive(500, &[1, 2], &[]);
    assert_eq!(world.told(), ["j1.m0.a0 ends: TimedOut", "j1.m0.a1 to w2"]);
    assert_eq!(world.answers(), ["w1: end j1.m0.a0", "w2: run j1.m0.a1"]);
    world.finish_map(1, map(0, 0));
    assert_eq!(world.answers(), ["w1: j1.m0.a0 discarded"], "a late report of a lost attempt is ignored");
}

#[test]
fn an_attempt_that_gets_on_is_never_taken_away() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.told();
    world.wait_alive(100_000, &[1], &[map(0, 0)]);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_task_that_hangs_every_time_ends_its_job_at_last() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.told();
    for _ in 0..3 {
        world.wait_alive(10_500, &[1], &[]);
        world.poll(1, 1);
    }
    let last = world.told().pop();
    let message = "j1 failed: task j1.m0 was given up 3 times without an error of its own; last: it made no progress for 10000 ms";
    assert_eq!(last.as_deref(), Some(message));
}

#[test]
fn results_that_do_not_fit_the_task_count_as_failures() {
    let mut world = World::with_job(2, 2, &["a"]);
    world.told();
    world.report(1, mapped(map(0, 0), 3, 1, 1));
    world.report(1, crate::fixtures::reduced(map(1, 0), 1));
    assert_eq!(world.told(), ["j1.m0.a0 fails", "j1.m1.a0 fails"]);
    assert_eq!(world.state.outputs(reduce(0, 0).task.job), []);
}

#[test]
fn a_worker_that_fails_more_than_the_others_is_avoided_for_a_while() {
    let mut world = World::new();
    world.join("a", 1);
    world.join("b", 1);
    world.submit(gristmill_model::JobSpec { max_attempts: 100, ..spec(1, 9, 1) });
    world.told();
    for attempt in 0..4 {
        world.poll(1, 1);
        world.report(1, failed(map(0, attempt), "no space"));
    }
    world.told();
    world.poll(1, 1);
    assert_eq!(world.told(), [""; 0]);
    world.poll(2, 1);
    assert_eq!(world.told(), ["j1.m0.a4 to w2"]);
    world.wait_alive(59_000, &[1, 2], &[map(0, 4)]);
    world.poll(1, 1);
    assert_eq!(world.told(), [""; 0]);
    world.wait_alive(1_000, &[1, 2], &[map(0, 4)]);
    assert_eq!(world.told(), ["j1.m1.a0 to w1"], "it is forgiven without anybody asking");
}

#[test]
fn all_workers_are_never_avoided() {
    let mut world = World::new();
    world.join("a", 1);
    world.submit(gristmill_model::JobSpec { max_attempts: 100, ..spec(1, 1, 1) });
    for attempt in 0..20 {
        world.poll(1, 1);
        assert_eq!(world.told().pop(), Some(format!("j1.m0.a{attempt} to w1")));
        world.report(1, failed(map(0, attempt), "bad word"));
    }
}
