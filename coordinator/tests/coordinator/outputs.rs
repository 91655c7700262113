use std::fs;
use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{JobPhase, Refusal};

use crate::hiccup::Hiccup;
use crate::world::{World, names};

#[tokio::test]
async fn an_output_that_holds_something_is_refused_and_kept() {
    let world = World::new().await;
    fs::create_dir(world.output()).unwrap();
    fs::write(world.output().join("thesis"), b"x").unwrap();
    let refused = world.submit(&world.request(1, 1)).await.unwrap_err();
    assert!(matches!(&refused, Refusal::OutputExists(path) if path.ends_with("/out")), "{refused:?}");
    assert_eq!(names(&world.output()), ["thesis"]);
    fs::write(world.directory.path().join("file"), b"x").unwrap();
    let mut request = world.request(1, 1);
    request.output = world.directory.path().join("file").as_path().into();
    assert!(
        matches!(world.submit(&request).await, Err(Refusal::Invalid(text)) if text.contains("directory"))
    );
}

#[tokio::test]
async fn overwriting_replaces_outputs_and_nothing_else() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(1).await);
    fs::create_dir(world.output()).unwrap();
    for name in ["_SUCCESS", "mr-out-00000", "mr-out-00007", "thesis"] {
        fs::write(world.output().join(name), b"old").unwrap();
    }
    let mut request = world.request(1, 1);
    request.options.overwrite = true;
    let job = world.submit(&request).await.unwrap();
    worker.work(job, &client).await;
    assert_eq!(client.wait_job(job).await.unwrap().phase, JobPhase::Done);
    assert_eq!(names(&world.output()), ["_SUCCESS", "mr-out-00000", "thesis"]);
}

#[tokio::test]
async fn two_jobs_may_not_write_to_one_place() {
    let world = World::new().await;
    let (mut one, mut two) = (world.request(1, 1), world.request(1, 1));
    (one.options.overwrite, two.options.overwrite) = (true, true);
    let (first, second) = tokio::join!(world.submit(&one), world.submit(&two));
    assert_ne!(first.is_ok(), second.is_ok(), "{first:?} {second:?}");
    let job = first.or(second).unwrap();
    let staged = names(&world.output());
    let ours = format!(".{}", world.cluster().await.job_dir_name(job));
    // The other's directory is cleared away behind its refusal.
    assert!(staged.contains(&ours), "{staged:?}");
}

/// Whichever operation on the disk fails once, the job ends with the whole output, or is refused and leaves nothing.
#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_once_costs_no_job_its_output() {
    let (mut done, mut operation) = (0, 0);
    loop {
        let storage = Arc::new(Hiccup::new(operation));
        let world = World::with(|config| config.storage = storage.clone()).await;
        let (client, worker) = (world.client(), world.worker(1).await);
        match world.submit(&world.request(1, 2)).await {
            Ok(job) => {
                worker.work(job, &client).await;
                let status = client.wait_job(job).await.unwrap();
                assert_eq!(status.phase, JobPhase::Done, "operation {operation}");
                assert_eq!(names(&world.output()), ["_SUCCESS", "mr-out-00000", "mr-out-00001"]);
                done += 1;
            }
            Err(refusal) => {
                assert!(matches!(refusal, Refusal::Invalid(_)), "{refusal:?}");
                assert!(!world.output().exists(), "operation {operation}");
                assert!(world.client().jobs().await.unwrap().is_empty());
            }
        }
        if !storage.has_failed() {
            break;
        }
        operation += 1;
    }
    assert!(done > 8, "{done}");
}

#[tokio::test(start_paused = true)]
async fn a_job_is_not_reported_over_before_its_files_are_gone() {
    let world = World::new().await;
    let (client, worker) = (world.client(), world.worker(1).await);
    for _ in 0..20 {
        let job = world.job(1, 1).await;
        worker.take(1).await;
        client.cancel(job).await.unwrap();
        let mut watch = client.watch(job);
        while let Some(status) = watch.next().await.unwrap() {
            assert_eq!(status.phase.is_final(), !world.output().exists());
        }
        worker.poll(0, Duration::ZERO).await.unwrap();
    }
}

#[tokio::test]
async fn a_submission_that_was_refused_for_its_output_stays_refused_when_it_comes_again() {
    let world = World::new().await;
    fs::create_dir(world.output()).unwrap();
    let precious = world.output().join("thesis");
    fs::write(&precious, b"x").unwrap();
    let late = world.request(1, 1);
    let told = world.submit(&late).await.unwrap_err();
    fs::remove_file(&precious).unwrap();
    assert_eq!(world.submit(&late).await.unwrap_err(), told);
    assert!(world.client().jobs().await.unwrap().is_empty());
    world.submit(&world.request(1, 1)).await.unwrap();
}
