//! What survives: everything that was agreed on, whoever dies, and in whatever order they come back.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill_replication::testing::Faults;
use gristmill_replication::{NodeId, Timers};
use tokio::time::sleep;

use crate::world::{World, rounds};

#[tokio::test(start_paused = true)]
async fn agreement_survives_all_the_leader_and_a_follower() {
    let mut world = World::new(3).await;
    world.agree("11", 3).await;
    for id in world.ids() {
        world.restart(id).await;
    }
    world.agree("12", 3).await;
    let (leader, _) = world.leader().await;
    world.restart(leader).await;
    world.agree("13", 3).await;
    let (leader, _) = world.leader().await;
    world.crash(leader).await;
    world.agree("14", 2).await;
    world.restart(leader).await;
    world.until("the old leader has it", |world| (world.applied_by("14") == 3).then_some(())).await;
    let (leader, _) = world.leader().await;
    let follower = world.others(&[leader])[0];
    world.crash(follower).await;
    world.agree("15", 2).await;
    world.restart(follower).await;
    world.agree("16", 3).await;
    assert_eq!(world.record(), ["11", "12", "13", "14", "15", "16"]);
}

#[tokio::test(start_paused = true)]
async fn agreement_survives_crashes_one_after_the_other() {
    let mut world = World::new(5).await;
    for round in 0..rounds(5) {
        world.agree(&format!("{round} a"), 5).await;
        let (leader, _) = world.leader().await;
        let followers = world.others(&[leader]);
        world.crash(followers[0]).await;
        world.crash(followers[1]).await;
        world.agree(&format!("{round} b"), 3).await;
        world.crash(leader).await;
        world.crash(followers[2]).await;
        world.crash(followers[3]).await;
        world.restart(followers[0]).await;
        world.restart(followers[1]).await;
        world.pass_elections().await;
        assert_eq!(world.leader_now(), None, "two of five do not elect");
        world.restart(followers[2]).await;
        world.agree(&format!("{round} c"), 3).await;
        world.restart(followers[3]).await;
        world.restart(leader).await;
    }
    world.agree("end", 5).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_cut_off_with_its_follower_dead_restarts_and_leads_again() {
    let mut world = World::new(3).await;
    world.agree("101", 3).await;
    let (leader, _) = world.leader().await;
    let [second, third] = world.others(&[leader])[..] else { panic!("three nodes") };
    world.network.cut(third);
    world.agree("102", 2).await;
    world.crash(leader).await;
    world.crash(second).await;
    world.network.mend(third);
    world.restart(leader).await;
    world.agree("103", 2).await;
    world.restart(second).await;
    world.agree("104", 3).await;
}

/// Figure 8 of the Raft paper: leaders crash before and after their entries are with a majority, so that entries of old terms lie
/// about in all logs. One that counts copies to commit those loses some that it has applied.
#[tokio::test(start_paused = true)]
async fn entries_of_earlier_terms_are_not_agreed_on_by_counting() {
    let mut world = World::new(5).await;
    world.agree("begin", 1).await;
    let mut up = 5;
    for round in 0..rounds(1000) {
        let mut leader = None;
        for id in world.ids() {
            if world.runs(id) && world.leader_now().is_some_and(|(leads, _)| leads == id) {
                world.propose(id, &format!("r{round}"));
                leader = Some(id);
            }
        }
        let wait = match world.network.roll(10) {
            0 => world.network.roll(300),
            _ => world.network.roll(13),
        };
        sleep(Duration::from_millis(wait)).await;
        world.check();
        if let Some(leader) = leader {
            world.crash(leader).await;
            up -= 1;
        }
        if up < 3 {
            let down: Vec<_> = world.ids().into_iter().filter(|id| !world.runs(*id)).collect();
            let back = down[world.network.roll(down.len() as u64) as usize];
            world.restart(back).await;
            up += 1;
        }
    }
    for id in world.ids() {
        if !world.runs(id) {
            world.restart(id).await;
        }
    }
    world.agree("end", 5).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_over_a_network_that_loses_and_reorders() {
    let mut world = World::new(5).await;
    let faults = Faults { long_silence: true, ..Faults::UNRELIABLE };
    world.network.set_faults(faults);
    world.agree("begin", 1).await;
    let mut connected: BTreeSet<NodeId> = world.ids().into_iter().collect();
    for round in 0..rounds(1000) {
        if round == 200 {
            world.network.set_faults(Faults { long_reordering: true, ..faults });
        }
        let mut leader = None;
        for id in world.ids() {
            if !world.propose(id, &format!("r{round} {id}")).is_finished() && connected.contains(&id) {
                leader = world.leader_now().map(|(leader, _)| leader).or(leader);
            }
        }
        let wait = match world.network.roll(10) {
            0 => world.network.roll(300),
            _ => world.network.roll(13),
        };
        sleep(Duration::from_millis(wait)).await;
        world.check();
        if let Some(leader) = leader.filter(|_| world.network.roll(1000) < 500)
            && connected.remove(&leader)
        {
            world.network.cut(leader);
        }
        if connected.len() < 3 {
            let out: Vec<_> = world.ids().into_iter().filter(|id| !connected.contains(id)).collect();
            let back = out[world.network.roll(out.len() as u64) as usize];
            world.network.mend(back);
            connected.insert(back);
        }
    }
    world.network.heal();
    world.network.set_faults(Faults::UNRELIABLE);
    world.agree("end", 5).await;
}

#[tokio::test(start_paused = true)]
async fn what_clients_saw_agreed_on_is_there_after_a_churn() {
    churn(Faults::default()).await;
}

#[tokio::test(start_paused = true)]
async fn what_clients_saw_agreed_on_is_there_after_a_churn_over_a_bad_network() {
    churn(Faults::UNRELIABLE).await;
}

async fn churn(faults: Faults) {
    let mut world = World::new(5).await;
    world.network.set_faults(faults);
    let agreed = Arc::new(Mutex::new(Vec::new()));
    let clients: Vec<_> = (0..3)
        .map(|client| {
            let (roster, agreed) = (world.roster(), agreed.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    let command = format!("{client}-{number}");
                    if roster.propose(&command, Duration::from_secs(2)).await.is_some() {
                        agreed.lock().unwrap().push(command);
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            })
        })
        .collect();
    for _ in 0..rounds(20) {
        if world.network.roll(1000) < 200 {
            let id = 1 + world.network.roll(5);
            world.network.cut(id);
        }
        if world.network.roll(1000) < 500 {
            let id = 1 + world.network.roll(5);
            if !world.runs(id) {
                world.restart(id).await;
            }
            world.network.mend(id);
        }
        if world.network.roll(1000) < 200 {
            let id = 1 + world.network.roll(5);
            world.crash(id).await;
        }
        // Long enough for most elections, and not for all.
        world.pass(Timers::LAN.election_max * 7 / 10).await;
    }
    sleep(Timers::LAN.election_max).await;
    world.network.set_faults(Faults::default());
    for id in world.ids() {
        if !world.runs(id) {
            world.restart(id).await;
        }
        world.network.mend(id);
    }
    // In a bad net it may be that nothing was agreed on before.
    world.until("a client to get an answer", |_| (!agreed.lock().unwrap().is_empty()).then_some(())).await;
    clients.iter().for_each(|client| client.abort());
    world.agree("end", 5).await;
    let record: BTreeSet<_> = world.record().into_iter().collect();
    let agreed = agreed.lock().unwrap().clone();
    for command in agreed {
        assert!(record.contains(&command), "{command} was agreed on and is lost");
    }
}
