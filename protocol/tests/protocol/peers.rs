//! Messages between peers: whole or in parts, on two lanes, to peers that come and go.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use gristmill_model::{Blob, Refusal, Sha256};
use gristmill_protocol::limits::{CHUNK_BYTES, PEER_PAUSE_MAX};
use gristmill_protocol::{
    Answer, CallError, Lane, Listener, PeerLink, PeerServiceRequest as Call, PeerServiceResponse as Reply,
    listen, sha256,
};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::group::{local, nobody};
use crate::support::{Fake, Running, at_once, never, start_as};

const LIMIT: Duration = Duration::from_secs(5);

fn serve(tcp: TcpListener, peer: impl Fn(Lane, Call) -> Answer<Reply> + Send + Sync + 'static) -> Running {
    start_as(Listener::Tcp(tcp), |closed| Fake::new(never, never, closed).with_peer(peer))
}

async fn peer(answer: impl Fn(Lane, Call) -> Answer<Reply> + Send + Sync + 'static) -> (Running, String) {
    let tcp = listen(local()).await.unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    (serve(tcp, answer), address)
}

/// Replies with the lane, and the message turned round.
fn turns_round(lane: Lane, call: Call) -> Answer<Reply> {
    let Call::Deliver { message: Blob(mut message) } = call else { panic!("unexpected call") };
    message.push(lane as u8);
    message.reverse();
    at_once(Reply::Deliver(Ok(Blob(message))))
}

#[tokio::test]
async fn a_message_is_delivered_on_its_lane_and_its_reply_comes_back() {
    let (_running, address) = peer(turns_round).await;
    let link = PeerLink::new();
    assert_eq!(link.send(&address, Lane::Urgent, b"abc".to_vec(), LIMIT).await.unwrap(), b"\0cba");
    assert_eq!(link.send(&address, Lane::Bulk, b"abc".to_vec(), LIMIT).await.unwrap(), b"\x01cba");
}

