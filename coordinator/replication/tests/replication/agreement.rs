//! What is agreed on: everything that a majority has, in one order, and nothing else.

use std::time::Duration;

use gristmill_replication::testing::Faults;
use gristmill_replication::{Lane, ProposeError, Timers};

use crate::world::{World, rounds};

#[tokio::test(start_paused = true)]
async fn commands_are_applied_in_the_order_of_their_proposals() {
    let mut world = World::new(3).await;
    let (leader, _) = world.leader().await;
    for place in 1..=3 {
        assert_eq!(world.record().len(), place - 1, "something was applied before it was proposed");
        assert_eq!(world.propose(leader, &format!("c{place}")).await.unwrap(), Ok(place));
    }
    world.converge(&[1, 2, 3]).await;
    assert_eq!(world.record(), ["c1", "c2", "c3"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_is_sent_to_each_peer_about_once() {
    let mut world = World::new(3).await;
    world.agree("begin", 3).await;
    let before = world.network.total().bytes;
    let mut sent = 0;
    for number in 0..10 {
        let command = format!("{number}-{}", "x".repeat(5_000));
        sent += command.len() as u64;
        world.agree(&command, 3).await;
    }
    let bytes = world.network.total().bytes - before;
    assert!(bytes <= 3 * sent + 50_000, "{bytes} bytes for {sent}");
}

#[tokio::test(start_paused = true)]
async fn one_follower_of_two_may_be_lost_and_not_both() {
    let mut world = World::new(3).await;
    world.agree("all", 3).await;
    let (leader, _) = world.leader().await;
    let followers = world.others(&[leader]);
    world.network.cut(followers[0]);
    world.agree("two", 2).await;
    world.pass_elections().await;
    world.agree("still two", 2).await;
    let (leader, _) = world.leader().await;
    let last = world.others(&[leader, followers[0]])[0];
    world.network.cut(last);
    let alone = world.propose(leader, "one");
    world.pass(Timers::LAN.election_max * 4).await;
    assert_eq!(world.applied_by("one"), 0);
    assert!(!alone.is_finished(), "its fate is open");
    alone.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lost_leader_is_replaced_once_and_not_twice() {
    let mut world = World::new(3).await;
    world.agree("all", 3).await;
    let (first, _) = world.leader().await;
    world.network.cut(first);
    world.agree("two", 2).await;
    let (second, _) = world.leader().await;
    world.network.cut(second);
    let pending: Vec<_> = world.ids().iter().map(|id| world.propose(*id, "none")).collect();
    world.pass(Timers::LAN.election_max * 4).await;
    assert_eq!(world.applied_by("none"), 0);
    pending.iter().for_each(|pending| pending.abort());
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_was_cut_off_catches_up() {
    let mut world = World::new(3).await;
    world.agree("101", 3).await;
    let (leader, _) = world.leader().await;
    let follower = world.others(&[leader])[0];
    world.network.cut(follower);
    for command in ["102", "103"] {
        world.agree(command, 2).await;
    }
    world.pass_elections().await;
    for command in ["104", "105"] {
        world.agree(command, 2).await;
    }
    world.network.mend(follower);
    world.agree("106", 3).await;
    world.converge(&[1, 2, 3]).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_majority_nothing_is_agreed_on() {
    let mut world = World::new(5).await;
    world.agree("10", 5).await;
    let (leader, _) = world.leader().await;
    let cut: Vec<_> = world.others(&[leader]).into_iter().take(3).collect();
    cut.iter().for_each(|id| world.network.cut(*id));
    let open = world.propose(leader, "20");
    world.pass(Timers::LAN.election_max * 4).await;
    assert_eq!(world.applied_by("20"), 0);
    cut.iter().for_each(|id| world.network.mend(*id));
    world.agree("30", 5).await;
    // The three may have elected another leader, and then "20" is gone; or not, and then it stands before "30".
    match open.await.unwrap() {
        Ok(place) => assert_eq!(place, 2),
        Err(error) => assert!(matches!(error, ProposeError::Unknown { .. }), "{error}"),
    }
    world.agree("1000", 5).await;
}

#[tokio::test(start_paused = true)]
async fn proposals_at_the_same_time_are_all_agreed_on() {
    let mut world = World::new(3).await;
    let (leader, _) = world.leader().await;
    let pending: Vec<_> = (0..50).map(|n| world.propose(leader, &format!("c{n}"))).collect();
    let mut places = Vec::new();
    for pending in pending {
        places.push(pending.await.unwrap().unwrap());
    }
    places.sort_unstable();
    assert_eq!(places, (1..=50).collect::<Vec<_>>());
    world.converge(&[1, 2, 3]).await;
}

#[tokio::test(start_paused = true)]
async fn entries_of_a_leader_that_was_cut_off_are_dropped() {
    let mut world = World::new(3).await;
    world.agree("101", 3).await;
    let (first, _) = world.leader().await;
    world.network.cut(first);
    let dropped: Vec<_> = ["102", "103", "104"].map(|command| world.propose(first, command)).into();
    world.agree("new 103", 2).await;
    let (second, _) = world.leader().await;
    world.network.cut(second);
    world.network.mend(first);
    world.agree("new 104", 2).await;
    world.network.mend(second);
    world.agree("105", 3).await;
    for dropped in dropped {
        let fate = dropped.await.unwrap();
        assert!(matches!(fate, Err(ProposeError::Unknown { .. })), "{fate:?}");
    }
    assert_eq!(world.record(), ["101", "new 103", "new 104", "105"]);
}

#[tokio::test(start_paused = true)]
async fn long_logs_that_conflict_are_made_one_soon() {
    let mut world = World::new(5).await;
    world.agree("begin", 5).await;
    let (first, _) = world.leader().await;
    let partner = world.others(&[first])[0];
    let rest = world.others(&[first, partner]);
    let flood = |world: &World, id, name: &str| -> Vec<_> {
        (0..50).map(|n| world.propose(id, &format!("{name}{n}"))).collect()
    };
    // A leader with one follower takes fifty that will never be agreed on.
    rest.iter().for_each(|id| world.network.cut(*id));
    let lost = flood(&world, first, "lost");
    world.pass_elections().await;
    // The other three agree on fifty.
    [first, partner].iter().for_each(|id| world.network.cut(*id));
    rest.iter().for_each(|id| world.network.mend(*id));
    let (second, _) = world.leader().await;
    for pending in flood(&world, second, "kept") {
        pending.await.unwrap().unwrap();
    }
    // Their leader with one follower takes fifty more in vain.
    let third = world.others(&[first, partner, second])[0];
    world.network.cut(third);
    let lost_too = flood(&world, second, "lost too");
    world.pass_elections().await;
    // The first leader and its follower, with the one that was left out.
    world.ids().iter().for_each(|id| world.network.cut(*id));
    [first, partner, third].iter().for_each(|id| world.network.mend(*id));
    let (leader, _) = world.leader().await;
    for pending in flood(&world, leader, "last") {
        pending.await.unwrap().unwrap();
    }
    world.network.heal();
    world.agree("end", 5).await;
    let record = world.record();
    assert_eq!(record.iter().filter(|command| command.starts_with("kept")).count(), 50);
    assert_eq!(record.iter().filter(|command| command.starts_with("last")).count(), 50);
    assert!(!record.iter().any(|command| command.starts_with("lost")));
    for pending in lost.into_iter().chain(lost_too) {
        assert!(pending.await.unwrap().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_few() {
    let mut world = World::new(3).await;
    let (leader, _) = world.leader().await;
    let election = world.network.total().messages;
    assert!(election <= 30, "{election} messages for the first leader");
    let before = world.network.counts(Lane::Bulk).messages;
    for number in 0..10 {
        world.propose(leader, &format!("c{number}")).await.unwrap().unwrap();
    }
    world.converge(&[1, 2, 3]).await;
    let entries = world.network.counts(Lane::Bulk).messages - before;
    assert!(entries <= (10 + 1 + 3) * 3, "{entries} messages for ten entries");
    let before = world.network.total().messages;
    world.pass(Duration::from_secs(1)).await;
    let idle = world.network.total().messages - before;
    assert!(idle <= 60, "{idle} messages in a second without work");
}

#[tokio::test(start_paused = true)]
async fn five_nodes_agree_over_a_network_that_loses() {
    let mut world = World::new(5).await;
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
    world.agree("end", 5).await;
    let record = world.record();
    for client in 0..5 {
        for number in 0..rounds(49) {
            assert!(record.contains(&format!("{client}-{number}")));
        }
    }
}
