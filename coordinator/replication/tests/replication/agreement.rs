//! What is agreed on: everything that a majority has, in one order, and nothing else.

use std::time::Duration;

use gristmill_replication::testing::Faults;
use gristmill_replication::{Lane, NodeId, ProposeError, Timers};

use crate::world::{World, rounds};

of_three_five_and_seven! {
    commands_are_applied_in_the_order_of_their_proposals,
    a_command_is_sent_to_each_peer_about_once,
    a_minority_of_followers_may_be_lost_and_no_more,
    a_minority_of_leaders_may_be_lost_and_no_more,
    a_follower_that_was_cut_off_catches_up,
    without_a_majority_nothing_is_agreed_on,
    proposals_at_the_same_time_are_all_agreed_on,
    entries_of_a_leader_that_was_cut_off_are_dropped,
    long_logs_that_conflict_are_made_one_soon,
    messages_are_few,
    a_group_agrees_over_a_network_that_loses,
}

async fn commands_are_applied_in_the_order_of_their_proposals(nodes: u64) {
    let mut world = World::new(nodes).await;
    let (leader, _) = world.leader().await;
    for place in 1..=3 {
        assert_eq!(world.record().len(), place - 1, "something was applied before it was proposed");
        assert_eq!(world.propose(leader, &format!("c{place}")).await.unwrap(), Ok(place));
    }
    world.converge(&world.ids()).await;
    assert_eq!(world.record(), ["c1", "c2", "c3"]);
}

async fn a_command_is_sent_to_each_peer_about_once(nodes: u64) {
    let mut world = World::new(nodes).await;
    let all = world.ids().len();
    world.agree("begin", all).await;
    let before = world.network.total().bytes;
    let mut sent = 0;
    for number in 0..10 {
        let command = format!("{number}-{}", "x".repeat(5_000));
        sent += command.len() as u64;
        world.agree(&command, all).await;
    }
    let bytes = world.network.total().bytes - before;
    assert!(bytes <= nodes * sent + 50_000, "{bytes} bytes for {sent}");
}

async fn a_minority_of_followers_may_be_lost_and_no_more(nodes: u64) {
    let mut world = World::new(nodes).await;
    world.agree("all", world.ids().len()).await;
    for lost in 1..=world.minority() {
        let (leader, _) = world.leader().await;
        world.network.cut(reachable_followers(&world, leader)[0]);
        world.agree(&format!("without {lost}"), world.reachable().len()).await;
    }
    world.pass_elections().await;
    world.agree("still", world.majority()).await;
    let (leader, _) = world.leader().await;
    world.network.cut(reachable_followers(&world, leader)[0]);
    let too_few = world.propose(leader, "too few");
    world.pass(Timers::LAN.election_max * 4).await;
    assert_eq!(world.applied_by("too few"), 0);
    assert!(!too_few.is_finished(), "its fate is open");
    too_few.abort();
}

fn reachable_followers(world: &World, leader: NodeId) -> Vec<NodeId> {
    world.reachable().into_iter().filter(|id| *id != leader).collect()
}

async fn a_minority_of_leaders_may_be_lost_and_no_more(nodes: u64) {
    let mut world = World::new(nodes).await;
    world.agree("all", world.ids().len()).await;
    for lost in 1..=world.minority() {
        let (leader, _) = world.leader().await;
        world.network.cut(leader);
        world.agree(&format!("without {lost}"), world.reachable().len()).await;
    }
    let (leader, _) = world.leader().await;
    world.network.cut(leader);
    let pending: Vec<_> = world.ids().iter().map(|id| world.propose(*id, "none")).collect();
    world.pass(Timers::LAN.election_max * 4).await;
    assert_eq!(world.applied_by("none"), 0);
    pending.iter().for_each(|pending| pending.abort());
}

async fn a_follower_that_was_cut_off_catches_up(nodes: u64) {
    let mut world = World::new(nodes).await;
    let all = world.ids().len();
    world.agree("101", all).await;
    let (leader, _) = world.leader().await;
    let follower = world.others(&[leader])[0];
    world.network.cut(follower);
    for command in ["102", "103"] {
        world.agree(command, all - 1).await;
    }
    world.pass_elections().await;
    for command in ["104", "105"] {
        world.agree(command, all - 1).await;
    }
    world.network.mend(follower);
    world.agree("106", all).await;
    world.converge(&world.ids()).await;
}

async fn without_a_majority_nothing_is_agreed_on(nodes: u64) {
    let mut world = World::new(nodes).await;
    let all = world.ids().len();
    world.agree("10", all).await;
    let (leader, _) = world.leader().await;
    let mut cut = world.others(&[leader]);
    cut.truncate(world.majority());
    world.cut_all(&cut);
    let open = world.propose(leader, "20");
    world.pass(Timers::LAN.election_max * 4).await;
    assert_eq!(world.applied_by("20"), 0);
    world.mend_all(&cut);
    world.agree("30", all).await;
    // The others may have elected another leader, and then "20" is gone; or not, and then it stands before "30".
    match open.await.unwrap() {
        Ok(place) => assert_eq!(place, 2),
        Err(error) => assert!(matches!(error, ProposeError::Unknown { .. }), "{error}"),
    }
    world.agree("1000", all).await;
}

