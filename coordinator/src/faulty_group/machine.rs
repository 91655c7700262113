//! The replicated state machine (`rsm` in the labs): every member comes to the same state, and what could not be certain is not done.

use std::time::Duration;

use gristmill_linearizable::{Answer, Call};
use gristmill_model::{Blob, KvOp};
use gristmill_replication::NodeId;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::clerk::Clerk;
use super::history::{History, judge};
use super::line::SIZES;
use super::world::{ELECTIONS, SNAPSHOT_LOG_BYTES, World};

/// So many clients, numbered from there on, call a leader that is cut off.
const PENDING: u64 = 100;
const FIRST_PENDING: u64 = 1000;

async fn append(clerk: &mut Clerk, history: &History, piece: u64) -> Option<Answer> {
    clerk.operate(history, "counter", Call::Append(format!("{piece};").into_bytes().into())).await
}

/// The pieces that a member has, in their order.
fn counter(world: &World, id: NodeId) -> (Vec<u64>, u64) {
    let entry = world.member(id).node.machine().state.kv().get(&Blob(b"counter".to_vec()));
    let entry = entry.expect("it was counted");
    let text = String::from_utf8(entry.value.0).unwrap();
    (text.split_terminator(';').map(|piece| piece.parse().unwrap()).collect(), entry.version)
}

/// Sends a change each from many clients to one member, once, while it can do nothing about it.
async fn pending(world: &World, to: NodeId, key: &str) -> Vec<JoinHandle<bool>> {
    let mut sent = Vec::new();
    for number in 0..PENDING {
        let mut clerk = world.clerk(FIRST_PENDING + number);
        clerk.begin().await;
        sent.push((
            clerk,
            KvOp::Put { key: Blob(format!("{key}-{number}").into_bytes()), value: Blob(vec![1]) },
        ));
    }
    world.network.cut(to);
    let send = |(mut clerk, op): (Clerk, KvOp)| {
        tokio::spawn(async move { matches!(clerk.write_once(to, op).await, Some(Ok(_))) })
    };
    sent.into_iter().map(send).collect()
}