#[tokio::test]
async fn a_large_message_arrives_whole_and_beside_others() {
    let (_running, address) = peer(|_, call| {
        let Call::Deliver { message: Blob(message) } = call else { panic!("unexpected call") };
        at_once(Reply::Deliver(Ok(Blob(sha256(&message).0.to_vec()))))
    })
    .await;
    let link = PeerLink::new();
    let sizes = [CHUNK_BYTES, CHUNK_BYTES + 1, 12 * CHUNK_BYTES, 3 * CHUNK_BYTES + 17];
    let sends = sizes.map(|bytes| {
        let (link, address) = (link.clone(), address.clone());
        tokio::spawn(async move {
            let message: Vec<u8> = (0..bytes).map(|n| (n % 251) as u8).collect();
            let hash = sha256(&message).0.to_vec();
            assert_eq!(link.send(&address, Lane::Bulk, message, LIMIT).await.unwrap(), hash);
        })
    });
    for send in sends {
        send.await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_of_a_message_in_parts_is_told() {
    let refusal = Refusal::Invalid("of another group".to_owned());
    let (_running, address) =
        peer(move |_, _| at_once(Reply::Deliver(Err(Refusal::Invalid("of another group".to_owned()))))).await;
    for bytes in [10, 3 * CHUNK_BYTES] {
        let error = PeerLink::new().send(&address, Lane::Bulk, vec![1; bytes], LIMIT).await.unwrap_err();
        assert!(matches!(error, CallError::Refused(told) if told == refusal));
    }
}

#[tokio::test]
async fn an_urgent_message_does_not_wait_behind_a_slow_one() {
    let (_running, address) = peer(|lane, call| match lane {
        Lane::Bulk => never(call),
        Lane::Urgent => turns_round(lane, call),
    })
    .await;
    let link = PeerLink::new();
    let (slow, to) = (link.clone(), address.clone());
    let slow =
        tokio::spawn(async move { slow.send(&to, Lane::Bulk, vec![1], Duration::from_secs(60)).await });
    for _ in 0..10 {
        link.send(&address, Lane::Urgent, vec![1], LIMIT).await.unwrap();
    }
    assert!(!slow.is_finished());
    slow.abort();
}

#[tokio::test(start_paused = true)]
async fn a_dead_peer_is_dialled_at_growing_intervals_and_found_when_it_comes_back() {
    let address = nobody().await;
    let link = PeerLink::new();
    let text = address.to_string();
    let begun = Instant::now();
    let mut sends = 0;
    while begun.elapsed() < Duration::from_secs(5) {
        let error = link.send(&text, Lane::Urgent, vec![1], LIMIT).await.unwrap_err();
        assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
        sends += 1;
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert!(sends > 1000, "only {sends} sends in 5 s: they have waited");
    let _running = serve(listen(address).await.unwrap(), turns_round);
    let back = Instant::now();
    while link.send(&text, Lane::Urgent, vec![1], LIMIT).await.is_err() {
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert!(back.elapsed() <= PEER_PAUSE_MAX + Duration::from_millis(100), "{:?}", back.elapsed());
}

/// A peer that lets everybody in and throws them out at once must not be dialled for each message.
#[tokio::test(start_paused = true)]
async fn a_peer_that_breaks_every_connection_is_not_dialled_without_a_pause() {
    let tcp = listen(local()).await.unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let dialled = Arc::new(AtomicU32::new(0));
    let count = dialled.clone();
    let breaking = tokio::spawn(async move {
        loop {
            drop(tcp.accept().await.unwrap());
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let link = PeerLink::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        assert!(link.send(&address, Lane::Bulk, vec![1], LIMIT).await.is_err());
        tokio::time::advance(Duration::from_millis(2)).await;
    }
    let dialled = dialled.load(Ordering::SeqCst);
    assert!((10..=60).contains(&dialled), "{dialled} times in 10 s");
    breaking.abort();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stays_silent_takes_no_longer_than_the_limit() {
    let silent = listen(local()).await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let link = PeerLink::new();
    let limit = Duration::from_millis(300);
    let begun = Instant::now();
    let error = link.send(&address, Lane::Urgent, vec![1], limit).await.unwrap_err();
    assert!(matches!(error, CallError::Silent { .. }), "{error}");
    assert!(begun.elapsed() < limit * 2, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_gives_no_answer_for_long_is_made_anew() {
    let calls = Arc::new(AtomicU32::new(0));
    let count = calls.clone();
    let (mut running, address) = peer(move |lane, call| match count.fetch_add(1, Ordering::SeqCst) {
        0..3 => never(call),
        _ => turns_round(lane, call),
    })
    .await;
    let link = PeerLink::new();
    let send = || link.send(&address, Lane::Urgent, vec![1], Duration::from_millis(500));
    assert!(send().await.is_err());
    assert!(running.closed.is_empty(), "one slow call is no reason");
    assert!(send().await.is_err());
    let closed = tokio::time::timeout(Duration::from_secs(60), running.closed.recv()).await;
    closed.expect("the old connection is ended").unwrap();
    while send().await.is_err() {
        tokio::time::advance(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_peer_that_was_restarted_is_dialled_again() {
    let tcp = listen(local()).await.unwrap().into_std().unwrap();
    let (again, address) = (tcp.try_clone().unwrap(), tcp.local_addr().unwrap().to_string());
    let link = PeerLink::new();
    let first = serve(TcpListener::from_std(tcp).unwrap(), turns_round);
    link.send(&address, Lane::Bulk, vec![1], LIMIT).await.unwrap();
    first.stop.send(true).unwrap();
    first.task.await.unwrap();
    let _second = serve(TcpListener::from_std(again).unwrap(), turns_round);
    while link.send(&address, Lane::Bulk, vec![1], LIMIT).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_blob_is_brought_to_a_peer_as_far_as_it_has_not_got_it() {
    let bytes: Vec<u8> = (0..3 * CHUNK_BYTES + 5).map(|n| (n % 13) as u8).collect();
    for here in [0, 7, CHUNK_BYTES, bytes.len()] {
        let kept = Arc::new(Mutex::new(bytes[..here].to_vec()));
        let blob = kept.clone();
        let (_running, address) = peer(move |_, call| {
            let mut blob = blob.lock().unwrap();
            let reply = match call {
                Call::BlobBytes { .. } => Reply::BlobBytes(Ok(blob.len() as u64)),
                Call::PutBlob { offset, chunk: Blob(chunk), .. } => {
                    assert_eq!(offset, blob.len() as u64);
                    blob.extend(chunk);
                    Reply::PutBlob(Ok(blob.len() as u64))
                }
                Call::Blob { offset, .. } => Reply::Blob(Ok(Blob(blob[offset as usize..][..3].to_vec()))),
                other => panic!("unexpected call {other:?}"),
            };
            async { Ok(reply) }.boxed()
        })
        .await;
        let link = PeerLink::new();
        assert_eq!(link.upload_blob(&address, &bytes).await.unwrap(), sha256(&bytes));
        assert!(*kept.lock().unwrap() == bytes, "from {here}");
        assert_eq!(link.blob(&address, sha256(&bytes), 13).await.unwrap(), [0, 1, 2]);
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_named() {
    for address in ["", "nowhere", "192.0.2.1:7070"] {
        let error = PeerLink::new().send(address, Lane::Urgent, vec![1], LIMIT).await.unwrap_err();
        let CallError::Unreachable { source, .. } = &error else { panic!("{error:?}") };
        assert!(source.to_string().contains("address"), "{source}");
    }
    let unused = Sha256([0; 32]);
    assert!(PeerLink::new().blob_bytes(&nobody().await.to_string(), unused).await.is_err());
}
