//! The key/value client: what it sends, what it makes of the answers, pages and watches.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill_model::{Blob, ClientId, KvAnswer, KvChange, KvEntry, KvEvent, KvEvents, KvOp, Refusal};
use gristmill_protocol::limits::{KV_KEY_BYTES_MAX, KV_VALUE_BYTES_MAX};
use gristmill_protocol::{
    Answer, Client, ClientServiceResponse, Endpoint, KvClient, KvServiceRequest as Call,
    KvServiceResponse as Reply, Listener, Mismatch, Written, memory,
};

use crate::support::{Fake, Running, at_once, never, start_as};

fn store(calls: impl Fn(Call) -> Answer<Reply> + Send + Sync + 'static) -> (Running, KvClient) {
    let (connector, listener) = memory();
    let opens = |_| at_once(ClientServiceResponse::OpenSession(Ok(ClientId(1))));
    let running =
        start_as(Listener::Memory(listener), |closed| Fake::new(opens, never, closed).with_kv(calls));
    (running, Client::new(Endpoint::Memory(connector), Duration::ZERO).kv())
}

fn entry(key: &[u8], version: u64) -> KvEntry {
    KvEntry { key: Blob(key.to_vec()), value: Blob(b"v".to_vec()), version, revision: version }
}

#[tokio::test]
async fn each_change_is_sent_as_what_it_is() {
    let ops = Arc::new(Mutex::new(Vec::new()));
    let seen = ops.clone();
    let (_running, kv) = store(move |call| {
        let Call::Write { op, .. } = call else { panic!("unexpected call {call:?}") };
        let answer = match &op {
            KvOp::Delete { version: Some(9), .. } | KvOp::Cas { version: 9, .. } => {
                KvAnswer::Mismatch { version: 4 }
            }
            KvOp::Delete { .. } => KvAnswer::Deleted { revision: 8, existed: true },
            _ => KvAnswer::Written { version: 2, revision: 7 },
        };
        seen.lock().unwrap().push(op);
        at_once(Reply::Write(Ok(answer)))
    });
    let written = Written { version: 2, revision: 7 };
    assert_eq!(kv.put(b"k", b"v").await.unwrap(), written);
    assert_eq!(kv.append(b"k", b"").await.unwrap(), written);
    assert_eq!(kv.cas(b"k", 0, b"v").await.unwrap(), Ok(written));
    assert_eq!(kv.cas(b"k", 9, b"v").await.unwrap(), Err(Mismatch { version: 4 }));
    assert!(kv.delete(b"k").await.unwrap());
    assert_eq!(kv.delete_version(b"k", 1).await.unwrap(), Ok(()));
    assert_eq!(kv.delete_version(b"k", 9).await.unwrap(), Err(Mismatch { version: 4 }));
    let (key, value) = (Blob(b"k".to_vec()), Blob(b"v".to_vec()));
    let expected = [
        KvOp::Put { key: key.clone(), value: value.clone() },
        KvOp::Append { key: key.clone(), value: Blob::default() },
        KvOp::Cas { key: key.clone(), version: 0, value: value.clone() },
        KvOp::Cas { key: key.clone(), version: 9, value },
        KvOp::Delete { key: key.clone(), version: None },
        KvOp::Delete { key: key.clone(), version: Some(1) },
        KvOp::Delete { key, version: Some(9) },
    ];
    assert_eq!(*ops.lock().unwrap(), expected);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_an_error() {
    let (_running, kv) = store(|_| at_once(Reply::Write(Ok(KvAnswer::Mismatch { version: 3 }))));
    assert!(kv.put(b"k", b"v").await.unwrap_err().to_string().contains("does not fit"));
    assert!(kv.delete(b"k").await.unwrap_err().to_string().contains("does not fit"));
}

#[tokio::test]
async fn an_answer_to_another_call_ends_the_connection_and_nothing_else() {
    let (running, kv) = store(|_| at_once(Reply::Get(Ok(None))));
    assert!(kv.list(b"").await.unwrap_err().is_unreachable());
    assert_eq!(kv.get(b"k").await.unwrap(), None);
    drop(running);
}

#[tokio::test]
async fn what_is_too_large_is_not_even_sent() {
    let (_running, kv) = store(|call| panic!("unexpected call {call:?}"));
    let (key, value) = (vec![b'k'; KV_KEY_BYTES_MAX + 1], vec![0; KV_VALUE_BYTES_MAX + 1]);
    let refused = [
        kv.get(&key).await.map(drop),
        kv.put(&key, b"v").await.map(drop),
        kv.put(b"k", &value).await.map(drop),
        kv.append(b"k", &value).await.map(drop),
        kv.cas(b"k", 1, &value).await.map(drop),
        kv.delete(&key).await.map(drop),
        kv.list(&key).await.map(drop),
    ];
    for error in refused.map(Result::unwrap_err) {
        assert!(error.to_string().contains("bytes is l"), "{error}");
    }
}

#[tokio::test]
async fn a_value_of_the_largest_size_goes_through() {
    let largest = vec![7; KV_VALUE_BYTES_MAX];
    let value = largest.clone();
    let (_running, kv) = store(move |call| match call {
        Call::Write { op: KvOp::Put { value: Blob(sent), .. }, .. } => {
            assert!(sent == value);
            at_once(Reply::Write(Ok(KvAnswer::Written { version: 1, revision: 1 })))
        }
        Call::Get { key } => at_once(Reply::Get(Ok(Some(KvEntry {
            key,
            value: Blob(value.clone()),
            version: 1,
            revision: 1,
        })))),
        other => panic!("unexpected call {other:?}"),
    });
    kv.put(b"k", &largest).await.unwrap();
    assert!(kv.get(b"k").await.unwrap().unwrap().value.0 == largest);
}

#[tokio::test]
async fn a_list_is_asked_for_page_by_page() {
    let (_running, kv) = store(|call| {
        let Call::List { prefix, after, .. } = call else { panic!("unexpected call {call:?}") };
        assert_eq!(prefix, Blob(b"k".to_vec()));
        let after = after.map_or(0, |after| after.0[1]);
        let page = (after + 1..=7).take(3).map(|n| entry(&[b'k', n], u64::from(n))).collect();
        at_once(Reply::List(Ok(page)))
    });
    let all = kv.list(b"k").await.unwrap();
    assert_eq!(all.iter().map(|entry| entry.version).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_watch_begins_in_the_present_and_misses_nothing() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let event = |revision| KvEvent { revision, key: Blob(b"k".to_vec()), change: KvChange::Deleted };
    let (_running, kv) = store(move |call| {
        let Call::Watch { from_revision, .. } = call else { panic!("unexpected call {call:?}") };
        seen.lock().unwrap().push(from_revision);
        at_once(Reply::Watch(Ok(match from_revision {
            0 => KvEvents::Events { events: Vec::new(), next: 10 },
            // Only changes of other keys.
            10 => KvEvents::Events { events: Vec::new(), next: 12 },
            12 => KvEvents::Events { events: vec![event(12), event(14)], next: 15 },
            15 => KvEvents::Compacted { oldest: 40 },
            40 => KvEvents::Events { events: vec![event(40)], next: 41 },
            other => panic!("asked from {other}"),
        })))
    });
    let mut watch = kv.watch(b"", None);
    watch.begin().await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [0]);
    let next = watch.next().await.unwrap();
    assert_eq!(next, KvEvents::Events { events: vec![event(12), event(14)], next: 15 });
    assert_eq!(watch.next().await.unwrap(), KvEvents::Compacted { oldest: 40 });
    assert_eq!(watch.next().await.unwrap(), KvEvents::Events { events: vec![event(40)], next: 41 });
    assert_eq!(*asked.lock().unwrap(), [0, 10, 12, 15, 40]);
}

#[tokio::test]
async fn what_the_store_refuses_is_told() {
    let full = Refusal::Invalid("the store is full".to_owned());
    let told = full.clone();
    let (_running, kv) = store(move |_| at_once(Reply::Write(Err(told.clone()))));
    let error = kv.put(b"k", b"v").await.unwrap_err();
    assert_eq!(error.to_string(), full.to_string());
}
