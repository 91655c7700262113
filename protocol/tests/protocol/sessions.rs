//! Calls that must happen once: numbered in a session, repeated under the same key, never executed when their session is over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill_model::{ClientId, JobId, JobPhase, KvAnswer, KvOp, Refusal, RequestId, RequestKey, WorkerId};
use gristmill_protocol::{
    CallError, Client, ClientServiceRequest, ClientServiceResponse, Endpoint, KvServiceRequest,
    KvServiceResponse, Listener, memory,
};

use crate::support::{Fake, Running, at_once, never, start_as, status};

const PATIENCE: Duration = Duration::from_secs(10);

/// What a coordinator with sessions has seen, and what it answers next instead of executing.
#[derive(Default)]
struct Seen {
    nonces: Vec<u64>,
    kept: Vec<(ClientId, RequestId)>,
    writes: Vec<(RequestKey, RequestId)>,
    cancels: Vec<(RequestKey, RequestId)>,
    drains: Vec<(RequestKey, RequestId)>,
    opened: u64,
    /// Sessions up to this one are over.
    over: u64,
    /// Refusals of the next writes, cancels and drains; they come after whatever the coordinator has done.
    refusals: Vec<Refusal>,
    open_refusals: Vec<Refusal>,
}

impl Seen {
    fn client(&mut self, call: ClientServiceRequest) -> ClientServiceResponse {
        match call {
            ClientServiceRequest::OpenSession { nonce } => {
                self.nonces.push(nonce);
                if let Some(refusal) = self.open_refusals.pop() {
                    return ClientServiceResponse::OpenSession(Err(refusal));
                }
                self.opened += 1;
                ClientServiceResponse::OpenSession(Ok(ClientId(self.opened)))
            }
            ClientServiceRequest::KeepSession { client, done_below } => {
                self.kept.push((client, done_below));
                let known = client.0 > self.over;
                ClientServiceResponse::KeepSession(known.then_some(()).ok_or(Refusal::UnknownClient))
            }
            ClientServiceRequest::Job { job, seen, .. } => {
                ClientServiceResponse::Job(Ok(status(job.0, seen + 1, JobPhase::Mapping)))
            }
            ClientServiceRequest::Cancel { key, done_below, job: JobId(1) } => {
                self.cancels.push((key, done_below));
                ClientServiceResponse::Cancel(self.done(key))
            }
            ClientServiceRequest::Drain { key, done_below, worker: WorkerId(1) } => {
                self.drains.push((key, done_below));
                ClientServiceResponse::Drain(self.done(key))
            }
            other => panic!("unexpected call {other:?}"),
        }
    }

    fn done(&mut self, key: RequestKey) -> Result<(), Refusal> {
        let refusal = self.refusals.pop().or((key.client.0 <= self.over).then_some(Refusal::UnknownClient));
        refusal.map_or(Ok(()), Err)
    }

    fn kv(&mut self, call: KvServiceRequest) -> KvServiceResponse {
        let KvServiceRequest::Write { key, done_below, op: KvOp::Put { .. } } = call else {
            panic!("unexpected call {call:?}")
        };
        self.writes.push((key, done_below));
        if let Some(refusal) = self.refusals.pop() {
            return KvServiceResponse::Write(Err(refusal));
        }
        if key.client.0 <= self.over {
            return KvServiceResponse::Write(Err(Refusal::UnknownClient));
        }
        KvServiceResponse::Write(Ok(KvAnswer::Written { version: 1, revision: key.request.0 }))
    }
}

fn serve() -> (Arc<Mutex<Seen>>, Client, Running) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (connector, listener) = memory();
    let (clients, kv) = (seen.clone(), seen.clone());
    let running = start_as(Listener::Memory(listener), |closed| {
        Fake::new(move |call| at_once(clients.lock().unwrap().client(call)), never, closed)
            .with_kv(move |call| at_once(kv.lock().unwrap().kv(call)))
    });
    (seen, Client::new(Endpoint::Memory(connector), PATIENCE), running)
}

fn request(client: u64, request: u64) -> (RequestKey, RequestId) {
    let request = RequestId(request);
    (RequestKey { client: ClientId(client), request }, request)
}

#[tokio::test]
async fn a_session_is_opened_with_the_first_call_and_its_requests_are_counted() {
    let (seen, client, _running) = serve();
    assert_eq!(seen.lock().unwrap().opened, 0);
    for _ in 0..3 {
        client.kv().put(b"k", b"v").await.unwrap();
    }
    client.clone().with_patience(Duration::ZERO).kv().put(b"k", b"v").await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.opened, 1);
    assert_eq!(seen.writes, [request(1, 1), request(1, 2), request(1, 3), request(1, 4)]);
}

