use std::time::Duration;

use gristmill_coordinator::Settings;
use gristmill_model::{Incarnation, Refusal};
use gristmill_protocol::limits::{LONG_POLL_MAX, REPORTS_MAX};
use gristmill_protocol::{Client, Endpoint, Verdict, WorkerLink, listen};
use tokio::task::JoinSet;

use crate::world::{Worker, World, fail, hello, refused, succeed};

const LONG: Duration = LONG_POLL_MAX;

#[tokio::test(start_paused = true)]
async fn a_poll_waits_for_work_but_not_longer_than_it_said() {
    let world = World::new().await;
    let worker = world.worker(1).await;
    let keep_alive = heartbeats(&worker);
    let begun = tokio::time::Instant::now();
    let reply = worker.poll(1, Duration::from_secs(3)).await.unwrap();
    assert!(reply.assignments.is_empty());
    assert!(begun.elapsed() >= Duration::from_secs(3) && begun.elapsed() < Duration::from_secs(4));
    keep_alive.abort();
}

#[tokio::test]
async fn a_waiting_worker_is_given_work_as_soon_as_there_is_some() {
    let world = World::new().await;
    let (one, two) = (world.worker(1).await, world.worker(1).await);
    let (a, b, job) = tokio::join!(one.take(1), two.take(1), world.job(2, 1));
    assert_eq!((a.len(), b.len()), (1, 1));
    assert_ne!(a[0].attempt, b[0].attempt);
    assert_eq!((a[0].attempt.task.job, b[0].attempt.task.job), (job, job));
}

