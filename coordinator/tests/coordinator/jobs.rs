use std::fs;
use std::time::Duration;

use gristmill_coordinator::Manifest;
use gristmill_model::{
    AttemptId, Blob, Bounds, JobId, JobPhase, NotFound, Outcome, PathBytes, ReduceResult, Refusal, Report,
    SampleResult, SampledKey, TaskId, Work,
};
use gristmill_protocol::Verdict;

use crate::world::{PLUGIN, World, fail, names, refused, succeed};

#[tokio::test]
async fn a_job_lives_from_submission_to_its_manifest() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(2).await);
    let job = world.job(5, 3).await;
    worker.work(job, &client).await;

    let status = client.wait_job(job).await.unwrap();
    assert_eq!(status.phase, JobPhase::Done);
    assert_eq!((status.map.done, status.reduce.done), (5, 3));
    assert_eq!(names(&world.output()), ["_SUCCESS", "mr-out-00000", "mr-out-00001", "mr-out-00002"]);
    let second = fs::read_to_string(world.output().join("mr-out-00001")).unwrap();
    assert_eq!(second, format!("{} wins\n", TaskId::reduce(job, 1)));

    let manifest = fs::read(world.output().join("_SUCCESS")).unwrap();
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(
        (manifest.format, manifest.job, manifest.cluster),
        (1, job.to_string(), world.cluster().await.to_string())
    );
    assert_eq!(manifest.plugin.sha256, gristmill_protocol::sha256(PLUGIN).to_string());
    assert_eq!((manifest.inputs.files, manifest.inputs.bytes), (1, 500));
    assert_eq!(manifest.outputs.len(), 3);
    assert_eq!(manifest.outputs[1].name, "mr-out-00001");
    assert_eq!(manifest.outputs[1].bytes, second.len() as u64);
    assert_eq!(manifest.outputs[1].crc32c, "00000abc");
    assert_eq!((manifest.records, manifest.counters["keys"], manifest.attempts["won"]), (3, 6, 8));
    assert!(manifest.submitted_ms > 0 && manifest.submitted_ms <= manifest.ended_ms);
}

#[tokio::test]
async fn a_map_only_job_commits_the_outputs_of_its_maps() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(2).await);
    let job = world.job(3, 0).await;
    worker.work(job, &client).await;
    assert_eq!(client.wait_job(job).await.unwrap().phase, JobPhase::Done);
    assert_eq!(names(&world.output()), ["_SUCCESS", "mr-out-00000", "mr-out-00001", "mr-out-00002"]);
}

/// A request whose app wants a total order.
fn ordered(world: &World) -> gristmill_model::JobRequest {
    let mut request = world.request(3, 2);
    request.plugin.total_order = true;
    request
}

#[tokio::test]
async fn a_total_order_is_sampled_and_its_maps_are_told_the_bounds() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(2).await);
    let job = world.submit(&ordered(&world)).await.unwrap();
    let sample = worker.take(2).await.remove(0);
    assert_eq!(sample.attempt, TaskId::sample(job, 0).attempt(0));
    assert_eq!(client.job(job, 0, Duration::ZERO).await.unwrap().phase, JobPhase::Sampling);
    assert_eq!(worker.report(vec![(sample.attempt, succeed(&sample))]).await, [Verdict::Won]);
    let maps = worker.take(2).await;
    let Work::Map(work) = &maps[0].work else { panic!("{maps:?}") };
    assert_eq!(*work.bounds, Bounds(vec![Blob(b"b".to_vec())]));
    worker.report(maps.iter().map(|map| (map.attempt, succeed(map))).collect()).await;
    worker.work(job, &client).await;
    let status = client.wait_job(job).await.unwrap();
    assert_eq!((status.phase, status.sample.done), (JobPhase::Done, 1));
}

#[tokio::test]
async fn a_sample_beyond_its_bounds_is_a_failure_of_its_attempt() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(1).await);
    let job = world.submit(&ordered(&world)).await.unwrap();
    let sample = worker.take(1).await.remove(0);
    let keys = |count: usize, bytes: usize| {
        let key = SampledKey { key: Blob(vec![7; bytes]), weight: 1 };
        Outcome::Sampled(SampleResult { keys: vec![key; count], ..SampleResult::default() })
    };
    worker.report(vec![(sample.attempt, keys(SampleResult::KEYS_MAX + 1, 1))]).await;
    let again = worker.take(1).await.remove(0);
    worker.report(vec![(again.attempt, keys(2, SampleResult::BYTES_MAX))]).await;
    assert_eq!(client.job(job, 0, Duration::ZERO).await.unwrap().attempts.failed, 2);
}

