//! Whatever a plugin does to its slot costs that attempt, is told with its cause, and costs nobody else.

use gristmill_model::{FailureCause, Outcome};
use gristmill_protocol::limits::LOG_BYTES_MAX;

use crate::world::{World, is_alive};

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_slot_is_told_with_its_cause_and_the_next_attempt_succeeds() {
    let world = World::new(1);
    let deaths = [
        ("exit", FailureCause::Exit(3), "the slot exited with status 3 during the attempt"),
        ("exit well", FailureCause::Exit(0), "the slot exited with status 0 during the attempt"),
        ("abort", FailureCause::Signal(6), "the slot was killed by SIGABRT (signal 6) during the attempt"),
        (
            "segfault",
            FailureCause::Signal(11),
            "the slot was killed by SIGSEGV (signal 11) during the attempt",
        ),
    ];
    for (index, (behaviour, cause, message)) in (0..).zip(deaths) {
        let (failure, log) = world.failure_of(world.map(2 * index, behaviour)).await;
        assert_eq!((failure.cause, failure.message.as_str()), (cause, message));
        assert_eq!(log, if behaviour == "exit" { "leaving\n" } else { "" });
        world.log_of(world.map(2 * index + 1, "")).await;
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_the_app_returns_does_not_cost_the_slot() {
    let world = World::new(1);
    let before = world.log_of(world.map(0, "pid")).await;
    let (failure, _) = world.failure_of(world.map(1, "error")).await;
    assert_eq!(failure.cause, FailureCause::Error);
    assert!(failure.message.contains("no such luck"), "{}", failure.message);
    assert_eq!(world.log_of(world.map(2, "pid")).await, before);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_loops_for_ever_is_killed_when_its_attempt_is_taken_away() {
    for behaviour in ["loop", "stop"] {
        let world = World::new(1);
        let assignment = world.map(0, behaviour);
        let attempt = assignment.attempt;
        world.coordinator.give(assignment);
        let pid = world.left_at(0).await.parse().unwrap();
        world.coordinator.cancel(attempt);
        let report = world.coordinator.report(attempt).await;
        assert_eq!(report.outcome, Outcome::Cancelled);
        assert_eq!(report.log.0, b"looping\n");
        assert!(!is_alive(pid));
        world.log_of(world.map(1, "")).await;
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_prints_megabytes_succeeds_and_its_log_is_bounded() {
    let world = World::new(1);
    let log = world.log_of(world.map(0, "print")).await;
    assert!(log.len() <= LOG_BYTES_MAX);
    assert!(log.ends_with("x\nthe last words\n"));
    let left_out = 8_000_015 - (LOG_BYTES_MAX - 64);
    assert!(log.contains(&format!("[... {left_out} bytes left out ...]")));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_allocates_without_end_is_stopped_and_told_the_limit() {
    let world = World::new(1);
    let (failure, log) = world.failure_of(world.map(0, "allocate")).await;
    assert_eq!(failure.cause, FailureCause::Signal(6));
    assert!(failure.message.contains("--memory at 16 MiB a slot may hold 576 MiB"), "{}", failure.message);
    assert!(log.contains("memory allocation of"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_writes_on_the_channel_of_its_slot_is_found_out() {
    let world = World::new(1);
    let (failure, _) = world.failure_of(world.map(0, "rubbish")).await;
    assert_eq!(failure.cause, FailureCause::Plugin);
    world.log_of(world.map(1, "")).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_no_library_is_refused() {
    let world = World::new(1);
    let bytes = b"not a library".to_vec();
    let sha256 = gristmill_protocol::sha256(&bytes);
    let mut assignment = world.map(0, "");
    let info = std::sync::Arc::make_mut(&mut assignment.plugin);
    (info.sha256, info.bytes) = (sha256, bytes.len() as u64);
    world.coordinator.add_blob(sha256, bytes);
    let (failure, _) = world.failure_of(assignment).await;
    assert_eq!(failure.cause, FailureCause::Plugin);
    world.log_of(world.map(1, "")).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_without_its_hash_is_refused() {
    let world = World::new(1);
    let mut assignment = world.map(0, "");
    let info = std::sync::Arc::make_mut(&mut assignment.plugin);
    let bytes = vec![1; usize::try_from(info.bytes).unwrap()];
    info.sha256 = gristmill_protocol::sha256(b"something else");
    world.coordinator.add_blob(info.sha256, bytes);
    let (failure, _) = world.failure_of(assignment).await;
    assert_eq!(failure.cause, FailureCause::Plugin);
    assert!(failure.message.contains("is not the file with SHA-256"), "{}", failure.message);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_the_coordinator_has_lost_is_told() {
    let world = World::new(1);
    let mut assignment = world.map(0, "");
    std::sync::Arc::make_mut(&mut assignment.plugin).sha256 = gristmill_protocol::sha256(b"nowhere");
    let (failure, _) = world.failure_of(assignment).await;
    assert_eq!(failure.cause, FailureCause::Plugin);
    assert!(failure.message.contains("is not here"), "{}", failure.message);
    world.finish().await;
}