async fn proposals_at_the_same_time_are_all_agreed_on(nodes: u64) {
    let mut world = World::new(nodes).await;
    let (leader, _) = world.leader().await;
    let pending: Vec<_> = (0..50).map(|n| world.propose(leader, &format!("c{n}"))).collect();
    let mut places = Vec::new();
    for pending in pending {
        places.push(pending.await.unwrap().unwrap());
    }
    places.sort_unstable();
    assert_eq!(places, (1..=50).collect::<Vec<_>>());
    world.converge(&world.ids()).await;
}

async fn entries_of_a_leader_that_was_cut_off_are_dropped(nodes: u64) {
    let mut world = World::new(nodes).await;
    let all = world.ids().len();
    world.agree("101", all).await;
    let (first, _) = world.leader().await;
    world.network.cut(first);
    let dropped: Vec<_> = ["102", "103", "104"].map(|command| world.propose(first, command)).into();
    world.agree("new 103", all - 1).await;
    let (second, _) = world.leader().await;
    world.network.cut(second);
    world.network.mend(first);
    world.agree("new 104", all - 1).await;
    world.network.mend(second);
    world.agree("105", all).await;
    for dropped in dropped {
        let fate = dropped.await.unwrap();
        assert!(matches!(fate, Err(ProposeError::Unknown { .. })), "{fate:?}");
    }
    assert_eq!(world.record(), ["101", "new 103", "new 104", "105"]);
}

async fn long_logs_that_conflict_are_made_one_soon(nodes: u64) {
    let mut world = World::new(nodes).await;
    let all = world.ids().len();
    world.agree("begin", all).await;
    let (first, _) = world.leader().await;
    let flood = |world: &World, id, name: &str| -> Vec<_> {
        (0..50).map(|n| world.propose(id, &format!("{name}{n}"))).collect()
    };
    // A leader with so few followers that they are no majority takes fifty that will never be agreed on.
    let mut side = vec![first];
    side.extend(world.others(&[first]).iter().take(world.minority() - 1));
    let rest = world.others(&side);
    world.cut_all(&rest);
    let lost = flood(&world, first, "lost");
    world.pass_elections().await;
    // The others agree on fifty.
    world.cut_all(&side);
    world.mend_all(&rest);
    let (second, _) = world.leader().await;
    for pending in flood(&world, second, "kept") {
        pending.await.unwrap().unwrap();
    }
    // One more is missing: their leader takes fifty more in vain.
    let left_out = *rest.iter().find(|id| **id != second).expect("a majority is more than one");
    world.network.cut(left_out);
    let lost_too = flood(&world, second, "lost too");
    world.pass_elections().await;
    // The first leader and its followers, with the one that was left out.
    world.cut_all(&rest);
    world.mend_all(&side);
    world.network.mend(left_out);
    let (leader, _) = world.leader().await;
    assert_eq!(leader, left_out, "the others lack what was agreed on");
    for pending in flood(&world, leader, "last") {
        pending.await.unwrap().unwrap();
    }
    world.network.heal();
    world.agree("end", all).await;
    let record = world.record();
    assert_eq!(record.iter().filter(|command| command.starts_with("kept")).count(), 50);
    assert_eq!(record.iter().filter(|command| command.starts_with("last")).count(), 50);
    assert!(!record.iter().any(|command| command.starts_with("lost")));
    for pending in lost.into_iter().chain(lost_too) {
        assert!(pending.await.unwrap().is_err());
    }
}

async fn messages_are_few(nodes: u64) {
    let mut world = World::new(nodes).await;
    let (leader, _) = world.leader().await;
    let election = world.network.total().messages;
    assert!(election <= 15 * (nodes - 1), "{election} messages for the first leader");
    let before = world.network.counts(Lane::Bulk).messages;
    for number in 0..10 {
        world.propose(leader, &format!("c{number}")).await.unwrap().unwrap();
    }
    world.converge(&world.ids()).await;
    let entries = world.network.counts(Lane::Bulk).messages - before;
    assert!(entries <= (10 + 1 + 3) * nodes, "{entries} messages for ten entries");
    let before = world.network.total().messages;
    world.pass(Duration::from_secs(1)).await;
    let idle = world.network.total().messages - before;
    assert!(idle <= 20 * nodes, "{idle} messages in a second without work");
}

async fn a_group_agrees_over_a_network_that_loses(nodes: u64) {
    let mut world = World::new(nodes).await;
    world.network.set_faults(Faults { doubled_per_mille: 20, ..Faults::UNRELIABLE });
    let clients: Vec<_> = (0..5)
        .map(|client| {
            let roster = world.roster();
            tokio::spawn(async move {
                for number in 0..rounds(49) {
                    let command = format!("{client}-{number}");
                    while roster.propose(&command, Duration::from_secs(5)).await.is_none() {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            })
        })
        .collect();
    for client in clients {
        world.until("the client is done", |_| client.is_finished().then_some(())).await;
    }
    world.network.set_faults(Faults::default());
    world.agree("end", world.ids().len()).await;
    let record = world.record();
    for client in 0..5 {
        for number in 0..rounds(49) {
            assert!(record.contains(&format!("{client}-{number}")));
        }
    }
}