#[tokio::test]
async fn what_a_worker_had_is_given_away_when_its_connections_close() {
    let world = World::new().await;
    let (dying, other) = (world.worker(1).await, world.worker(1).await);
    world.job(1, 1).await;
    let lost = dying.take(1).await.remove(0);
    dying.heartbeat(&[lost.attempt]).await.unwrap();
    drop(dying);
    let again = other.take(1).await.remove(0);
    assert_eq!(again.attempt, lost.attempt.task.attempt(1));
    let status = world.client().jobs().await.unwrap().remove(0);
    assert_eq!((status.attempts.worker_lost, status.attempts.failed), (1, 0));
    assert_eq!(world.client().workers().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_worker_that_dies_while_it_polls_keeps_nothing() {
    let world = World::new().await;
    let (dying, other) = (world.worker(1).await, world.worker(1).await);
    let polling = tokio::spawn(async move { dying.poll(1, LONG).await });
    // The poll is parked when the coordinator has answered a later call of anybody.
    while world.client().workers().await.unwrap().len() < 2 {}
    polling.abort();
    let _ = polling.await;
    let job = world.job(1, 1).await;
    assert_eq!(other.take(1).await[0].attempt.task.job, job);
}

#[tokio::test]
async fn one_open_connection_keeps_a_worker() {
    let world = World::new().await;
    let worker = world.worker(1).await;
    world.job(1, 1).await;
    let held = worker.take(1).await.remove(0);
    worker.heartbeat(&[held.attempt]).await.unwrap();
    // The connection for calls is dialled again; that for heartbeats stays.
    let fresh = WorkerLink::new(world.endpoint(), Duration::ZERO);
    let Worker { link, id, incarnation, .. } = worker;
    let request = gristmill_protocol::PollRequest {
        worker: id,
        incarnation,
        free_slots: 0,
        ahead: 0,
        held: 1,
        reports: Vec::new(),
        wait_ms: 0,
    };
    fresh.poll(request.clone()).await.unwrap();
    drop(link);
    fresh.poll(request.clone()).await.unwrap();
    let status = world.client().jobs().await.unwrap().remove(0);
    assert_eq!(status.attempts.worker_lost, 0);
}

#[tokio::test]
async fn an_assignment_whose_answer_was_lost_is_given_again() {
    let world = World::new().await;
    let worker = world.worker(1).await;
    world.job(1, 1).await;
    let lost = worker.take(1).await.remove(0);
    let again = worker.take(1).await.remove(0);
    assert_eq!(again.attempt, lost.attempt, "never spoken of, so perhaps never received");
}

#[tokio::test(start_paused = true)]
async fn a_silent_worker_is_lost_when_its_lease_ends() {
    let world = World::with(|config| config.settings.lease_ms = 5_000).await;
    let (silent, other) = (world.worker(1).await, world.worker(1).await);
    let keep_alive = heartbeats(&other);
    world.job(1, 1).await;
    let lost = silent.take(1).await.remove(0);
    let begun = tokio::time::Instant::now();
    let again = other.take(1).await.remove(0);
    assert_eq!(again.attempt.task, lost.attempt.task);
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
    keep_alive.abort();

    // It comes back late: what it says is answered and ignored, and it may join anew.
    assert_eq!(silent.poll(1, Duration::ZERO).await, Err(Refusal::UnknownWorker));
    assert_eq!(silent.heartbeat(&[]).await, Err(Refusal::UnknownWorker));
    let anew = silent.link.register(hello(silent.incarnation, 1)).await.unwrap();
    assert_ne!(anew.worker, silent.id);
    let zombie = Worker { id: anew.worker, ..silent };
    assert_eq!(zombie.report(vec![(lost.attempt, succeed(&lost))]).await, [Verdict::Discarded]);
    assert_eq!(other.report(vec![(again.attempt, succeed(&again))]).await, [Verdict::Won]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_nothing_to_do_is_kept_though_every_other_of_its_seldom_heartbeats_is_lost() {
    let world = World::with(|config| config.settings = Settings::default()).await;
    let worker = world.worker(1).await;
    let pace = Duration::from_millis(worker.registered.idle_heartbeat_ms);
    assert!(pace > Duration::from_millis(worker.registered.heartbeat_ms));
    for _ in 0..100 {
        tokio::time::sleep(2 * pace).await;
        worker.heartbeat(&[]).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(Settings::default().lease_ms + 1000)).await;
    assert_eq!(worker.heartbeat(&[]).await, Err(Refusal::UnknownWorker));
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_was_stopped_does_not_blame_its_workers() {
    let world = World::with(|config| config.settings.lease_ms = 5_000).await;
    let worker = world.worker(1).await;
    world.job(1, 1).await;
    let held = worker.take(1).await.remove(0);
    // All of this passes at once, as it does for a process that is stopped and continued.
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(world.client().workers().await.unwrap().len(), 1);
    worker.heartbeat(&[held.attempt]).await.unwrap();
    assert_eq!(worker.report(vec![(held.attempt, succeed(&held))]).await, [Verdict::Won]);
}

#[tokio::test]
async fn registering_twice_gives_the_same_id() {
    let world = World::new().await;
    let worker = world.worker(2).await;
    let again = worker.link.register(hello(worker.incarnation, 2)).await.unwrap();
    assert_eq!(again, worker.registered);
    assert_eq!(world.client().info().await.unwrap().slots, 2);
}

#[tokio::test]
async fn a_worker_that_says_goodbye_is_gone_at_once() {
    let world = World::new().await;
    let (leaving, other) = (world.worker(1).await, world.worker(1).await);
    world.job(1, 1).await;
    let held = leaving.take(1).await.remove(0);
    let live = leaving.link.goodbye(leaving.id, leaving.incarnation).await.unwrap();
    assert_eq!(live, [held.attempt.task.job], "its files of any other job are rubbish");
    assert_eq!(other.take(1).await[0].attempt.task, held.attempt.task);
    assert_eq!(leaving.poll(1, Duration::ZERO).await, Err(Refusal::UnknownWorker));
}

#[tokio::test]
async fn segments_are_for_the_worker_that_has_the_attempt() {
    let world = World::new().await;
    let (worker, other) = (world.worker(2).await, world.worker(1).await);
    let job = world.job(2, 1).await;
    for map in worker.take(2).await {
        assert_eq!(worker.report(vec![(map.attempt, succeed(&map))]).await, [Verdict::Won]);
    }
    let reduce = worker.take(1).await.remove(0).attempt;
    assert_eq!(reduce.task.job, job);
    let segments = worker.link.segments(worker.id, worker.incarnation, reduce, 2).await.unwrap();
    assert_eq!(segments.iter().map(|segment| segment.attempt.task.index).collect::<Vec<_>>(), [0, 1]);
    assert!(other.link.segments(other.id, other.incarnation, reduce, 2).await.is_err());
    let stale = worker.link.segments(worker.id, Incarnation(u64::MAX), reduce, 2).await;
    assert_eq!(refused(stale).unwrap_err(), Refusal::UnknownWorker);
}

#[tokio::test]
async fn what_a_worker_may_say_is_bounded() {
    let world = World::new().await;
    let link = WorkerLink::new(world.endpoint(), Duration::ZERO);
    let mut old = hello(Incarnation(77), 1);
    old.protocol += 1;
    assert!(matches!(refused(link.register(old).await), Err(Refusal::Version { .. })));
    let mut wide = hello(Incarnation(77), u32::MAX);
    assert!(matches!(refused(link.register(wide.clone()).await), Err(Refusal::Invalid(_))));
    (wide.slots, wide.name) = (1, "n".repeat(1000));
    assert!(matches!(refused(link.register(wide.clone()).await), Err(Refusal::Invalid(_))));

    let worker = world.worker(1).await;
    world.job(1, 1).await;
    let attempt = worker.take(1).await[0].attempt;
    let report = gristmill_model::Report { attempt, outcome: fail("x"), log: Default::default() };
    let flood = worker.request(0, Duration::ZERO, vec![report; REPORTS_MAX + 1]);
    assert!(matches!(refused(worker.link.poll(flood).await), Err(Refusal::Invalid(_))));
}

#[tokio::test]
async fn a_thousand_polls_wait_at_once_and_each_is_answered() {
    let world = World::new().await;
    let mut polls = JoinSet::new();
    for _ in 0..1000 {
        let worker = world.worker(1).await;
        polls.spawn(async move {
            let assignments = worker.take(1).await;
            let reports = assignments.iter().map(|a| (a.attempt, succeed(a))).collect();
            (assignments.len(), worker.report(reports).await, worker)
        });
    }
    let mut request = world.request(1000, 1);
    request.options.task_timeout_ms = 3_600_000;
    let job = world.submit(&request).await.unwrap();
    while let Some(done) = polls.join_next().await {
        let (count, verdicts, _) = done.unwrap();
        assert_eq!((count, verdicts.as_slice()), (1, &[Verdict::Won][..]));
    }
    let status = world.client().job(job, 0, Duration::ZERO).await.unwrap();
    assert_eq!(status.map.done, 1000);
}

#[tokio::test]
async fn workers_and_clients_may_come_over_tcp() {
    let world = World::new().await;
    let port = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = world.coordinator.serve(port).unwrap();
    let endpoint = Endpoint::tcp(&[address]).unwrap();
    let worker = Worker::join(endpoint.clone(), 1).await;
    let job = world.job(2, 1).await;
    let client = Client::new(endpoint, Duration::ZERO);
    worker.work(job, &client).await;
    assert!(client.wait_job(job).await.unwrap().phase.is_final());
}

/// Keeps a worker's lease alive.
fn heartbeats(worker: &Worker) -> tokio::task::JoinHandle<()> {
    let (link, worker, incarnation) = (worker.link.clone(), worker.id, worker.incarnation);
    tokio::spawn(async move {
        loop {
            let running = Vec::new();
            let _ = link.heartbeat(gristmill_protocol::Heartbeat { worker, incarnation, running }).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
}
