//! Snapshots: the log stays short, and whoever missed what is no longer in it gets the state instead.

use std::path::PathBuf;

use gristmill_replication::testing::Faults;
use gristmill_replication::{Config, Node, StartError, Store};

use crate::ledger::Ledger;
use crate::world::{World, rounds, seed};

of_three_five_and_seven! {
    the_log_stays_short_and_nobody_needs_a_snapshot,
    a_node_that_was_cut_off_gets_a_snapshot,
    a_node_that_was_cut_off_gets_a_snapshot_over_a_bad_network,
    a_node_that_crashed_gets_a_snapshot,
    a_node_that_crashed_gets_a_snapshot_over_a_bad_network,
    all_crash_and_nothing_goes_back,
    a_snapshot_is_still_there_after_two_restarts,
    a_restart_after_a_hundred_begins_from_the_snapshot,
    a_large_snapshot_comes_in_pieces_that_may_be_lost,
}

/// A snapshot every few entries, and nearly nothing kept behind it.
fn often(config: &mut Config) {
    config.snapshot_log_bytes = 200;
    config.kept_entries = 3;
}

/// What the log in memory may hold then.
const LOG_BYTES_MAX: u64 = 2_000;

async fn world(nodes: u64) -> World {
    World::with(nodes, seed(), often).await
}

async fn agree_on(world: &mut World, name: &str, count: u64, nodes: usize) {
    for number in 0..count {
        world.agree(&format!("{name}-{number}"), nodes).await;
    }
}

async fn logs_are_short(world: &mut World, ids: &[u64]) {
    world
        .until("short logs", |world| ids.iter().all(|id| world.stored(*id).0 < LOG_BYTES_MAX).then_some(()))
        .await;
}

async fn the_log_stays_short_and_nobody_needs_a_snapshot(nodes: u64) {
    let mut world = world(nodes).await;
    let all = world.ids();
    for round in 0..rounds(30) {
        agree_on(&mut world, &round.to_string(), 10, all.len()).await;
        logs_are_short(&mut world, &all).await;
    }
    assert_eq!(world.network.total().pieces, 0, "all were there all the time");
}

/// The ways in which a follower may miss what is no longer in the log.
#[derive(Clone, Copy, PartialEq)]
enum Missing {
    CutOff,
    Crashed,
}

async fn catches_up_by_snapshot(nodes: u64, missing: Missing, faults: Faults) {
    let mut world = world(nodes).await;
    world.network.set_faults(faults);
    let all = world.ids().len();
    agree_on(&mut world, "begin", 3, all).await;
    let (mut leader, _) = world.leader().await;
    for round in 0..rounds(10) {
        // By turns a follower and the leader.
        let victim = if round % 3 == 1 { leader } else { world.others(&[leader])[0] };
        match missing {
            Missing::CutOff => world.network.cut(victim),
            Missing::Crashed => world.crash(victim).await,
        }
        agree_on(&mut world, &format!("{round}"), 40, all - 1).await;
        let rest = world.others(&[victim]);
        logs_are_short(&mut world, &rest).await;
        match missing {
            Missing::CutOff => world.network.mend(victim),
            Missing::Crashed => world.restart(victim).await,
        }
        world.agree(&format!("{round} again"), all).await;
        leader = world.leader().await.0;
    }
    assert!(world.network.total().pieces > 0, "no snapshot was sent");
}

async fn a_node_that_was_cut_off_gets_a_snapshot(nodes: u64) {
    catches_up_by_snapshot(nodes, Missing::CutOff, Faults::default()).await;
}

async fn a_node_that_was_cut_off_gets_a_snapshot_over_a_bad_network(nodes: u64) {
    catches_up_by_snapshot(nodes, Missing::CutOff, Faults::UNRELIABLE).await;
}

async fn a_node_that_crashed_gets_a_snapshot(nodes: u64) {
    catches_up_by_snapshot(nodes, Missing::Crashed, Faults::default()).await;
}

async fn a_node_that_crashed_gets_a_snapshot_over_a_bad_network(nodes: u64) {
    catches_up_by_snapshot(nodes, Missing::Crashed, Faults::UNRELIABLE).await;
}

