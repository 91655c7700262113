//! What the client adds to the bare calls: uploads that resume, paging, following a job.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{at_once, in_memory, status, worker_in_memory};
use gristmill_model::{
    Blob, ClientId, JobId, JobOptions, JobPhase, JobRequest, MemberChange, MembersStatus, MembersVersion,
    PathBytes, PluginInfo, Refusal, RequestId, RequestKey, Sha256,
};
use gristmill_protocol::limits::CHUNK_BYTES;
use gristmill_protocol::{
    Client, ClientServiceRequest as Call, ClientServiceResponse as Reply, WorkerLink, WorkerServiceRequest,
    WorkerServiceResponse, sha256,
};

fn request() -> JobRequest {
    JobRequest {
        key: RequestKey { client: ClientId(1), request: RequestId(2) },
        plugin: PluginInfo {
            sha256: Sha256([3; 32]),
            bytes: 4,
            name: "wc".to_owned(),
            version: "1.0.0".to_owned(),
            input_mode: gristmill_model::InputMode::Text,
            map_only: false,
            combines: true,
            total_order: false,
        },
        params: Default::default(),
        inputs: Vec::new(),
        output: PathBytes::from("/out"),
        options: JobOptions::default(),
    }
}

/// A store of one blob that has `here` bytes already.
fn store(here: Vec<u8>) -> (Arc<Mutex<Vec<u8>>>, impl Fn(Call) -> gristmill_protocol::Answer<Reply>) {
    let kept = Arc::new(Mutex::new(here));
    let blob = kept.clone();
    let calls = move |call| {
        let mut blob = blob.lock().unwrap();
        match call {
            Call::BlobBytes { .. } => at_once(Reply::BlobBytes(Ok(blob.len() as u64))),
            Call::PutBlob { offset, chunk: Blob(chunk), .. } => {
                assert!(chunk.len() <= CHUNK_BYTES);
                assert_eq!(offset, blob.len() as u64);
                blob.extend(chunk);
                at_once(Reply::PutBlob(Ok(blob.len() as u64)))
            }
            other => panic!("unexpected call {other:?}"),
        }
    };
    (kept, calls)
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_members_is_asked_for_again_for_the_group_that_was_seen() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    let (_running, endpoint) = in_memory(move |call| {
        let mut asked = kept.lock().unwrap();
        // It is another with each answer.
        let version = MembersVersion { term: asked.len() as u64, since: (1, 2) };
        let group = MembersStatus { leader: Some(1), members: Vec::new(), version };
        match call {
            Call::Members {} => {
                asked.push(None);
                at_once(Reply::Members(Ok(group)))
            }
            Call::ChangeMembers { seen, change: MemberChange::Remove { id: 2 } } => {
                asked.push(Some(seen.term));
                let late = Refusal::Unavailable("late".to_owned());
                at_once(Reply::ChangeMembers(if asked.len() < 4 { Err(late) } else { Ok(group) }))
            }
            other => panic!("unexpected call {other:?}"),
        }
    });
    let client = Client::new(endpoint, Duration::from_secs(10));
    client.change_members(&MemberChange::Remove { id: 2 }).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [None, Some(0), Some(0), Some(0)]);
}

#[tokio::test]
async fn an_upload_goes_on_where_an_earlier_one_ended() {
    let bytes: Vec<u8> = (0..3 * CHUNK_BYTES + 17).map(|n| (n % 251) as u8).collect();
    for here in [0, 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 16, bytes.len()] {
        let (kept, calls) = store(bytes[..here].to_vec());
        let (_running, endpoint) = in_memory(calls);
        let name = Client::new(endpoint, Duration::ZERO).upload_blob(&bytes).await.unwrap();
        assert_eq!(name, sha256(&bytes));
        assert!(*kept.lock().unwrap() == bytes, "from {here}");
    }
}

#[tokio::test]
async fn an_empty_blob_is_uploaded() {
    let puts = Arc::new(Mutex::new(0));
    let seen = puts.clone();
    let (_running, endpoint) = in_memory(move |call| match call {
        Call::BlobBytes { .. } => at_once(Reply::BlobBytes(Ok(0))),
        Call::PutBlob { total: 0, offset: 0, .. } => {
            *seen.lock().unwrap() += 1;
            at_once(Reply::PutBlob(Ok(0)))
        }
        other => panic!("unexpected call {other:?}"),
    });
    Client::new(endpoint, Duration::ZERO).upload_blob(b"").await.unwrap();
    assert_eq!(*puts.lock().unwrap(), 1);
}