#[tokio::test(start_paused = true)]
async fn opening_is_repeated_with_the_same_number() {
    let (seen, client, _running) = serve();
    let unavailable = || Refusal::Unavailable("an election".to_owned());
    seen.lock().unwrap().open_refusals = vec![unavailable(), unavailable()];
    client.kv().put(b"k", b"v").await.unwrap();
    let nonces = seen.lock().unwrap().nonces.clone();
    assert_eq!(nonces, [nonces[0]; 3]);
    assert_ne!(nonces[0], 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_repeated_under_its_key_until_it_is_answered() {
    let (seen, client, _running) = serve();
    let lost = || Refusal::Unavailable("executed, but the answer was lost".to_owned());
    seen.lock().unwrap().refusals = vec![Refusal::NotLeader { leader: None }, lost(), lost()];
    client.kv().put(b"k", b"v").await.unwrap();
    client.kv().put(b"k", b"v").await.unwrap();
    let first = request(1, 1);
    assert_eq!(seen.lock().unwrap().writes, [first, first, first, first, request(1, 2)]);
}

#[tokio::test(start_paused = true)]
async fn cancels_and_drains_are_repeated_under_their_key_too() {
    let (seen, client, _running) = serve();
    let lost = || Refusal::Unavailable("executed, but the answer was lost".to_owned());
    seen.lock().unwrap().refusals = vec![Refusal::NotLeader { leader: None }, lost()];
    client.cancel(JobId(1)).await.unwrap();
    seen.lock().unwrap().refusals = vec![lost(), lost()];
    client.drain(WorkerId(1)).await.unwrap();
    client.kv().put(b"k", b"v").await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.cancels, [request(1, 1); 3]);
    assert_eq!(seen.drains, [request(1, 2); 3]);
    assert_eq!(seen.writes, [request(1, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_whose_session_is_over_is_sent_in_a_new_one_even_if_it_may_have_been_executed() {
    let (seen, client, _running) = serve();
    client.cancel(JobId(1)).await.unwrap();
    seen.lock().unwrap().over = 1;
    client.cancel(JobId(1)).await.unwrap();
    {
        let mut seen = seen.lock().unwrap();
        seen.over = 2;
        seen.refusals = vec![Refusal::Unavailable("executed, perhaps".to_owned())];
    }
    client.cancel(JobId(1)).await.unwrap();
    let expected = [request(1, 1), request(1, 2), request(2, 1), request(2, 2), request(2, 2), request(3, 1)];
    assert_eq!(seen.lock().unwrap().cancels, expected);
}

#[tokio::test]
async fn what_is_done_lies_below_all_that_may_be_repeated() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (connector, listener) = memory();
    let writes = seen.clone();
    let _running = start_as(Listener::Memory(listener), |closed| {
        let opens = |_| at_once(ClientServiceResponse::OpenSession(Ok(ClientId(1))));
        Fake::new(opens, never, closed).with_kv(move |call| {
            let KvServiceRequest::Write { key, done_below, .. } = call else { panic!("unexpected") };
            writes.lock().unwrap().push((key.request.0, done_below.0));
            // The first is never answered.
            if key.request.0 == 1 {
                return never(());
            }
            at_once(KvServiceResponse::Write(Ok(KvAnswer::Written { version: 1, revision: 1 })))
        })
    });
    let client = Client::new(Endpoint::Memory(connector), PATIENCE);
    let hanging = client.clone();
    let first = tokio::spawn(async move { hanging.kv().put(b"k", b"v").await });
    while seen.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    client.kv().put(b"k", b"v").await.unwrap();
    client.kv().put(b"k", b"v").await.unwrap();
    // Its caller has gone, so it is not repeated any more.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    client.kv().put(b"k", b"v").await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, 1), (2, 1), (3, 1), (4, 4)]);
}

#[tokio::test]
async fn a_call_that_cannot_have_been_executed_is_sent_in_a_new_session() {
    let (seen, client, _running) = serve();
    client.kv().put(b"k", b"v").await.unwrap();
    seen.lock().unwrap().over = 1;
    client.kv().put(b"k", b"v").await.unwrap();
    assert_eq!(seen.lock().unwrap().writes, [request(1, 1), request(1, 2), request(2, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_been_executed_ends_undecided_and_is_sent_no_more() {
    let (seen, client, _running) = serve();
    client.kv().put(b"k", b"v").await.unwrap();
    {
        let mut seen = seen.lock().unwrap();
        seen.over = 1;
        seen.refusals = vec![Refusal::Unavailable("executed, perhaps".to_owned())];
    }
    let error = client.kv().put(b"k", b"v").await.unwrap_err();
    assert!(matches!(error, CallError::Undecided { call: "put" }) && !error.may_pass(), "{error}");
    assert!(error.to_string().contains("`put`"), "{error}");
    assert_eq!(seen.lock().unwrap().writes, [request(1, 1), request(1, 2), request(1, 2)]);
    client.kv().put(b"k", b"v").await.unwrap();
    assert_eq!(seen.lock().unwrap().writes.last(), Some(&request(2, 1)), "the next begins anew");
}

#[tokio::test]
async fn a_coordinator_that_forgets_every_session_is_not_asked_without_end() {
    let (seen, client, _running) = serve();
    seen.lock().unwrap().over = u64::MAX;
    let error = client.kv().put(b"k", b"v").await.unwrap_err();
    assert!(matches!(error, CallError::Refused(Refusal::UnknownClient)), "{error}");
    assert_eq!(seen.lock().unwrap().writes, [request(1, 1), request(2, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_kept_while_its_client_waits_for_a_job() {
    let (seen, client, _running) = serve();
    client.kv().put(b"k", b"v").await.unwrap();
    for seen in 0..10 {
        tokio::time::advance(Duration::from_secs(20)).await;
        client.job(JobId(1), seen, Duration::from_secs(1)).await.unwrap();
    }
    assert_eq!(seen.lock().unwrap().kept, [(ClientId(1), RequestId(2)); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_lay_idle_is_looked_at_before_anything_is_sent_in_it() {
    let (seen, client, _running) = serve();
    client.kv().put(b"k", b"v").await.unwrap();
    tokio::time::advance(Duration::from_secs(3600)).await;
    seen.lock().unwrap().over = 1;
    client.kv().put(b"k", b"v").await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.kept, [(ClientId(1), RequestId(2))]);
    assert_eq!(seen.writes, [request(1, 1), request(2, 1)]);
}
