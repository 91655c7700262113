//! The store as one server (`kvsrv` in the labs), whichever of a group that is: versions, locks, and what it remembers of its clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gristmill_linearizable::{Answer, Call};
use gristmill_model::Blob;
use gristmill_replication::Machine;
use gristmill_replication::testing::Faults;
use tokio::time::sleep;

use super::history::{History, judge};
use super::line::Line;
use super::load::Keys;
use super::world::World;
use crate::replica::Replicated;

const SIZES: [u64; 2] = [1, 3];

/// The bytes of the state that a member holds.
fn state_bytes(world: &World, id: u64) -> usize {
    let frozen = world.member(id).node.machine().freeze();
    let mut bytes = Vec::new();
    Replicated::write(&frozen, &mut bytes).unwrap();
    bytes.len()
}

#[tokio::test(start_paused = true)]
async fn reliable_put() {
    for members in SIZES {
        let (world, history) = (World::new(members).await, History::default());
        let mut clerk = world.clerk(0);
        let value = |value: &str| value.as_bytes().to_vec().into();
        let version = |answer: Option<Answer>| match answer {
            Some(Answer::Written { version, .. }) => Ok(version),
            Some(Answer::Mismatch { version }) => Err(version),
            other => panic!("{other:?}"),
        };
        assert_eq!(clerk.operate(&history, "k", Call::Get).await, Some(Answer::Absent));
        assert_eq!(version(clerk.operate(&history, "k", Call::Cas(1, value("no"))).await), Err(0));
        assert_eq!(version(clerk.operate(&history, "k", Call::Cas(0, value("one"))).await), Ok(1));
        assert_eq!(version(clerk.operate(&history, "k", Call::Cas(0, value("no"))).await), Err(1));
        assert_eq!(version(clerk.operate(&history, "k", Call::Cas(1, value("two"))).await), Ok(2));
        assert_eq!(version(clerk.operate(&history, "k", Call::Put(value("three"))).await), Ok(3));
        assert_eq!(version(clerk.operate(&history, "k", Call::Append(value("!"))).await), Ok(4));
        let entry = clerk.get(b"k").await.flatten().unwrap();
        assert_eq!((entry.value.0.as_slice(), entry.version), (&b"three!"[..], 4));
        judge(history);
    }
}

#[tokio::test(start_paused = true)]
async fn put_concurrent_reliable() {
    for members in SIZES {
        Line { keys: Keys::Shared(1), ..Line::calm(members, 10) }.run().await;
    }
}

/// One client: whatever is lost and repeated, each of its swaps succeeds, and none twice.
#[tokio::test(start_paused = true)]
async fn unreliable_net() {
    for members in SIZES {
        let (world, history) = (World::new(members).await, History::default());
        world.make_unreliable(Faults::UNRELIABLE);
        let mut clerk = world.clerk(0);
        for version in 0..100 {
            let answer = clerk.operate(&history, "k", Call::Cas(version, b"v".to_vec().into())).await;
            let won = matches!(answer, Some(Answer::Written { version: now, .. }) if now == version + 1);
            assert!(won, "{version}: {answer:?}");
        }
        let counts = world.wires.counts();
        assert!(counts.lost_requests > 0 && counts.lost_replies > 0 && counts.copies > 0, "{counts:?}");
        judge(history);
    }
}

/// What is remembered of each client that ever called is a few words.
#[tokio::test(start_paused = true)]
async fn mem_put_many_clients_reliable() {
    const CLIENTS: u64 = 2_000;
    for members in SIZES {
        let (world, history) = (World::new(members).await, History::default());
        let mut first = world.clerk(0);
        first.operate(&history, "k", Call::Put(b"v".to_vec().into())).await;
        world.converge().await;
        let before = state_bytes(&world, 1);
        let clients = (1..=CLIENTS).map(|number| {
            let (mut clerk, history) = (world.clerk(number), history.clone());
            tokio::spawn(
                async move { clerk.operate(&history, "k", Call::Cas(0, b"w".to_vec().into())).await },
            )
        });
        world.join("all swaps", clients.collect()).await;
        world.converge().await;
        for id in world.ids() {
            let each = (state_bytes(&world, id) - before) as u64 / CLIENTS;
            println!("{each} bytes for each client");
            assert!((1..=200).contains(&each), "{each} bytes for each client");
        }
        judge(history);
    }
}

/// What was answered to a read is not remembered, and what was answered to a write holds no value.
#[tokio::test(start_paused = true)]
async fn mem_get_put_append() {
    const VALUE: usize = 256 << 10;
    const CLIENTS: usize = 10;
    for members in SIZES {
        let (world, history) = (World::new(members).await, History::default());
        for number in 0..CLIENTS {
            let mut clerk = world.clerk(number as u64);
            clerk.operate(&history, "k", Call::Put(vec![b'v'; VALUE].into())).await;
            clerk.operate(&history, "k", Call::Append(vec![b'v'].into())).await;
        }
        world.converge().await;
        let before = state_bytes(&world, 1);
        // Each change is there for those who watch, and the value itself.
        assert!(before <= (2 * CLIENTS + 1) * (VALUE + 64) + 200 * CLIENTS, "{before}");
        for number in 0..CLIENTS {
            world.clerk(number as u64).get(b"k").await;
        }
        world.converge().await;
        assert_eq!(state_bytes(&world, 1), before);
        judge(history);
    }
}

#[tokio::test(start_paused = true)]
async fn lock_one_client_reliable() {
    lock(1, None).await;
}

#[tokio::test(start_paused = true)]
async fn lock_many_clients_reliable() {
    lock(10, None).await;
}

#[tokio::test(start_paused = true)]
async fn lock_one_client_unreliable() {
    lock(1, Some(Faults::UNRELIABLE)).await;
}

#[tokio::test(start_paused = true)]
async fn lock_many_clients_unreliable() {
    lock(10, Some(Faults::UNRELIABLE)).await;
}

/// A lock is a key that only one can make, and only its maker deletes.
async fn lock(clients: u64, lossy: Option<Faults>) {
    const TIMES: usize = 5;
    for members in SIZES {
        let (world, history) = (World::new(members).await, History::default());
        if let Some(faults) = lossy {
            world.make_unreliable(faults);
        }
        let is_held = Arc::new(AtomicBool::new(false));
        let holders = (0..clients).map(|number| {
            let (mut clerk, history, is_held) = (world.clerk(number), history.clone(), is_held.clone());
            tokio::spawn(async move {
                for _ in 0..TIMES {
                    let version = loop {
                        let take = Call::Cas(0, number.to_string().into_bytes().into());
                        match clerk.operate(&history, "lock", take).await {
                            Some(Answer::Written { version, .. }) => break version,
                            _ => sleep(Duration::from_millis(20)).await,
                        }
                    };
                    assert!(!is_held.swap(true, Ordering::SeqCst), "two hold the lock");
                    sleep(Duration::from_millis(20)).await;
                    assert!(is_held.swap(false, Ordering::SeqCst), "somebody else has given the lock back");
                    let given = clerk.operate(&history, "lock", Call::Delete(Some(version))).await;
                    assert!(matches!(given, Some(Answer::Deleted { existed: true, .. })), "{given:?}");
                }
            })
        });
        world.join("the lock for everybody", holders.collect()).await;
        world.converge().await;
        assert_eq!(world.member(1).node.machine().state.kv().get(&Blob(b"lock".to_vec())), None);
        judge(history);
    }
}
