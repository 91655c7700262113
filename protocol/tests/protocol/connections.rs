//! What connections promise: agreement, bounds, redialling, and that the end of one is noticed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::{
    SteppedClock, at_once, in_memory, info, never, preamble, says_info, start, worker_in_memory,
};
use futures::FutureExt;
use gristmill_model::{Incarnation, JobId, NotFound, Refusal, TaskId, WorkerId};
use gristmill_protocol::limits::{
    CALL_TIMEOUT, FRAME_BYTES_MAX, HANDSHAKE_TIMEOUT, REQUESTS_PER_CONNECTION_MAX,
};
use gristmill_protocol::{
    CallError, Client, ClientServiceRequest, ClientServiceResponse, Endpoint, Listener, PROTOCOL_VERSION,
    WorkerHello, WorkerLink, WorkerServiceRequest, WorkerServiceResponse, listen, memory,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn hello(name: String) -> WorkerHello {
    WorkerHello {
        protocol: PROTOCOL_VERSION,
        name,
        incarnation: Incarnation(1),
        slots: 1,
        machine: "here".to_owned(),
        running: Vec::new(),
    }
}

#[tokio::test]
async fn a_call_comes_through_memory_and_tcp() {
    let (_running, endpoint) = in_memory(says_info);
    assert_eq!(Client::new(endpoint, Duration::ZERO).info().await.unwrap(), info());

    let tcp = listen(local()).await.unwrap();
    let endpoint = Endpoint::tcp(&[tcp.local_addr().unwrap()]).unwrap();
    let _running = start(Listener::Tcp(tcp), says_info, never);
    assert_eq!(Client::new(endpoint, Duration::ZERO).info().await.unwrap(), info());
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_is_dead() {
    let tcp = listen(local()).await.unwrap();
    let dead = { listen(local()).await.unwrap().local_addr().unwrap() };
    let endpoint = Endpoint::tcp(&[dead, tcp.local_addr().unwrap()]).unwrap();
    let _running = start(Listener::Tcp(tcp), says_info, never);
    assert_eq!(Client::new(endpoint, Duration::ZERO).info().await.unwrap(), info());
}

#[tokio::test]
async fn every_refusal_survives_the_wire() {
    let refusals = [
        Refusal::NotFound(NotFound::Job(JobId(7))),
        Refusal::NotFound(NotFound::Task(TaskId::map(JobId(7), 3))),
        Refusal::Invalid("no inputs".to_owned()),
        Refusal::OutputExists("/out".to_owned()),
        Refusal::UnknownBlob("abc".to_owned()),
        Refusal::UnknownWorker,
        Refusal::Version { coordinator: 2, caller: 1 },
        Refusal::Unavailable("ending".to_owned()),
        Refusal::UnknownClient,
        Refusal::NotFound(NotFound::Worker(WorkerId(4))),
        Refusal::NotDone("late".to_owned()),
    ];
    for refusal in refusals {
        let told = refusal.clone();
        let (_running, endpoint) =
            in_memory(move |_| at_once(ClientServiceResponse::Workers(Err(told.clone()))));
        let got = Client::new(endpoint, Duration::ZERO).workers().await;
        assert!(matches!(got, Err(CallError::Refused(got)) if got == refusal));
    }
}

#[tokio::test]
async fn rubbish_and_probes_are_dropped_and_harm_nobody() {
    let tcp = listen(local()).await.unwrap();
    let address = tcp.local_addr().unwrap();
    let _running = start(Listener::Tcp(tcp), says_info, never);
    for rubbish in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], b"\x89GRISX", b"\x16\x03\x01\x02\x00"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(rubbish).await.unwrap();
        let mut answer = Vec::new();
        // The far side closes with bytes of ours unread, so a reset is as good an end as a clean one.
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"");
    }
    let client = Client::new(Endpoint::tcp(&[address]).unwrap(), Duration::ZERO);
    assert_eq!(client.info().await.unwrap(), info());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_says_nothing_is_dropped() {
    let _clock = SteppedClock::start();
    let tcp = listen(local()).await.unwrap();
    let address = tcp.local_addr().unwrap();
    let _running = start(Listener::Tcp(tcp), says_info, never);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(HANDSHAKE_TIMEOUT * 2, stream.read_to_end(&mut answer)).await;
    assert_eq!(ended.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn rubbish_after_the_preamble_ends_that_connection_only() {
    let tcp = listen(local()).await.unwrap();
    let address = tcp.local_addr().unwrap();
    let mut running = start(Listener::Tcp(tcp), says_info, never);
    for rubbish in [&b"\0\0\0\x05hello"[..], b"\xff\xff\xff\xff", b"\0\0\0\x02\0\xff"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&preamble(1)).await.unwrap();
        stream.read_exact(&mut [0; 16]).await.unwrap();
        stream.write_all(rubbish).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
        running.closed.recv().await.unwrap();
    }
    let client = Client::new(Endpoint::tcp(&[address]).unwrap(), Duration::ZERO);
    assert_eq!(client.info().await.unwrap(), info());
}

#[tokio::test]
async fn a_request_over_the_frame_limit_fails_alone() {
    let (running, endpoint) = worker_in_memory(|call| match call {
        WorkerServiceRequest::Goodbye { .. } => at_once(WorkerServiceResponse::Goodbye(Ok(Vec::new()))),
        other => panic!("unexpected call {other:?}"),
    });
    let link = WorkerLink::new(endpoint, Duration::ZERO);
    let error = link.register(hello("x".repeat(FRAME_BYTES_MAX))).await.unwrap_err();
    assert!(matches!(error, CallError::Unsendable { call: "register", .. }), "{error:?}");
    link.goodbye(WorkerId(1), Incarnation(1)).await.unwrap();
    assert!(running.closed.is_empty(), "the connection lives on");
}

#[tokio::test]
async fn an_answer_over_the_frame_limit_fails_alone() {
    let (running, endpoint) = in_memory(|call| match call {
        ClientServiceRequest::Workers {} => {
            at_once(ClientServiceResponse::Workers(Err(Refusal::Invalid("x".repeat(FRAME_BYTES_MAX)))))
        }
        other => says_info(other),
    });
    let client = Client::new(endpoint, Duration::ZERO);
    let error = client.workers().await.unwrap_err();
    assert!(error.to_string().contains("more than"), "{error}");
    assert_eq!(client.info().await.unwrap(), info());
    assert!(running.closed.is_empty(), "the connection lives on");
}

#[tokio::test]
async fn a_client_comes_back_after_a_restart() {
    let tcp = listen(local()).await.unwrap().into_std().unwrap();
    let again = tcp.try_clone().unwrap();
    let endpoint = Endpoint::tcp(&[tcp.local_addr().unwrap()]).unwrap();
    let client = Client::new(endpoint, Duration::from_secs(60));
    let from_std = |tcp| Listener::Tcp(tokio::net::TcpListener::from_std(tcp).unwrap());

    let first = start(from_std(tcp), says_info, never);
    client.info().await.unwrap();
    first.stop.send(true).unwrap();
    first.task.await.unwrap();

    let _second = start(from_std(again), says_info, never);
    assert_eq!(client.info().await.unwrap(), info());
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_coordinator_ends_when_the_patience_does() {
    let (connector, listener) = memory();
    drop(listener);
    let begun = tokio::time::Instant::now();
    let error = Client::new(Endpoint::Memory(connector), Duration::from_secs(30)).info().await.unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
    let waited = begun.elapsed();
    assert!(waited > Duration::from_secs(27) && waited <= Duration::from_secs(30), "{waited:?}");
}

/// A process that dies takes nothing back: unlike a client that is dropped, it does not cancel its calls first.
#[tokio::test]
async fn a_lost_worker_is_noticed_while_its_poll_waits() {
    let tcp = listen(local()).await.unwrap();
    let address = tcp.local_addr().unwrap();
    let (polled, mut polls) = mpsc::unbounded_channel();
    let mut running = start(Listener::Tcp(tcp), never, move |call| {
        polled.send(()).unwrap();
        never(call)
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&preamble(2)).await.unwrap();
    stream.read_exact(&mut [0; 16]).await.unwrap();
    let message = WorkerServiceRequest::Goodbye { worker: WorkerId(1), incarnation: Incarnation(1) };
    let request = tarpc::Request { context: tarpc::context::current(), id: 1, message };
    let frame = postcard::to_stdvec(&tarpc::ClientMessage::Request(request)).unwrap();
    stream.write_all(&u32::try_from(frame.len()).unwrap().to_be_bytes()).await.unwrap();
    stream.write_all(&frame).await.unwrap();
    polls.recv().await.unwrap();
    drop(stream);
    // The call itself would wait for its deadline, 10 s.
    let noticed = tokio::time::timeout(Duration::from_secs(8), running.closed.recv()).await;
    noticed.expect("it is noticed before the call's deadline").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_connection_drops_its_waiting_calls_before_it_is_reported() {
    struct Dropped(Arc<AtomicU32>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let drops = Arc::new(AtomicU32::new(0));
    let (polled, mut polls) = mpsc::unbounded_channel();
    let seen = drops.clone();
    let (mut running, endpoint) = in_memory(move |_| {
        let guard = Dropped(seen.clone());
        polled.send(()).unwrap();
        async move {
            let _guard = guard;
            futures::future::pending().await
        }
        .boxed()
    });
    let client = Client::new(endpoint, Duration::ZERO);
    let call = tokio::spawn(async move { client.info().await });
    polls.recv().await.unwrap();
    call.abort();
    let noticed = tokio::time::timeout(Duration::from_secs(1), running.closed.recv()).await;
    noticed.expect("it is noticed at once").unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn calls_in_flight_are_answered_when_the_server_ends() {
    let (sender, answer) = oneshot::channel::<()>();
    let answer = answer.shared();
    let (polled, mut polls) = mpsc::unbounded_channel();
    let (running, endpoint) = in_memory(move |_| {
        polled.send(()).unwrap();
        let answer = answer.clone();
        async move {
            answer.await.unwrap();
            Ok(ClientServiceResponse::Info(Ok(info())))
        }
        .boxed()
    });
    let client = Client::new(endpoint, Duration::ZERO);
    let call = tokio::spawn(async move { client.info().await });
    polls.recv().await.unwrap();
    running.stop.send(true).unwrap();
    sender.send(()).unwrap();
    assert_eq!(call.await.unwrap().unwrap(), info());
    running.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_answered_does_not_hold_up_the_end() {
    let (polled, mut polls) = mpsc::unbounded_channel();
    let (running, endpoint) = in_memory(move |call| {
        polled.send(()).unwrap();
        never(call)
    });
    let client = Client::new(endpoint, Duration::ZERO);
    let call = tokio::spawn(async move { client.info().await });
    polls.recv().await.unwrap();
    running.stop.send(true).unwrap();
    running.task.await.unwrap();
    assert!(call.await.unwrap().unwrap_err().is_unreachable());
}

#[tokio::test(start_paused = true)]
async fn a_silent_coordinator_is_given_up_and_dialled_again() {
    let calls = AtomicU32::new(0);
    let (mut running, endpoint) = in_memory(move |call| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => never(call),
        _ => says_info(call),
    });
    let begun = tokio::time::Instant::now();
    let client = Client::new(endpoint, Duration::ZERO);
    let error = client.info().await.unwrap_err();
    assert!(matches!(error, CallError::Silent { call: "info", .. }), "{error:?}");
    assert!(begun.elapsed() >= CALL_TIMEOUT);
    running.closed.recv().await.unwrap();
    assert_eq!(client.info().await.unwrap(), info());
}

#[tokio::test]
async fn more_requests_than_one_connection_may_have_are_put_off() {
    let (polled, mut polls) = mpsc::unbounded_channel();
    let (_running, endpoint) = in_memory(move |call| {
        polled.send(()).unwrap();
        never(call)
    });
    let client = Client::new(endpoint, Duration::ZERO);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..REQUESTS_PER_CONNECTION_MAX {
        let client = client.clone();
        waiting.spawn(async move { client.info().await });
    }
    for _ in 0..REQUESTS_PER_CONNECTION_MAX {
        polls.recv().await.unwrap();
    }
    let error = client.info().await.unwrap_err();
    assert!(matches!(&error, CallError::Refused(Refusal::Unavailable(_))), "{error:?}");
    assert!(error.may_pass());
}

#[tokio::test]
async fn a_listener_beyond_loopback_is_not_served() {
    let open = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let (closed, _) = mpsc::unbounded_channel();
    let fake = crate::support::Fake::new(says_info, never, closed);
    let refused = gristmill_protocol::serve(Listener::Tcp(open), Arc::new(fake), stopped).await;
    assert!(refused.unwrap_err().to_string().contains("loopback"));
}
