//! What survives: everything that was agreed on, whoever dies, and in whatever order they come back.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill_replication::testing::Faults;
use gristmill_replication::{NodeId, Timers};
use tokio::time::sleep;

use crate::world::{World, rounds};

of_three_five_and_seven! {
    agreement_survives_all_the_leader_and_a_follower,
    agreement_survives_crashes_one_after_the_other,
    a_leader_cut_off_with_its_followers_dead_restarts_and_leads_again,
    entries_of_earlier_terms_are_not_agreed_on_by_counting,
    nor_over_a_network_that_loses_and_reorders,
    what_clients_saw_agreed_on_is_there_after_a_churn,
    what_clients_saw_agreed_on_is_there_after_a_churn_over_a_bad_network,
}

async fn agreement_survives_all_the_leader_and_a_follower(nodes: u64) {
    let mut world = World::new(nodes).await;
    let all = world.ids().len();
    world.agree("11", all).await;
    for id in world.ids() {
        world.restart(id).await;
    }
    world.agree("12", all).await;
    let (leader, _) = world.leader().await;
    world.restart(leader).await;
    world.agree("13", all).await;
    let (leader, _) = world.leader().await;
    world.crash(leader).await;
    world.agree("14", all - 1).await;
    world.restart(leader).await;
    world.until("the old leader has it", |world| (world.applied_by("14") == all).then_some(())).await;
    let (leader, _) = world.leader().await;
    let follower = world.others(&[leader])[0];
    world.crash(follower).await;
    world.agree("15", all - 1).await;
    world.restart(follower).await;
    world.agree("16", all).await;
    assert_eq!(world.record(), ["11", "12", "13", "14", "15", "16"]);
}

async fn agreement_survives_crashes_one_after_the_other(nodes: u64) {
    let mut world = World::new(nodes).await;
    let (all, majority, minority) = (world.ids().len(), world.majority(), world.minority());
    for round in 0..rounds(5) {
        world.agree(&format!("{round} a"), all).await;
        let (leader, _) = world.leader().await;
        let followers = world.others(&[leader]);
        let (early, late) = followers.split_at(minority);
        for id in early {
            world.crash(*id).await;
        }
        world.agree(&format!("{round} b"), majority).await;
        world.crash(leader).await;
        for id in late {
            world.crash(*id).await;
        }
        for id in early {
            world.restart(*id).await;
        }
        world.pass_elections().await;
        assert_eq!(world.leader_now(), None, "a minority has elected");
        world.restart(late[0]).await;
        world.agree(&format!("{round} c"), majority).await;
        for id in &late[1..] {
            world.restart(*id).await;
        }
        world.restart(leader).await;
    }
    world.agree("end", all).await;
}

async fn a_leader_cut_off_with_its_followers_dead_restarts_and_leads_again(nodes: u64) {
    let mut world = World::new(nodes).await;
    let (all, majority, minority) = (world.ids().len(), world.majority(), world.minority());
    world.agree("101", all).await;
    let (leader, _) = world.leader().await;
    let others = world.others(&[leader]);
    let (with, without) = others.split_at(minority);
    world.cut_all(without);
    world.agree("102", majority).await;
    world.crash(leader).await;
    for id in with {
        world.crash(*id).await;
    }
    world.mend_all(without);
    world.pass_elections().await;
    assert_eq!(world.leader_now(), None, "a minority has elected");
    world.restart(leader).await;
    world.agree("103", majority).await;
    assert_eq!(world.record(), ["101", "102", "103"]);
    for id in with {
        world.restart(*id).await;
    }
    world.agree("104", all).await;
}

/// Figure 8 of the Raft paper: leaders crash before and after their entries are with a majority, so that entries of old terms lie
/// about in all logs. One that counts copies to commit those loses some that it has applied.
async fn entries_of_earlier_terms_are_not_agreed_on_by_counting(nodes: u64) {
    let mut world = World::new(nodes).await;
    world.agree("begin", 1).await;
    let mut up = world.ids().len();
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
        if up < world.majority() {
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
    world.agree("end", world.ids().len()).await;
}

async fn nor_over_a_network_that_loses_and_reorders(nodes: u64) {
    let mut world = World::new(nodes).await;
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
        if connected.len() < world.majority() {
            let out: Vec<_> = world.ids().into_iter().filter(|id| !connected.contains(id)).collect();
            let back = out[world.network.roll(out.len() as u64) as usize];
            world.network.mend(back);
            connected.insert(back);
        }
    }
    world.network.heal();
    world.network.set_faults(Faults::UNRELIABLE);
    world.agree("end", world.ids().len()).await;
}

async fn what_clients_saw_agreed_on_is_there_after_a_churn(nodes: u64) {
    churn(nodes, Faults::default()).await;
}

async fn what_clients_saw_agreed_on_is_there_after_a_churn_over_a_bad_network(nodes: u64) {
    churn(nodes, Faults::UNRELIABLE).await;
}

async fn churn(nodes: u64, faults: Faults) {
    let mut world = World::new(nodes).await;
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
            let id = 1 + world.network.roll(nodes);
            world.network.cut(id);
        }
        if world.network.roll(1000) < 500 {
            let id = 1 + world.network.roll(nodes);
            if !world.runs(id) {
                world.restart(id).await;
            }
            world.network.mend(id);
        }
        if world.network.roll(1000) < 200 {
            let id = 1 + world.network.roll(nodes);
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
    world.agree("end", world.ids().len()).await;
    let record: BTreeSet<_> = world.record().into_iter().collect();
    let agreed = agreed.lock().unwrap().clone();
    for command in agreed {
        assert!(record.contains(&command), "{command} was agreed on and is lost");
    }
}