async fn all_crash_and_nothing_goes_back(nodes: u64) {
    let mut world = world(nodes).await;
    let all = world.ids().len();
    world.agree("begin", all).await;
    for round in 0..rounds(5) {
        agree_on(&mut world, &format!("{round}"), 20, all).await;
        let before = world.record().len();
        world.restart_all().await;
        world.agree(&format!("{round} again"), all).await;
        assert_eq!(world.record().len(), before + 1);
    }
}

async fn a_snapshot_is_still_there_after_two_restarts(nodes: u64) {
    let mut world = world(nodes).await;
    let all = world.ids();
    agree_on(&mut world, "begin", 40, all.len()).await;
    logs_are_short(&mut world, &all).await;
    for round in ["one", "two"] {
        for id in &all {
            world.restart(*id).await;
        }
        world.agree(round, all.len()).await;
    }
    assert_eq!(world.record().len(), 42);
}

async fn a_restart_after_a_hundred_begins_from_the_snapshot(nodes: u64) {
    let mut world = world(nodes).await;
    let all = world.ids();
    agree_on(&mut world, "c", 100, all.len()).await;
    logs_are_short(&mut world, &all).await;
    world.restart_all().await;
    for id in &all {
        let (log, snapshot) = world.stored(*id);
        let (begins_with, commands) = (world.node(*id).machine().len(), world.record().len());
        assert!(log < LOG_BYTES_MAX && snapshot > 0, "{log} bytes of log, {snapshot} of the snapshot");
        assert!(begins_with > 0 && commands == 100, "node {id} begins with {begins_with} of {commands}");
    }
    world.agree("next", all.len()).await;
    assert_eq!(world.record().len(), 101);
}

/// Larger than a message, so that it comes in pieces.
async fn a_large_snapshot_comes_in_pieces_that_may_be_lost(nodes: u64) {
    let mut world = World::with(nodes, seed(), |config| {
        config.snapshot_log_bytes = 1 << 20;
        config.kept_entries = 0;
    })
    .await;
    let all = world.ids().len();
    world.agree("begin", all).await;
    let (leader, _) = world.leader().await;
    let late = world.others(&[leader])[0];
    world.network.cut(late);
    for number in 0..12 {
        world.agree(&format!("{number}{}", "x".repeat(400_000)), all - 1).await;
    }
    let (_, snapshot) = world.stored(leader);
    assert!(snapshot > 3 << 20);
    world.network.set_faults(Faults::UNRELIABLE);
    world.network.mend(late);
    world.agree("end", all).await;
    assert!(world.network.total().pieces >= 4);
}

fn first_log_file(world: &World, id: u64) -> PathBuf {
    let Store::Directory(directory) = world.store(id) else { panic!("on the disk") };
    directory.join("log").join("r-00_000_000_000_000_000_000.wal")
}

#[tokio::test]
async fn snapshots_on_the_disk_reach_a_node_that_was_away() {
    let mut world = World::on_disk(3, |config| {
        often(config);
        config.log_file_bytes = 4096;
    })
    .await;
    agree_on(&mut world, "begin", 3, 3).await;
    let (leader, _) = world.leader().await;
    let away = world.others(&[leader])[0];
    world.crash(away).await;
    for batch in 0..10 {
        let pending: Vec<_> = (0..20).map(|n| world.propose(leader, &format!("{batch}-{n}"))).collect();
        for pending in pending {
            pending.await.unwrap().unwrap();
        }
    }
    let rest = world.others(&[away]);
    world
        .until("the first file of the logs is given back", |world| {
            rest.iter().all(|id| !first_log_file(world, *id).exists()).then_some(())
        })
        .await;
    world.restart(away).await;
    world.agree("end", 3).await;
    assert!(world.network.total().pieces > 0);
    for id in world.ids() {
        world.restart(id).await;
    }
    world.agree("after", 3).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_snapshot_is_lost_does_not_start() {
    let mut world = world(1).await;
    agree_on(&mut world, "c", 60, 1).await;
    logs_are_short(&mut world, &[1]).await;
    world.crash(1).await;
    let Store::Memory(store) = world.store(1) else { panic!("in memory") };
    store.lose_snapshot();
    let started = Node::start(world.config(1), world.network.wire(1), Ledger::default()).await;
    assert!(matches!(started.err(), Some(StartError::SnapshotLost { .. })));
}