#[tokio::test]
async fn a_request_that_is_repeated_is_the_same_job() {
    let world = World::new().await;
    let request = world.request(1, 1);
    let (a, b, c) = tokio::join!(world.submit(&request), world.submit(&request), world.submit(&request));
    assert_eq!((&a, &b), (&b, &c));
    let job = a.unwrap();
    assert_eq!(world.submit(&request).await, Ok(job));
    assert_eq!(world.client().jobs().await.unwrap().len(), 1);
    assert_eq!(world.job_elsewhere(1).await, JobId(job.0 + 1));
}

#[tokio::test]
async fn a_request_that_is_wrong_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let mut request = world.request(1, 1);
    request.inputs.clear();
    assert!(matches!(world.submit(&request).await, Err(Refusal::Invalid(text)) if text.contains("inputs")));
    let mut request = world.request(1, 1);
    request.options.split_bytes = Some(1);
    request.inputs[0].bytes = u64::MAX / 2;
    assert!(matches!(world.submit(&request).await, Err(Refusal::Invalid(text)) if text.contains("split")));
    let mut request = world.request(1, 1);
    request.plugin.bytes += 1;
    assert!(matches!(world.submit(&request).await, Err(Refusal::Invalid(text)) if text.contains("plugin")));
    let mut request = world.request(1, 1);
    request.plugin.sha256.0[0] ^= 1;
    assert!(matches!(world.submit(&request).await, Err(Refusal::UnknownBlob(_))));
    assert!(!world.output().exists());
    assert!(world.client().jobs().await.unwrap().is_empty());
}

#[tokio::test]
async fn open_choices_follow_the_live_slots() {
    let world = World::new().await;
    let worker = world.worker(3).await;
    let mut request = world.request(2, 1);
    (request.options.reduces, request.options.split_bytes) = (None, None);
    let job = world.submit(&request).await.unwrap();
    let status = world.client().job(job, 0, Duration::ZERO).await.unwrap();
    assert_eq!((status.map.total, status.reduce.total), (1, 3));
    drop(worker);
}

#[tokio::test]
async fn a_job_fails_with_the_first_error_and_what_was_printed_last() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(1).await);
    let mut request = world.request(2, 1);
    request.options.max_attempts = 1;
    let job = world.submit(&request).await.unwrap();
    let attempt = worker.take(1).await[0].attempt;
    let log = Blob(b"one\ntwo\nthe last words\n".to_vec());
    worker.send_reports(vec![Report { attempt, outcome: fail("it broke"), log: log.clone() }]).await;

    let status = client.wait_job(job).await.unwrap();
    let JobPhase::Failed(message) = status.phase else { panic!("{:?}", status.phase) };
    for part in ["it broke", "the last words", &attempt.task.to_string(), "panic"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!world.output().exists(), "an output directory that it made is removed");
    let logs = client.logs(job, None).await.unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!((logs[0].attempt, &logs[0].log, logs[0].outcome.as_str()), (attempt, &log, "panic"));
    assert_eq!(client.logs(job, Some(TaskId::reduce(job, 0))).await.unwrap(), []);
}

#[tokio::test]
async fn a_cancelled_job_takes_its_attempts_and_files_away() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(1).await);
    fs::create_dir(world.output()).unwrap();
    let job = world.job(3, 0).await;
    let assignment = worker.take(1).await.remove(0);
    succeed(&assignment);
    worker.heartbeat(&[assignment.attempt]).await.unwrap();
    client.cancel(job).await.unwrap();
    assert_eq!(client.wait_job(job).await.unwrap().phase, JobPhase::Cancelled);
    assert_eq!(names(&world.output()), Vec::<String>::new(), "a directory that was there stays");
    let orders = worker.heartbeat(&[assignment.attempt]).await.unwrap();
    assert_eq!((orders.cancel, orders.forget), (vec![assignment.attempt], vec![job]));
    assert_eq!(worker.report(vec![(assignment.attempt, Outcome::Cancelled)]).await, [Verdict::Discarded]);
    client.cancel(job).await.unwrap();
}

#[tokio::test]
async fn a_report_that_comes_twice_gets_the_same_verdict() {
    let world = World::new().await;
    let worker = world.worker(1).await;
    let job = world.job(2, 1).await;
    let assignment = worker.take(1).await.remove(0);
    let outcome = succeed(&assignment);
    for _ in 0..3 {
        let verdicts = worker.report(vec![(assignment.attempt, outcome.clone())]).await;
        assert_eq!(verdicts, [Verdict::Won]);
    }
    let status = world.client().job(job, 0, Duration::ZERO).await.unwrap();
    assert_eq!((status.map.done, status.attempts.won), (1, 1));
}

