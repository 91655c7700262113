//! Who leads: one at a time, somebody whenever a majority can talk, and nobody otherwise.

use gristmill_replication::{Role, Timers};

use crate::world::{World, rounds};

of_three_five_and_seven! {
    a_new_group_elects_one_leader_and_keeps_it,
    a_lost_leader_is_replaced_and_comes_back_without_disturbance,
    there_is_a_leader_whatever_minority_is_cut_off,
    a_follower_that_hears_nothing_does_not_raise_the_term,
    a_leader_whose_messages_are_lost_is_replaced,
}

async fn a_new_group_elects_one_leader_and_keeps_it(nodes: u64) {
    let mut world = World::new(nodes).await;
    let (leader, term) = world.leader().await;
    assert!(term >= 1);
    let same = |world: &World| world.ids().iter().all(|id| world.node(*id).members().term == term);
    world.until("equal terms", |world| same(world).then_some(())).await;
    world.pass(Timers::LAN.election_max * 4).await;
    assert!(same(&world), "the term changed without a fault");
    assert_eq!(world.leader_now(), Some((leader, term)));
    for id in world.others(&[leader]) {
        let role = world.node(id).leadership().borrow().clone();
        assert_eq!(role, Role::Following { leader: Some((leader, format!("node-{leader}"))) });
    }
}

async fn a_lost_leader_is_replaced_and_comes_back_without_disturbance(nodes: u64) {
    let mut world = World::new(nodes).await;
    let (first, first_term) = world.leader().await;
    world.network.cut(first);
    let (second, second_term) = world.leader().await;
    assert_ne!(first, second);
    assert!(second_term > first_term);
    // The old leader joins as a follower; the new one goes on.
    world.network.mend(first);
    world.pass_elections().await;
    assert_eq!(world.leader_now(), Some((second, second_term)));
    let role = world.node(first).leadership().borrow().clone();
    assert_eq!(role, Role::Following { leader: Some((second, format!("node-{second}"))) });
    // No majority, no leader.
    let mut cut = world.others(&[second]);
    cut.truncate(world.majority() - 1);
    let back = cut[0];
    cut.push(second);
    world.cut_all(&cut);
    world.pass(Timers::LAN.election_max * 4).await;
    assert_eq!(world.leader_now(), None, "a minority has elected");
    world.network.mend(back);
    let (last, last_term) = world.leader().await;
    assert_ne!(last, second);
    world.mend_all(&cut);
    world.pass_elections().await;
    assert_eq!(world.leader_now(), Some((last, last_term)));
}

async fn there_is_a_leader_whatever_minority_is_cut_off(nodes: u64) {
    let mut world = World::new(nodes).await;
    world.leader().await;
    for _ in 0..rounds(9) {
        let mut cut = world.ids();
        while cut.len() > world.minority() {
            let out = world.network.roll(cut.len() as u64) as usize;
            cut.swap_remove(out);
        }
        world.cut_all(&cut);
        let (leader, _) = world.leader().await;
        assert!(!cut.contains(&leader));
        world.node(leader).confirm().await.unwrap();
        world.mend_all(&cut);
        world.leader().await;
    }
}

async fn a_follower_that_hears_nothing_does_not_raise_the_term(nodes: u64) {
    let mut world = World::new(nodes).await;
    let (leader, term) = world.leader().await;
    let deaf = world.others(&[leader])[0];
    // It can send, and nothing reaches it: it wants an election all the time, and is not given one.
    for other in world.others(&[deaf]) {
        world.network.block(other, deaf);
    }
    world.pass(Timers::LAN.election_max * 8).await;
    assert_eq!(world.leader_now(), Some((leader, term)));
    world.network.heal();
    world.pass_elections().await;
    assert_eq!(world.leader_now(), Some((leader, term)), "it came back and disturbed");
}

async fn a_leader_whose_messages_are_lost_is_replaced(nodes: u64) {
    let mut world = World::new(nodes).await;
    let (mute, term) = world.leader().await;
    for other in world.others(&[mute]) {
        world.network.block(mute, other);
    }
    let (next, _) =
        world.until("another leader", |world| world.leader_now().filter(|(_, later)| *later > term)).await;
    assert_ne!(next, mute);
    world.network.heal();
    world.agree("after", nodes as usize).await;
}
