//! The store of a group whose log is replaced by snapshots all the time (`kvraft` 4C in the labs).

use gristmill_linearizable::{Answer, Call};
use gristmill_replication::testing::Faults;
use tokio::time::Instant;

use super::history::{History, judge};
use super::line::{Line, SIZES, logs_are_short};
use super::load::Keys;
use super::world::{ELECTIONS, SYNC_MAX, World};

const fn line(members: u64, clients: u64) -> Line {
    Line { snapshots: true, ..Line::calm(members, clients) }
}

/// A member that is away misses what is no longer in any log: the others do not keep it for its sake, and it is sent the state, which is
/// then as good as theirs.
#[tokio::test(start_paused = true)]
async fn snapshot_rpc() {
    // Of no length that a short log could hold.
    const WRITES: u64 = 400;
    for members in SIZES {
        let (world, history) = (World::with_snapshots(members).await, History::default());
        let put = |number: u64| Call::Put(number.to_string().into_bytes().into());
        let mut clerk = world.clerk(0);
        clerk.operate(&history, "a", put(0)).await;
        let leader = world.leader().await;
        let away = world.others(&[leader])[0];
        let rest = world.others(&[away]);
        world.network.split(&[&[away], &rest]);
        for number in 0..WRITES {
            clerk.operate(&history, &number.to_string(), put(number)).await;
        }
        world.pass(ELECTIONS).await;
        logs_are_short(&world, &rest).await;

        // With it, a majority has one that was there.
        let others: Vec<_> = world.others(&[away]).into_iter().take(members as usize / 2).collect();
        let with_it: Vec<_> = others.iter().copied().chain([away]).collect();
        let without = world.others(&with_it);
        world.network.heal();
        world.network.split(&[&with_it, &without]);
        world.wires.confine(clerk.number, &with_it);
        for number in 0..WRITES {
            let entry = clerk.operate(&history, &number.to_string(), Call::Get).await;
            let is_there = matches!(&entry, Some(Answer::Entry { value, .. }) if value.bytes() == number.to_string().as_bytes());
            assert!(is_there, "{number}: {entry:?}");
        }
        clerk.operate(&history, "b", put(1)).await;
        assert!(world.network.total().pieces > 0, "it has caught up without a snapshot");
        world.network.heal();
        world.wires.free_all();
        clerk.operate(&history, "c", put(2)).await;
        world.converge().await;
        judge(history);
    }
}

/// Eight hundred calls leave a short log, and a snapshot of what is remembered: the value, the session, and the changes for those who watch.
#[tokio::test(start_paused = true)]
async fn snapshot_size() {
    const CHANGE_BYTES: u64 = 24;
    for members in SIZES {
        let (world, history) = (World::with_snapshots(members).await, History::default());
        let mut clerk = world.clerk(0);
        let begun = Instant::now();
        for _ in 0..200 {
            for value in [b"0", b"1"] {
                clerk.operate(&history, "x", Call::Put(value.to_vec().into())).await;
                clerk.operate(&history, "x", Call::Get).await;
            }
        }
        println!("{:?} of the clock", begun.elapsed());
        logs_are_short(&world, &world.ids()).await;
        for id in world.ids() {
            let (log, snapshot) = world.stored(id);
            println!("member {id}: {log} bytes of log, {snapshot} of snapshot");
            assert!(snapshot <= 500 + 400 * CHANGE_BYTES, "{snapshot}");
        }
        assert_eq!(world.network.total().pieces, 0, "all were there all the time");
        judge(history);
    }
}

#[tokio::test(start_paused = true)]
async fn snapshot_speed() {
    const WRITES: u32 = 1000;
    for members in SIZES {
        let (world, history) = (World::with_snapshots(members).await, History::default());
        let mut clerk = world.clerk(0);
        clerk.operate(&history, "k", Call::Get).await;
        let begun = Instant::now();
        for _ in 0..WRITES {
            clerk.operate(&history, "k", Call::Put(b"v".to_vec().into())).await;
        }
        assert!(begun.elapsed() < SYNC_MAX * WRITES, "{:?}", begun.elapsed());
        logs_are_short(&world, &world.ids()).await;
        judge(history);
    }
}

#[tokio::test(start_paused = true)]
async fn snapshot_recover() {
    for members in SIZES {
        Line { restarts: true, ..line(members, 1) }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn snapshot_recover_many_clients() {
    for members in SIZES {
        Line { restarts: true, ..line(members, 20) }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn snapshot_unreliable() {
    for members in SIZES {
        Line { lossy: Some(Faults::UNRELIABLE), ..line(members, 5) }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn snapshot_unreliable_recover() {
    for members in SIZES {
        Line { lossy: Some(Faults::UNRELIABLE), restarts: true, ..line(members, 5) }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn snapshot_recover_concurrent_partition() {
    for members in SIZES {
        Line { restarts: true, partitions: true, ..line(members, 5) }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn snapshot_unreliable_recover_concurrent_partition() {
    for members in SIZES {
        let line = line(members, 5);
        Line { lossy: Some(Faults::UNRELIABLE), restarts: true, partitions: true, ..line }.run().await;
    }
}

#[tokio::test(start_paused = true)]
async fn snapshot_unreliable_recover_concurrent_partition_linearizable() {
    Line {
        lossy: Some(Faults::UNRELIABLE),
        restarts: true,
        partitions: true,
        keys: Keys::Shared(50),
        ..line(7, 15)
    }
    .run()
    .await;
}
