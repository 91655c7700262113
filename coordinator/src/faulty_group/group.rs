//! The store of a group (`kvraft` in the labs), without snapshots.

use std::time::Duration;

use gristmill_linearizable::{Answer, Call};
use gristmill_replication::testing::Faults;
use tokio::time::{Instant, sleep};

use super::history::{History, judge};
use super::line::{Line, SIZES};
use super::load::{Keys, work};
use super::world::{ELECTIONS, SYNC_MAX, World};

const REORDERING: Faults = Faults { long_reordering: true, ..Faults::UNRELIABLE };

#[tokio::test(start_paused = true)]
async fn basic() {
    for members in SIZES {
        Line::calm(members, 1).run().await;
    }
}

/// A thousand writes, one after the other: none waits longer than for a sync, and each is sent to each member about once.
#[tokio::test(start_paused = true)]
async fn speed() {
    const WRITES: u64 = 1_000;
    for members in SIZES {
        let world = World::new(members).await;
        world.leader().await;
        let (history, mut clerk) = (History::default(), world.clerk(0));
        clerk.operate(&history, "k", Call::Get).await;
        let (begun, before) = (Instant::now(), world.network.total().messages);
        for number in 1..=WRITES {
            let answer = clerk.operate(&history, "k", Call::Put(b"v".to_vec().into())).await;
            assert!(
                matches!(answer, Some(Answer::Written { version, .. }) if version == number),
                "{answer:?}"
            );
        }
        let took = begun.elapsed();
        let messages = world.network.total().messages - before;
        println!("{took:?} of the clock, {messages} messages");
        assert!(took < SYNC_MAX * WRITES as u32, "{took:?}");
        // Each with its entry, and again when that is certain.
        assert!(messages <= WRITES * (members - 1) * 2 * 11 / 10, "{messages}");
        judge(history);
    }
}

/// Each client swaps the version that it read for its own: as many have won as the key has versions.
#[tokio::test(start_paused = true)]
async fn concurrent() {
    for members in SIZES {
        swaps_that_were_won_are_versions(members, None).await;
        swaps_that_were_won_are_versions(members, Some(Faults::UNRELIABLE)).await;
    }
}

async fn swaps_that_were_won_are_versions(members: u64, lossy: Option<Faults>) {
    let world = World::new(members).await;
    if let Some(faults) = lossy {
        world.make_unreliable(faults);
    }
    let history = History::default();
    let clients = (0..5).map(|number| {
        let (mut clerk, history) = (world.clerk(number), history.clone());
        tokio::spawn(async move {
            let mut won = 0;
            for _ in 0..40 {
                let version = match clerk.operate(&history, "k", Call::Get).await {
                    Some(Answer::Entry { version, .. }) => version,
                    _ => 0,
                };
                let swap = Call::Cas(version, number.to_string().into_bytes().into());
                let swapped = clerk.operate(&history, "k", swap).await;
                won += u64::from(matches!(swapped, Some(Answer::Written { .. })));
            }
            won
        })
    });
    let won: u64 = world.join("all swaps", clients.collect()).await.iter().sum();
    let entry = world.clerk(5).get(b"k").await.flatten().expect("somebody has won");
    assert_eq!(entry.version, won);
    judge(history);
}

