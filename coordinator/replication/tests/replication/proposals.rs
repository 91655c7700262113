//! What a proposer learns: the outcome, or why there is none; and what it may conclude from that.

use std::time::Duration;

use gristmill_replication::{ConfirmError, NodeId, ProposeError, Timers};
use tokio::task::JoinHandle;

use crate::world::World;

of_three_five_and_seven! {
    every_replica_applies_what_was_proposed_in_order,
    a_new_leader_goes_on_and_the_old_one_follows,
    a_leader_in_a_minority_neither_answers_nor_executes,
    a_follower_names_the_leader,
    a_restart_replays_a_hundred_and_goes_on_with_the_next,
    proposals_return_when_all_nodes_are_stopped,
    proposals_after_a_restart_are_not_confused_with_those_before,
    a_confirmed_leader_shows_what_was_agreed_on_before,
}

async fn every_replica_applies_what_was_proposed_in_order(nodes: u64) {
    let mut world = World::new(nodes).await;
    for number in 0..10 {
        world.agree(&format!("c{number}"), world.ids().len()).await;
    }
    let expected: Vec<_> = (0..10).map(|number| format!("c{number}")).collect();
    for id in world.ids() {
        assert_eq!(world.node(id).machine().commands(), expected);
    }
}

async fn a_new_leader_goes_on_and_the_old_one_follows(nodes: u64) {
    let mut world = World::new(nodes).await;
    let all = world.ids();
    world.agree("one", all.len()).await;
    let (old, _) = world.leader().await;
    world.network.cut(old);
    world.agree("two", all.len() - 1).await;
    world.network.mend(old);
    world.agree("three", all.len()).await;
    world.converge(&all).await;
}

async fn a_leader_in_a_minority_neither_answers_nor_executes(nodes: u64) {
    let mut world = World::new(nodes).await;
    let all = world.ids().len();
    world.agree("begin", all).await;
    let (old, old_term) = world.leader().await;
    // With it in the minority are followers who would hear it, but are too few.
    let mut minority = vec![old];
    minority.extend(world.others(&[old]).iter().take(world.minority() - 1));
    let majority = world.others(&minority);
    world.network.split(&[&minority, &majority]);
    let pending: Vec<_> = (0..100).map(|n| world.propose(old, &format!("minority-{n}"))).collect();
    assert_eq!(world.node(old).confirm().await, Err(ConfirmError::NoQuorum), "a read in a minority");
    let (new, _) = leader_among(&mut world, &majority).await;
    world.propose(new, "majority").await.unwrap().unwrap();
    assert!(pending.iter().all(|pending| !pending.is_finished()), "an answer from a minority");
    assert!(world.node(old).confirm().await.is_err());
    world.network.heal();
    for pending in pending {
        let fate = tokio::time::timeout(Duration::from_secs(1), pending).await.expect("it returns soon");
        assert!(matches!(fate.unwrap(), Err(ProposeError::Unknown { .. })));
    }
    world.agree("end", all).await;
    assert_eq!(world.record(), ["begin", "majority", "end"]);
    // And what was decided in the old term is taken by nobody.
    let (leader, term) = world.leader().await;
    assert!(term > old_term);
    let stale = world.node(leader).propose(old_term, "stale".into()).await;
    assert!(matches!(stale, Err(ProposeError::NotLeader { .. })));
    assert_eq!(world.applied_by("stale"), 0);
}

/// Who leads on one side of a network that is split.
async fn leader_among(world: &mut World, side: &[NodeId]) -> (NodeId, u64) {
    world.until("a leader", |world| world.leader_now().filter(|(leader, _)| side.contains(leader))).await
}

async fn a_follower_names_the_leader(nodes: u64) {
    let mut world = World::new(nodes).await;
    world.agree("begin", world.ids().len()).await;
    let (leader, term) = world.leader().await;
    let follower = world.node(world.others(&[leader])[0]);
    let expected = Some((leader, format!("node-{leader}")));
    let refused = follower.propose(term, "no".into()).await;
    assert_eq!(refused, Err(ProposeError::NotLeader { leader: expected.clone() }));
    assert_eq!(follower.confirm().await, Err(ConfirmError::NotLeader { leader: expected }));
}

async fn a_restart_replays_a_hundred_and_goes_on_with_the_next(nodes: u64) {
    let mut world = World::new(nodes).await;
    let (leader, _) = world.leader().await;
    for number in 1..=100 {
        assert_eq!(world.propose(leader, &format!("c{number}")).await.unwrap(), Ok(number));
    }
    world.restart_all().await;
    let (leader, _) = world.leader().await;
    assert_eq!(world.propose(leader, "next").await.unwrap(), Ok(101));
    world.converge(&world.ids()).await;
}

async fn proposals_return_when_all_nodes_are_stopped(nodes: u64) {
    let mut world = World::new(nodes).await;
    world.agree("begin", world.ids().len()).await;
    let pending = hundred_in_vain(&mut world).await;
    for id in world.ids() {
        world.crash(id).await;
    }
    all_have_failed(pending).await;
}

async fn proposals_after_a_restart_are_not_confused_with_those_before(nodes: u64) {
    let mut world = World::new(nodes).await;
    let all = world.ids();
    for number in 0..100 {
        let (leader, _) = world.leader().await;
        world.propose(leader, &format!("c{number}")).await.unwrap().unwrap();
    }
    world.restart_all().await;
    let pending = hundred_in_vain(&mut world).await;
    world.restart_all().await;
    all_have_failed(pending).await;
    world.network.heal();
    let (leader, _) = world.leader().await;
    let pending: Vec<_> = (0..50).map(|n| world.propose(leader, &format!("new-{n}"))).collect();
    for (number, pending) in pending.into_iter().enumerate() {
        let place = pending.await.unwrap().unwrap();
        assert_eq!(world.record()[place - 1], format!("new-{number}"), "the outcome of another proposal");
    }
    world.converge(&all).await;
}

/// Proposes to a leader whom nobody hears.
async fn hundred_in_vain(world: &mut World) -> Vec<JoinHandle<Result<usize, ProposeError>>> {
    let (leader, _) = world.leader().await;
    world.cut_all(&world.others(&[leader]));
    let pending = (0..100).map(|n| world.propose(leader, &format!("old-{n}"))).collect();
    world.pass_elections().await;
    pending
}

async fn all_have_failed(pending: Vec<JoinHandle<Result<usize, ProposeError>>>) {
    for pending in pending {
        let fate = tokio::time::timeout(Duration::from_secs(1), pending).await.expect("it returns");
        assert!(matches!(fate.unwrap(), Err(ProposeError::Failed(_))));
    }
}

async fn a_confirmed_leader_shows_what_was_agreed_on_before(nodes: u64) {
    let mut world = World::new(nodes).await;
    for round in 0..10 {
        let command = format!("c{round}");
        world.agree(&command, world.majority()).await;
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
