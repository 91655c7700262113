//! What a proposer learns: the outcome, or why there is none; and what it may conclude from that.

use std::time::Duration;

use gristmill_replication::{ConfirmError, ProposeError, Timers};

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn every_replica_applies_what_was_proposed_in_order() {
    let mut world = World::new(3).await;
    for number in 0..10 {
        world.agree(&format!("c{number}"), 3).await;
    }
    let expected: Vec<_> = (0..10).map(|number| format!("c{number}")).collect();
    for id in world.ids() {
        assert_eq!(world.node(id).machine().commands(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_goes_on_and_the_old_one_follows() {
    let mut world = World::new(3).await;
    world.agree("one", 3).await;
    let (old, _) = world.leader().await;
    world.network.cut(old);
    world.agree("two", 2).await;
    world.network.mend(old);
    world.agree("three", 3).await;
    world.converge(&[1, 2, 3]).await;
}

#[tokio::test(start_paused = true)]
async fn a_leader_in_a_minority_neither_answers_nor_executes() {
    let mut world = World::new(3).await;
    world.agree("begin", 3).await;
    let (old, old_term) = world.leader().await;
    world.network.cut(old);
    let pending: Vec<_> = (0..100).map(|n| world.propose(old, &format!("minority-{n}"))).collect();
    assert_eq!(world.node(old).confirm().await, Err(ConfirmError::NoQuorum), "a read in a minority");
    world.agree("majority", 2).await;
    assert!(pending.iter().all(|pending| !pending.is_finished()), "an answer from a minority");
    assert!(world.node(old).confirm().await.is_err());
    world.network.mend(old);
    for pending in pending {
        let fate = tokio::time::timeout(Duration::from_secs(1), pending).await.expect("it returns soon");
        assert!(matches!(fate.unwrap(), Err(ProposeError::Unknown { .. })));
    }
    world.agree("end", 3).await;
    assert_eq!(world.record(), ["begin", "majority", "end"]);
    // And what was decided in the old term is taken by nobody.
    let (leader, term) = world.leader().await;
    assert!(term > old_term);
    let stale = world.node(leader).propose(old_term, "stale".into()).await;
    assert!(matches!(stale, Err(ProposeError::NotLeader { .. })));
    assert_eq!(world.applied_by("stale"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_follower_names_the_leader() {
    let mut world = World::new(3).await;
    world.agree("begin", 3).await;
    let (leader, term) = world.leader().await;
    let follower = world.node(world.others(&[leader])[0]);
    let expected = Some((leader, format!("node-{leader}")));
    let refused = follower.propose(term, "no".into()).await;
    assert_eq!(refused, Err(ProposeError::NotLeader { leader: expected.clone() }));
    assert_eq!(follower.confirm().await, Err(ConfirmError::NotLeader { leader: expected }));
}

#[tokio::test(start_paused = true)]
async fn a_restart_replays_a_hundred_and_goes_on_with_the_next() {
    let mut world = World::new(3).await;
    let (leader, _) = world.leader().await;
    for number in 1..=100 {
        assert_eq!(world.propose(leader, &format!("c{number}")).await.unwrap(), Ok(number));
    }
    for id in world.ids() {
        world.crash(id).await;
    }
    for id in world.ids() {
        world.restart(id).await;
    }
    let (leader, _) = world.leader().await;
    assert_eq!(world.propose(leader, "next").await.unwrap(), Ok(101));
    world.converge(&[1, 2, 3]).await;
}

#[tokio::test(start_paused = true)]
async fn proposals_return_when_all_nodes_are_stopped_and_later_ones_are_not_confused_with_them() {
    let mut world = World::new(3).await;
    world.agree("begin", 3).await;
    let (leader, _) = world.leader().await;
    for id in world.others(&[leader]) {
        world.network.cut(id);
    }
    let pending: Vec<_> = (0..100).map(|n| world.propose(leader, &format!("old-{n}"))).collect();
    world.pass_elections().await;
    for id in world.ids() {
        world.crash(id).await;
    }
    for pending in pending {
        let fate = tokio::time::timeout(Duration::from_secs(1), pending).await.expect("it returns");
        assert!(matches!(fate.unwrap(), Err(ProposeError::Failed(_))));
    }
    world.network.heal();
    for id in world.ids() {
        world.restart(id).await;
    }
    let (leader, _) = world.leader().await;
    let pending: Vec<_> = (0..50).map(|n| world.propose(leader, &format!("new-{n}"))).collect();
    for (number, pending) in pending.into_iter().enumerate() {
        let place = pending.await.unwrap().unwrap();
        assert_eq!(world.record()[place - 1], format!("new-{number}"), "the outcome of another proposal");
    }
    world.converge(&[1, 2, 3]).await;
}

#[tokio::test(start_paused = true)]
async fn a_confirmed_leader_shows_what_was_agreed_on_before() {
    let mut world = World::new(5).await;
    for round in 0..10 {
        let command = format!("c{round}");
        world.agree(&command, 3).await;
        let (old, _) = world.leader().await;
        if round % 2 == 1 {
            world.network.cut(old);
            let (leader, _) = world.leader().await;
            world.node(leader).confirm().await.unwrap();
            assert!(world.node(leader).machine().has(&command));
            world.network.mend(old);
            world.pass(Timers::LAN.heartbeat).await;
        } else {
            world.node(old).confirm().await.unwrap();
            assert!(world.node(old).machine().has(&command));
        }
    }
}