#[tokio::test(start_paused = true)]
async fn unreliable() {
    for members in SIZES {
        Line { lossy: Some(Faults::UNRELIABLE), ..Line::calm(members, 5) }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn unreliable_with_long_reordering() {
    for members in SIZES {
        Line { lossy: Some(REORDERING), keys: Keys::Shared(3), ..Line::calm(members, 5) }.run().await;
    }
}

/// Five clients append to one key: each piece is there exactly once, and those of a client in its order.
#[tokio::test(start_paused = true)]
async fn unreliable_one_key() {
    const APPENDS: u64 = 30;
    for members in SIZES {
        let world = World::new(members).await;
        world.make_unreliable(Faults::UNRELIABLE);
        let history = History::default();
        let clients = (0..5).map(|number| {
            let (mut clerk, history) = (world.clerk(number), history.clone());
            tokio::spawn(async move {
                for count in 0..APPENDS {
                    let piece = format!("{number}.{count};").into_bytes();
                    clerk.operate(&history, "k", Call::Append(piece.into())).await;
                }
            })
        });
        world.join("all appends", clients.collect()).await;
        // The last copies are on their way still, and must do nothing when they come.
        world.pass(Duration::from_secs(4)).await;
        assert!(world.wires.counts().copies > 0);
        let entry = world.clerk(5).get(b"k").await.flatten().expect("it was written");
        let text = String::from_utf8(entry.value.0).unwrap();
        let pieces: Vec<&str> = text.split_terminator(';').collect();
        for client in 0..5 {
            let own: Vec<_> =
                pieces.iter().filter(|piece| piece.starts_with(&format!("{client}."))).collect();
            let expected: Vec<_> = (0..APPENDS).map(|count| format!("{client}.{count}")).collect();
            assert!(own.iter().eq(&expected.iter().collect::<Vec<_>>()), "client {client}: {own:?}");
        }
        assert_eq!(entry.version, 5 * APPENDS);
        judge(history);
    }
}

/// The leader is cut off with a minority: the others get on, and nothing is answered or done by the minority until it is one no more.
#[tokio::test(start_paused = true)]
async fn one_partition() {
    for members in SIZES {
        let world = World::new(members).await;
        let history = History::default();
        let put = |value: &str| Call::Put(value.as_bytes().to_vec().into());
        let mut major = world.clerk(0);
        major.operate(&history, "k", put("before")).await;
        let leader = world.leader().await;
        let minority: Vec<_> =
            [leader].into_iter().chain(world.others(&[leader])).take(members as usize / 2).collect();
        let majority = world.others(&minority);
        world.network.split(&[&minority, &majority]);
        world.wires.confine(major.number, &majority);

        let minor = [("k", Call::Get), ("late", put("value")), ("k", put("after"))];
        let minor: Vec<_> = (1..)
            .zip(minor)
            .map(|(number, (key, call))| {
                world.wires.confine(number, &minority);
                let (mut clerk, history) = (world.clerk(number), history.clone());
                tokio::spawn(async move { clerk.operate(&history, key, call).await })
            })
            .collect();
        for round in 0..5 {
            major.operate(&history, "k", put(&format!("meanwhile {round}"))).await.expect("it is patient");
            sleep(ELECTIONS).await;
            let answer = major.operate(&history, "k", Call::Get).await;
            assert!(
                matches!(answer, Some(Answer::Entry { version, .. }) if version == round + 2),
                "{answer:?}"
            );
            assert!(minor.iter().all(|call| !call.is_finished()), "a minority has answered");
        }
        assert!(world.leaderships() > 1);

        world.network.heal();
        world.wires.free_all();
        let healed = Instant::now();
        let answers = world.join("what was asked of the minority", minor).await;
        assert!(healed.elapsed() <= Duration::from_secs(3), "{:?}", healed.elapsed());
        assert!(answers.iter().all(Option::is_some));
        let late = major.operate(&history, "late", Call::Get).await;
        assert!(matches!(late, Some(Answer::Entry { version: 1, .. })), "{late:?}");
        let entry = major.get(b"k").await.flatten().unwrap();
        assert_eq!((entry.value.0.as_slice(), entry.version), (&b"after"[..], 7));
        judge(history);
    }
}

#[tokio::test(start_paused = true)]
async fn many_partitions_one_client() {
    for members in SIZES {
        Line { partitions: true, ..Line::calm(members, 1) }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn many_partitions_many_clients() {
    for members in SIZES {
        Line { partitions: true, keys: Keys::Shared(3), ..Line::calm(members, 5) }.run().await;
    }
}

/// Nobody reaches anybody for so long that the leader gives its clients up; then it leads on, in the same term, and what it had written
/// before is certain after all.
#[tokio::test(start_paused = true)]
async fn nobody_reaches_anybody() {
    for members in SIZES {
        let world = World::new(members).await;
        let history = History::default();
        let clients = (0..5).map(|number| {
            let clerk = world.clerk(number);
            tokio::spawn(work(clerk, Keys::Shared(2), history.clone()))
        });
        let clients = clients.collect();
        for _ in 0..5 {
            world.pass(Duration::from_secs(1)).await;
            let alone: Vec<_> = world.ids().into_iter().map(|id| [id]).collect();
            world.network.split(&alone.iter().map(<[_; 1]>::as_slice).collect::<Vec<_>>());
            let time = Duration::from_millis(2500 + world.network.roll(2000));
            world.pass(time).await;
            world.network.heal();
            let before = history.answered();
            world.until("an answer", || (history.answered() > before).then_some(())).await;
        }
        history.end();
        world.join("an answer for everybody", clients).await;
        println!("{} leaderships", world.leaderships());
        world.converge().await;
        judge(history);
    }
}

#[tokio::test(start_paused = true)]
async fn persist_one_client() {
    for members in SIZES {
        Line { restarts: true, ..Line::calm(members, 1) }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn persist_concurrent() {
    for members in SIZES {
        Line { restarts: true, ..Line::calm(members, 5) }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn persist_concurrent_unreliable() {
    for members in SIZES {
        let line = Line::calm(members, 5);
        Line { lossy: Some(Faults::UNRELIABLE), restarts: true, ..line }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn persist_partition() {
    for members in SIZES {
        Line { restarts: true, partitions: true, ..Line::calm(members, 5) }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn persist_partition_unreliable() {
    for members in SIZES {
        let line = Line::calm(members, 5);
        Line { lossy: Some(Faults::UNRELIABLE), restarts: true, partitions: true, ..line }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn persist_partition_unreliable_linearizable() {
    Line {
        lossy: Some(Faults::UNRELIABLE),
        restarts: true,
        partitions: true,
        keys: Keys::Shared(50),
        ..Line::calm(7, 15)
    }
    .run()
    .await;
}