#[tokio::test(start_paused = true)]
async fn basic() {
    for members in SIZES {
        let (world, history) = (World::new(members).await, History::default());
        let mut clerk = world.clerk(0);
        for piece in 0..10 {
            append(&mut clerk, &history, piece).await;
        }
        world.converge().await;
        for id in world.ids() {
            assert_eq!(counter(&world, id), ((0..10).collect(), 10), "member {id}");
        }
        judge(history);
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent() {
    for members in SIZES {
        let (world, history) = (World::new(members).await, History::default());
        let clients = (0..50).map(|number| {
            let (mut clerk, history) = (world.clerk(number), history.clone());
            tokio::spawn(async move { append(&mut clerk, &history, number).await })
        });
        world.join("all appends", clients.collect()).await;
        world.converge().await;
        for id in world.ids() {
            let (mut pieces, version) = counter(&world, id);
            pieces.sort_unstable();
            assert_eq!((pieces, version), ((0..50).collect(), 50), "member {id}");
        }
        judge(history);
    }
}

#[tokio::test(start_paused = true)]
async fn leader_failure() {
    for members in SIZES {
        let (world, history) = (World::new(members).await, History::default());
        let mut clerk = world.clerk(0);
        append(&mut clerk, &history, 0).await;
        let leader = world.leader().await;
        world.network.cut(leader);
        append(&mut clerk, &history, 1).await;
        assert_ne!(world.leader_now(), Some(leader));
        world.network.mend(leader);
        append(&mut clerk, &history, 2).await;
        world.converge().await;
        assert_eq!(counter(&world, leader), (vec![0, 1, 2], 3));
        judge(history);
    }
}

/// A leader that is cut off answers nobody with success; when it is back all have an answer, and nothing of it was done.
#[tokio::test(start_paused = true)]
async fn leader_partition() {
    for members in SIZES {
        let (world, history) = (World::new(members).await, History::default());
        let mut clerk = world.clerk(0);
        append(&mut clerk, &history, 0).await;
        let leader = world.leader().await;
        let calls = pending(&world, leader, "lost").await;
        world.wires.confine(0, &world.others(&[leader]));
        append(&mut clerk, &history, 1).await;
        world.pass(ELECTIONS * 2).await;
        world.network.mend(leader);
        world.wires.free_all();
        let mended = Instant::now();
        let done = world.join("answers to all", calls).await;
        assert!(mended.elapsed() <= Duration::from_secs(1), "{:?}", mended.elapsed());
        assert!(done.iter().all(|done| !done), "a leader without a majority has answered");
        append(&mut clerk, &history, 2).await;
        world.converge().await;
        for id in world.ids() {
            assert_eq!(counter(&world, id), (vec![0, 1, 2], 3), "member {id}");
            let lost = world.member(id).node.machine().state.kv().list(b"lost", None, 1);
            assert!(lost.is_empty(), "member {id} has done {lost:?}");
        }
        judge(history);
    }
}

#[tokio::test(start_paused = true)]
async fn restart_replay() {
    for members in SIZES {
        let (mut world, history) = (World::new(members).await, History::default());
        let mut clerk = world.clerk(0);
        for piece in 0..100 {
            append(&mut clerk, &history, piece).await;
        }
        world.crash_all().await;
        world.start_all().await;
        let answer = append(&mut clerk, &history, 100).await;
        assert!(matches!(answer, Some(Answer::Written { version: 101, .. })), "{answer:?}");
        world.converge().await;
        for id in world.ids() {
            assert_eq!(counter(&world, id), ((0..101).collect(), 101), "member {id}");
        }
        judge(history);
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown() {
    for members in SIZES {
        let mut world = World::new(members).await;
        let leader = world.leader().await;
        let calls = pending(&world, leader, "late").await;
        world.pass(Duration::from_millis(50)).await;
        assert!(calls.iter().all(|call| !call.is_finished()));
        world.end_all().await;
        let done = world.join("answers to all", calls).await;
        assert!(done.iter().all(|done| !done), "nobody was there to agree");
    }
}

/// Calls of before and after a restart are told apart: each client has the answer to its own.
#[tokio::test(start_paused = true)]
async fn restart_submit() {
    for members in SIZES {
        let (mut world, history) = (World::new(members).await, History::default());
        let mut clerk = world.clerk(0);
        for piece in 0..50 {
            append(&mut clerk, &history, piece).await;
        }
        let leader = world.leader().await;
        let calls = pending(&world, leader, "old").await;
        world.end_all().await;
        let done = world.join("answers to all", calls).await;
        assert!(done.iter().all(|done| !done));
        world.network.mend(leader);
        world.start_all().await;
        let clients = (50..150).map(|number| {
            let (mut clerk, history) = (world.clerk(number), history.clone());
            tokio::spawn(async move { append(&mut clerk, &history, number).await })
        });
        let answers = world.join("all appends", clients.collect()).await;
        assert!(answers.iter().all(Option::is_some));
        world.converge().await;
        for id in world.ids() {
            let (mut pieces, version) = counter(&world, id);
            pieces.sort_unstable();
            assert_eq!((pieces, version), ((0..150).collect(), 150), "member {id}");
        }
        judge(history);
    }
}

#[tokio::test(start_paused = true)]
async fn snapshot() {
    for members in SIZES {
        let (mut world, history) = (World::with_snapshots(members).await, History::default());
        let mut clerk = world.clerk(0);
        for piece in 0..100 {
            append(&mut clerk, &history, piece).await;
        }
        let is_short = |id: &NodeId| {
            let (log, snapshot) = world.stored(*id);
            log <= 2 * SNAPSHOT_LOG_BYTES && snapshot > 0
        };
        world.until("short logs", || world.ids().iter().all(is_short).then_some(())).await;
        world.crash_all().await;
        world.start_all().await;
        append(&mut clerk, &history, 100).await;
        world.converge().await;
        for id in world.ids() {
            assert_eq!(counter(&world, id), ((0..101).collect(), 101), "member {id}");
        }
        judge(history);
    }
}