#[tokio::test]
async fn an_upload_that_never_gets_on_is_given_up() {
    let (_running, endpoint) = in_memory(|call| match call {
        Call::BlobBytes { .. } => at_once(Reply::BlobBytes(Ok(0))),
        _ => at_once(Reply::PutBlob(Ok(0))),
    });
    let error = Client::new(endpoint, Duration::ZERO).upload_blob(b"some").await.unwrap_err();
    assert!(error.to_string().contains("does not get beyond byte 0"), "{error}");
}

#[tokio::test]
async fn a_request_that_the_coordinator_lost_is_uploaded_again() {
    let submits = Mutex::new(0);
    let stored = Mutex::new(0);
    let (_running, endpoint) = in_memory(move |call| match call {
        Call::OpenSession { .. } => at_once(Reply::OpenSession(Ok(ClientId(3)))),
        Call::BlobBytes { .. } => at_once(Reply::BlobBytes(Ok(0))),
        Call::PutBlob { total, .. } => {
            *stored.lock().unwrap() += 1;
            at_once(Reply::PutBlob(Ok(total)))
        }
        Call::Submit { request, .. } => {
            let mut submits = submits.lock().unwrap();
            *submits += 1;
            assert_eq!(*submits, *stored.lock().unwrap());
            let lost = Err(Refusal::UnknownBlob(request.to_string()));
            at_once(Reply::Submit(if *submits < 3 { lost } else { Ok(JobId(9)) }))
        }
        other => panic!("unexpected call {other:?}"),
    });
    let client = Client::new(endpoint, Duration::ZERO);
    assert_eq!(client.submit(request()).await.unwrap(), JobId(9));
}

#[tokio::test]
async fn a_watch_shows_each_revision_once_and_ends() {
    let (_running, endpoint) = in_memory(|call| match call {
        Call::Job { job, seen, .. } => {
            let phase = if seen < 3 { JobPhase::Mapping } else { JobPhase::Done };
            at_once(Reply::Job(Ok(status(job.0, seen.max(1) + 1, phase))))
        }
        other => panic!("unexpected call {other:?}"),
    });
    let client = Client::new(endpoint, Duration::ZERO);
    let mut watch = client.watch(JobId(4));
    let mut revisions = Vec::new();
    while let Some(status) = watch.next().await.unwrap() {
        revisions.push((status.revision, status.phase.is_final()));
    }
    assert_eq!(revisions, [(2, false), (3, false), (4, true)]);
    assert_eq!(watch.next().await.unwrap(), None);
    assert_eq!(client.wait_job(JobId(4)).await.unwrap().phase, JobPhase::Done);
}

#[tokio::test]
async fn jobs_are_asked_for_page_by_page() {
    let (_running, endpoint) = in_memory(|call| match call {
        Call::Jobs { after } => {
            let page = (after.0 + 1..=7).take(3).map(|id| status(id, 1, JobPhase::Done)).collect();
            at_once(Reply::Jobs(Ok(page)))
        }
        other => panic!("unexpected call {other:?}"),
    });
    let jobs = Client::new(endpoint, Duration::ZERO).jobs().await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.id.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_worker_fetches_a_blob_in_pieces() {
    let bytes: Vec<u8> = (0..2 * CHUNK_BYTES + 5).map(|n| (n % 13) as u8).collect();
    let served = bytes.clone();
    let (_running, endpoint) = worker_in_memory(move |call| match call {
        WorkerServiceRequest::Blob { offset, .. } => {
            let rest = &served[(offset as usize).min(served.len())..];
            let piece = rest[..rest.len().min(CHUNK_BYTES)].to_vec();
            at_once(WorkerServiceResponse::Blob(Ok(Blob(piece))))
        }
        other => panic!("unexpected call {other:?}"),
    });
    let mut got = Vec::new();
    let link = WorkerLink::new(endpoint, Duration::ZERO);
    link.fetch_blob(sha256(&bytes), &mut got).await.unwrap();
    assert!(got == bytes);
}