#[tokio::test]
async fn reports_of_attempts_that_nobody_gave_are_answered_and_ignored() {
    let world = World::new().await;
    let worker = world.worker(1).await;
    let job = world.job(2, 1).await;
    let assignment = worker.take(1).await.remove(0);
    let outcome = succeed(&assignment);
    let strangers: Vec<AttemptId> = vec![
        TaskId::map(job, 99).attempt(0),
        TaskId::map(JobId(99), 0).attempt(0),
        assignment.attempt.task.attempt(7),
        TaskId::reduce(job, 0).attempt(0),
    ];
    let reports = strangers.into_iter().map(|attempt| (attempt, outcome.clone())).collect();
    assert_eq!(worker.report(reports).await, [Verdict::Discarded; 4]);
    let status = world.client().job(job, 0, Duration::ZERO).await.unwrap();
    assert_eq!(status.map.done, 0);
}

#[tokio::test]
async fn an_output_outside_the_staging_directory_is_a_failure() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(1).await);
    let mut request = world.request(1, 1);
    request.options.max_attempts = 1;
    let job = world.submit(&request).await.unwrap();
    let map = worker.take(1).await.remove(0);
    worker.report(vec![(map.attempt, succeed(&map))]).await;
    let reduce = worker.take(1).await.remove(0);
    let precious = world.directory.path().join("precious");
    fs::write(&precious, b"mine").unwrap();
    let path = PathBytes::from(precious.as_path());
    let outcome = Outcome::Reduced(ReduceResult { path, bytes: 4, crc32c: 0, stats: Default::default() });
    assert_eq!(worker.report(vec![(reduce.attempt, outcome)]).await, [Verdict::Discarded]);
    let JobPhase::Failed(message) = client.wait_job(job).await.unwrap().phase else { panic!("not failed") };
    assert!(message.contains("staging directory"), "{message}");
    assert_eq!(fs::read(&precious).unwrap(), b"mine");
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let world = World::new().await;
    let client = world.client();
    let lost = JobId(9);
    let gone = Refusal::NotFound(NotFound::Job(lost));
    assert_eq!(refused(client.job(lost, 0, Duration::ZERO).await).unwrap_err(), gone);
    assert_eq!(refused(client.job(lost, 3, Duration::from_secs(20)).await).unwrap_err(), gone);
    assert_eq!(refused(client.cancel(lost).await).unwrap_err(), gone);
    assert_eq!(refused(client.logs(lost, None).await).unwrap_err(), gone);
    assert_eq!(refused(client.explain(lost, None).await).unwrap_err(), gone);
    let job = world.job(1, 1).await;
    let foreign = TaskId::map(lost, 0);
    let no_task = Refusal::NotFound(NotFound::Task(foreign));
    assert_eq!(refused(client.logs(job, Some(foreign)).await).unwrap_err(), no_task);
    let missing = TaskId::map(job, 99);
    let refusal = refused(client.logs(job, Some(missing)).await).unwrap_err();
    assert_eq!(refusal, NotFound::Task(missing).into());
    assert_eq!(refused(client.explain(job, Some(foreign)).await).unwrap_err(), no_task);
    assert!(client.explain(job, Some(TaskId::map(job, 44))).await.is_err());
}

#[tokio::test]
async fn a_job_without_workers_can_say_what_it_waits_for() {
    let world = World::new().await;
    let job = world.job(1, 1).await;
    let explained = world.client().explain(job, None).await.unwrap();
    assert!(!explained.is_empty() && explained.iter().all(|explanation| !explanation.text.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_status_is_waited_for_until_it_changes_or_the_time_is_over() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(1).await);
    let job = world.job(2, 1).await;
    let seen = client.job(job, 0, Duration::ZERO).await.unwrap().revision;
    let begun = tokio::time::Instant::now();
    let same = client.job(job, seen, Duration::from_secs(3)).await.unwrap();
    assert_eq!(same.revision, seen);
    assert!(begun.elapsed() >= Duration::from_secs(3));

    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.job(job, seen, Duration::from_secs(20)).await.unwrap() }
    });
    let begun = tokio::time::Instant::now();
    worker.take(1).await;
    let changed = waiting.await.unwrap();
    assert!(changed.revision > seen && changed.map.running == 1);
    assert!(begun.elapsed() < Duration::from_secs(1));
}
