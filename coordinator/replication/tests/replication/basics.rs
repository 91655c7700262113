//! One node, and three on the disk: what everything else rests on.

use gristmill_replication::Role;

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn one_node_leads_itself() {
    let mut world = World::new(1).await;
    let (leader, term) = world.leader().await;
    assert_eq!(world.propose(leader, "a").await.unwrap(), Ok(1));
    assert_eq!(world.node(1).propose(term, "b".into()).await, Ok(2));
    world.node(1).confirm().await.unwrap();
    assert_eq!(world.node(1).machine().commands(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_in_memory_outlives_its_node() {
    let mut world = World::new(1).await;
    world.agree("a", 1).await;
    world.restart(1).await;
    world.agree("b", 1).await;
    assert_eq!(world.node(1).machine().commands(), ["a", "b"]);
}

#[tokio::test]
async fn one_node_comes_back_from_the_disk() {
    let mut world = World::on_disk(1, |_| {}).await;
    world.agree("a", 1).await;
    world.restart(1).await;
    world.agree("b", 1).await;
    assert_eq!(world.node(1).machine().commands(), ["a", "b"]);
    world.stop().await;
}

#[tokio::test]
async fn three_nodes_come_back_from_the_disk() {
    let mut world = World::on_disk(3, |_| {}).await;
    world.agree("a", 3).await;
    world.restart_all().await;
    world.agree("b", 3).await;
    world.converge(&[1, 2, 3]).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_stopped_says_so() {
    let world = World::new(1).await;
    let node = world.node(1);
    let mut role = node.leadership();
    node.shutdown().await;
    let failed = role.wait_for(|role| matches!(role, Role::Failed { .. })).await.unwrap().clone();
    assert_eq!(failed, Role::Failed { reason: "raft stopped".into() });
}
