use std::fs;
use std::time::Duration;

use gristmill_coordinator::{Config, Coordinator, StartError};
use gristmill_model::{Assignment, Blob, JobPhase, Refusal, Report};
use gristmill_protocol::Client;
use gristmill_protocol::limits::{LOG_BYTES_MAX, REPORTS_MAX};

use crate::world::{PLUGIN, World, refused, succeed};

/// So many attempts at once, whose logs take a disk longer than an answer takes.
const TASKS: u32 = 250;

#[tokio::test]
async fn finishing_lets_the_workers_go() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(1).await);
    let waiting = world.worker(1).await;
    let job = world.job(1, 1).await;
    worker.work(job, &client).await;
    let leave = async {
        let reply = waiting.poll(1, Duration::from_secs(20)).await.unwrap();
        assert!(reply.orders.finished);
        drop(waiting);
        assert!(worker.heartbeat(&[]).await.unwrap().finished);
        worker.link.goodbye(worker.id, worker.incarnation).await.unwrap();
    };
    let World { coordinator, directory, .. } = world;
    let (finished, ()) = tokio::join!(coordinator.finish(), leave);
    finished.unwrap();
    drop(directory);
}

#[tokio::test]
async fn finishing_waits_for_the_jobs_that_there_are_and_takes_no_more() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(1).await);
    let job = world.job(1, 1).await;
    let (late, output) = (world.request(1, 1), world.output());
    client.upload_blob(PLUGIN).await.unwrap();
    let World { coordinator, directory, .. } = world;
    let finish = tokio::spawn(coordinator.finish());
    let refused = loop {
        match refused(client.submit_under_its_key(&late).await) {
            // Until the coordinator has heard of its end, the other job's output is in the way.
            Err(Refusal::OutputExists(_) | Refusal::Invalid(_)) => tokio::task::yield_now().await,
            other => break other,
        }
    };
    assert!(matches!(refused, Err(Refusal::Unavailable(_))), "{refused:?}");
    let mut phases = Vec::new();
    let mut finished = false;
    while !finished {
        let reply = worker.poll(1, Duration::from_secs(20)).await.unwrap();
        finished = reply.orders.finished;
        let reports = reply.assignments.iter().map(|a| (a.attempt, succeed(a))).collect::<Vec<_>>();
        if !reports.is_empty() {
            worker.report(reports).await;
        }
        phases.push(client.job(job, 0, Duration::ZERO).await.unwrap().phase);
    }
    assert_eq!(phases.last(), Some(&JobPhase::Done));
    assert!(output.join("_SUCCESS").exists());
    drop(worker);
    finish.await.unwrap().unwrap();
    drop(directory);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_does_not_leave_is_not_waited_for_long() {
    let world = World::new().await;
    let stubborn = world.worker(1).await;
    let begun = tokio::time::Instant::now();
    world.coordinator.finish().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30));
    drop(stubborn);
}

#[tokio::test]
async fn nothing_is_written_after_the_end() {
    let world = World::new().await;
    let worker = world.worker(TASKS).await;
    world.job(TASKS.into(), 1).await;
    let taken = worker.take(TASKS).await;
    let report = |assignment: &Assignment| Report {
        attempt: assignment.attempt,
        outcome: succeed(assignment),
        log: Blob(vec![b'x'; LOG_BYTES_MAX]),
    };
    for some in taken.chunks(REPORTS_MAX) {
        worker.send_reports(some.iter().map(report).collect()).await;
    }
    let World { coordinator, directory, .. } = world;
    coordinator.shutdown().await.unwrap();
    let written = fs::metadata(directory.path().join("data/logs/j1")).unwrap().len();
    assert!(written >= (taken.len() * LOG_BYTES_MAX) as u64, "{written} of {} logs", taken.len());
}

#[tokio::test]
async fn whoever_waits_at_a_shutdown_is_told() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(1).await);
    let job = world.job(1, 1).await;
    worker.take(1).await;
    let seen = client.job(job, 0, Duration::ZERO).await.unwrap().revision;
    let (poll, status) =
        (worker.poll(0, Duration::from_secs(20)), client.job(job, seen + 99, Duration::from_secs(20)));
    let World { coordinator, directory, .. } = world;
    let shutdown = async {
        while client.workers().await.unwrap().is_empty() {}
        coordinator.shutdown().await.unwrap();
    };
    let (poll, status, ()) = tokio::join!(poll, status, shutdown);
    assert!(matches!(poll, Err(Refusal::Unavailable(_))), "{poll:?}");
    assert!(matches!(refused(status), Err(Refusal::Unavailable(_))));
    assert!(client.info().await.unwrap_err().is_unreachable());
    drop(directory);
}

#[tokio::test]
async fn a_dropped_coordinator_ends_and_frees_its_directory() {
    let world = World::new().await;
    let data = world.directory.path().join("data");
    let locked = Coordinator::start(Config::new(&data)).await.unwrap_err();
    assert!(matches!(locked, StartError::Locked { .. }));
    let World { coordinator, directory, .. } = world;
    let client = Client::new(coordinator.endpoint(), Duration::ZERO);
    drop(coordinator);
    while client.info().await.is_ok() {}
    let again = loop {
        match Coordinator::start(Config::new(&data)).await {
            Err(StartError::Locked { .. }) => tokio::task::yield_now().await,
            started => break started.unwrap(),
        }
    };
    again.shutdown().await.unwrap();
    drop(directory);
}

#[tokio::test]
async fn a_port_beyond_loopback_is_refused() {
    let world = World::new().await;
    let open = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    assert!(world.coordinator.serve(open).unwrap_err().to_string().contains("loopback"));
}
