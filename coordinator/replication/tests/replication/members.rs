//! Changing who is in the group while it works.

use std::time::Duration;

use gristmill_replication::repair::{Acknowledged, CutError};
use gristmill_replication::{Config, MembersError, Node, NodeId, Role, StartError, Store, repair};

use tokio::time::{Instant, sleep};

use crate::ledger::Ledger;
use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(30);

/// A node that is not among the founders.
async fn newcomer(world: &World, id: NodeId) -> Node<Ledger> {
    let config = Config::new(id, world.founders(), Store::memory());
    let node = Node::start(config, world.network.wire(id), Ledger::default()).await.unwrap();
    world.network.attach(&node);
    node
}

fn voters(node: &Node<Ledger>) -> Vec<NodeId> {
    node.members().members.iter().filter(|member| member.voter).map(|member| member.id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_new_member_learns_everything_and_then_votes() {
    let mut world = World::new(3).await;
    for number in 0..200 {
        let (leader, _) = world.leader().await;
        world.propose(leader, &format!("c{number}")).await.unwrap().unwrap();
    }
    let new = newcomer(&world, 4).await;
    let (leader, _) = world.leader().await;
    world.node(leader).add_member(4, "node-4", PATIENCE).await.unwrap();
    assert_eq!(voters(&world.node(leader)), [1, 2, 3, 4]);
    world.agree("end", 3).await;
    world.until("it has all", |world| (new.machine().len() == world.record().len()).then_some(())).await;
    // Three of four are needed now: with one founder and the leader gone, the new member counts.
    world.network.cut(world.others(&[leader])[0]);
    world.agree("with the new one", 2).await;
}

fn silent(node: &Node<Ledger>, id: NodeId) -> Option<Duration> {
    node.members().members.iter().find(|member| member.id == id)?.silent
}

#[tokio::test(start_paused = true)]
async fn the_leader_tells_since_when_a_member_is_silent() {
    const LONG: Duration = Duration::from_secs(20);
    let mut world = World::new(3).await;
    world.agree("before", 3).await;
    let (leader, _) = world.leader().await;
    let [lost, other] = world.others(&[leader])[..] else { panic!("a group of three") };
    world.network.cut(lost);
    sleep(LONG).await;
    let node = world.node(leader);
    assert!(
        silent(&node, lost) >= Some(LONG) && silent(&node, lost) < Some(LONG * 2),
        "{:?}",
        node.members()
    );
    assert!(silent(&node, other) < Some(LONG / 2), "{:?}", node.members());
    assert_eq!(silent(&node, leader), Some(Duration::ZERO));
    assert_eq!(silent(&world.node(other), lost), None, "only the leader knows");
    // The next leader has never heard of it, and counts from when it began to lead.
    node.lead_with(other, PATIENCE).await.unwrap();
    let node = world.node(other);
    world.until("it to know", |_| silent(&node, lost)).await;
    assert!(silent(&node, lost) < Some(LONG), "{:?}", node.members());
    sleep(LONG).await;
    assert!(silent(&node, lost) >= Some(LONG), "{:?}", node.members());
    // One that leads once more begins anew as well.
    node.lead_with(leader, PATIENCE).await.unwrap();
    let node = world.node(leader);
    world.until("it to know again", |_| silent(&node, lost)).await;
    assert!(silent(&node, lost) < Some(LONG), "{:?}", node.members());
    world.network.mend(lost);
    world.until("it to be heard of", |_| (silent(&node, lost) < Some(LONG / 2)).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_never_comes_stays_a_learner() {
    let mut world = World::new(3).await;
    let (leader, _) = world.leader().await;
    let late = world.node(leader).add_member(9, "nowhere", Duration::from_secs(5)).await;
    let why = "has not caught up after 5 s: it cannot be reached: node 9 is cut off; it is a learner now";
    assert!(matches!(&late, Err(MembersError::Late(late)) if late.contains(why)), "{late:?}");
    let begun = Instant::now();
    let late = world.node(leader).add_member(9, "nowhere", PATIENCE).await;
    assert!(matches!(&late, Err(MembersError::Late(late)) if late.contains("after 10 s")), "{late:?}");
    assert!(begun.elapsed() < PATIENCE, "it is waited for as if it were only slow");
    assert_eq!(voters(&world.node(leader)), [1, 2, 3]);
    world.agree("still three", 3).await;
    world.node(leader).remove_member(9, PATIENCE).await.unwrap();
    assert_eq!(world.node(leader).members().members.len(), 3);
}

/// It only replies, so nobody else would say what is wrong with it.
#[tokio::test(start_paused = true)]
async fn a_new_member_under_an_id_that_is_known_by_another_store_is_told_so() {
    let mut world = World::new(3).await;
    let (leader, _) = world.leader().await;
    let former = newcomer(&world, 4).await;
    world.node(leader).add_member(4, "node-4", PATIENCE).await.unwrap();
    world.node(leader).remove_member(4, PATIENCE).await.unwrap();
    former.shutdown().await;
    world.network.detach(4);
    let _new = newcomer(&world, 4).await;
    let (leader, _) = world.leader().await;
    let refused = world.node(leader).add_member(4, "node-4", PATIENCE).await;
    let why = "member 4 has not caught up after 10 s: refused member 4 with another store";
    assert!(matches!(&refused, Err(MembersError::Late(late)) if late.contains(why)), "{refused:?}");
    assert_eq!(voters(&world.node(leader)), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_removed_is_followed_by_another() {
    let mut world = World::new(3).await;
    world.agree("begin", 3).await;
    let (first, _) = world.leader().await;
    world.node(first).remove_member(first, PATIENCE).await.unwrap();
    let (second, _) = world
        .until("another leader", |world| world.leader_now().filter(|(leader, _)| *leader != first))
        .await;
    assert_eq!(voters(&world.node(second)), world.others(&[first]));
    world.agree("end", 2).await;
    assert_eq!(
        world.node(second).remove_member(first, PATIENCE).await,
        Err(MembersError::Refused(format!("there is no member {first} in the group")))
    );
}

/// By a follower that hears of it from the others, by one that was away when it happened, and by the leader itself.
#[tokio::test(start_paused = true)]
async fn a_member_that_was_removed_knows_it_and_knows_the_others() {
    let mut world = World::new(5).await;
    world.agree("begin", 5).await;
    let (first, _) = world.leader().await;
    let [here, away, ..] = world.others(&[first])[..] else { panic!("four others") };
    world.crash(away).await;
    for removed in [here, away, first] {
        let (leader, _) = world.leader().await;
        world.node(leader).remove_member(removed, PATIENCE).await.unwrap();
    }
    world.restart(away).await;
    let left: Vec<_> = world.others(&[here, away, first]);
    for removed in [here, away, first] {
        let mut role = world.node(removed).leadership();
        let known = role.wait_for(|role| matches!(role, Role::NoMember { .. })).await.unwrap().clone();
        let Role::NoMember { members } = known else { panic!("{known:?}") };
        assert!(left.iter().all(|id| members.get(id) == Some(&format!("node-{id}"))), "{members:?}");
        assert!(!members.contains_key(&removed), "{members:?}");
    }
    world.agree("without them", 2).await;
    // Whoever comes back is told by what it learns.
    let (leader, _) = world.leader().await;
    world.node(leader).add_member(here, &format!("node-{here}"), PATIENCE).await.unwrap();
    let mut role = world.node(here).leadership();
    role.wait_for(|role| matches!(role, Role::Following { leader: Some(_) })).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_member_is_replaced_in_one_step_under_load() {
    let mut world = World::new(3).await;
    world.agree("begin", 3).await;
    let (leader, _) = world.leader().await;
    let gone = world.others(&[leader])[0];
    world.crash(gone).await;
    let roster = world.roster();
    let load = tokio::spawn(async move {
        for number in 0..100 {
            let command = format!("load-{number}");
            while roster.propose(&command, Duration::from_secs(5)).await.is_none() {
                sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let new = newcomer(&world, 4).await;
    world.node(leader).replace_member(gone, 4, "node-4", PATIENCE).await.unwrap();
    let mut expected = world.others(&[gone]);
    expected.push(4);
    assert_eq!(voters(&world.node(leader)), expected);
    load.await.unwrap();
    world.agree("end", 2).await;
    world
        .until("the new one has all", |world| (new.machine().len() == world.record().len()).then_some(()))
        .await;
}

/// Else the group would be smaller afterwards, or none.
#[tokio::test(start_paused = true)]
async fn one_who_votes_takes_nobodys_place_and_the_last_one_stays() {
    let mut world = World::new(3).await;
    let (leader, _) = world.leader().await;
    let node = world.node(leader);
    let [second, third] = world.others(&[leader])[..] else { panic!("three nodes") };
    for by in [second, third, leader] {
        let refused = node.replace_member(second, by, &format!("node-{by}"), PATIENCE).await;
        assert!(
            matches!(&refused, Err(MembersError::Refused(why)) if why.contains("votes already")),
            "{refused:?}"
        );
    }
    assert_eq!(voters(&node), [1, 2, 3]);
    for gone in [second, third] {
        node.remove_member(gone, PATIENCE).await.unwrap();
    }
    let refused = node.remove_member(leader, PATIENCE).await;
    assert!(matches!(&refused, Err(MembersError::Refused(why)) if why.contains("the last")), "{refused:?}");
    assert_eq!(voters(&node), [leader]);
}

#[tokio::test(start_paused = true)]
async fn leadership_is_handed_over() {
    let mut world = World::new(3).await;
    world.agree("begin", 3).await;
    for _ in 0..5 {
        let (leader, _) = world.leader().await;
        let next = world.others(&[leader])[0];
        world.node(leader).lead_with(next, PATIENCE).await.unwrap();
        assert_eq!(world.leader().await.0, next);
        world.agree(&format!("under {next}"), 3).await;
    }
    let (leader, _) = world.leader().await;
    let refused = world.node(leader).lead_with(77, PATIENCE).await;
    assert!(matches!(refused, Err(MembersError::Refused(_))));
    let follower = world.others(&[leader])[0];
    let refused = world.node(follower).lead_with(leader, PATIENCE).await;
    assert!(matches!(refused, Err(MembersError::NotLeader { .. })));
}

#[tokio::test(start_paused = true)]
async fn ids_and_addresses_are_not_given_twice() {
    let mut world = World::new(3).await;
    let (leader, _) = world.leader().await;
    let node = world.node(leader);
    let same_address = node.add_member(4, "node-1", PATIENCE).await;
    assert!(matches!(same_address, Err(MembersError::Refused(_))), "{same_address:?}");
    let same_id = node.add_member(1, "elsewhere", PATIENCE).await;
    assert!(matches!(same_id, Err(MembersError::Refused(_))), "{same_id:?}");
    let no_id = node.add_member(0, "elsewhere", PATIENCE).await;
    assert!(matches!(no_id, Err(MembersError::Refused(_))), "{no_id:?}");
    assert_eq!(node.members().members.len(), 3);
    let mut founders = world.founders();
    founders.insert(2, "node-1".into());
    let config = Config::new(1, founders, Store::memory());
    let started = Node::start(config, world.network.wire(1), Ledger::default()).await;
    assert!(matches!(started.err(), Some(StartError::Members(_))));
}

/// Nothing is promised to a node that comes back without its store, but it must not take the others with it.
#[tokio::test(start_paused = true)]
async fn a_follower_that_has_lost_its_store_does_not_harm_the_others() {
    let mut world = World::new(3).await;
    for number in 0..20 {
        world.agree(&format!("c{number}"), 3).await;
    }
    let (leader, _) = world.leader().await;
    let [other, lost] = world.others(&[leader])[..] else { panic!("three nodes") };
    world.lose_store(lost);
    world.restart(lost).await;
    world.pass_elections().await;
    for id in [leader, other] {
        let role = world.node(id).leadership().borrow().clone();
        assert!(!matches!(role, Role::Failed { .. }), "node {id}: {role:?}");
    }
    world.agree("after", 2).await;
}

/// It has forgotten its votes: with it, one of the others would be a majority that knows nothing of what was agreed.
#[tokio::test]
async fn a_node_that_has_lost_its_store_is_refused_also_after_all_others_were_down() {
    let mut world = World::on_disk(3, |_| {}).await;
    world.agree("before", 3).await;
    for id in world.ids() {
        world.crash(id).await;
    }
    world.lose_store(3);
    world.restart(3).await;
    world.restart(1).await;
    world.pass_elections().await;
    assert_eq!(world.leader_now(), None, "one that remembers and one that does not are no majority");
    world.restart(2).await;
    world.agree("after", 2).await;
    world.stop().await;
}

/// Without it, a member that has lost its store would be believed.
#[tokio::test]
async fn a_list_of_peers_that_was_removed_is_missed() {
    let mut world = World::on_disk(3, |_| {}).await;
    world.agree("before", 3).await;
    world.crash(1).await;
    let Store::Directory(directory) = world.store(1) else { panic!("it is on disk") };
    std::fs::remove_file(directory.join("peers")).unwrap();
    let started = Node::start(world.config(1), world.network.wire(1), Ledger::default()).await;
    let refused = started.map(|_| "it starts").unwrap_err();
    assert!(refused.to_string().contains("which stores the other members have"), "{refused}");
    let report = repair::inspect(&directory).unwrap();
    let [damage] = &report.damage[..] else { panic!("{report:?}") };
    assert!(damage.path.ends_with("peers") && !damage.heals, "{damage:?}");
    assert_eq!(repair::cut(&directory, Acknowledged::Keep).unwrap().kept_in, []);
    assert_eq!(repair::inspect(&directory).unwrap().damage, []);
    world.restart(1).await;
    world.agree("after", 3).await;
    world.stop().await;
}

/// What it has voted and taken in, the others count on.
#[tokio::test]
async fn the_log_of_one_among_several_is_cut_only_when_what_it_acknowledged_may_be_forgotten() {
    let mut world = World::on_disk(3, |_| {}).await;
    for number in 0..20 {
        world.agree(&format!("c{number}"), 3).await;
    }
    world.crash(1).await;
    let Store::Directory(directory) = world.store(1) else { panic!("it is on disk") };
    let mut files: Vec<_> =
        std::fs::read_dir(directory.join("log")).unwrap().map(|file| file.unwrap()).collect();
    files.retain(|file| file.path().extension().is_some_and(|ending| ending == "wal"));
    let [file] = &files[..] else { panic!("{files:?}") };
    let mut bytes = std::fs::read(file.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    std::fs::write(file.path(), &bytes).unwrap();
    assert!(repair::inspect(&directory).unwrap().has_others);
    let kept = repair::cut(&directory, Acknowledged::Keep);
    assert!(matches!(kept, Err(CutError::Acknowledged { .. })), "{kept:?}");
    assert!(std::fs::read(file.path()).unwrap() == bytes, "a refusal changes nothing");
    assert_eq!(repair::cut(&directory, Acknowledged::Forget).unwrap().kept_in.len(), 1);
    assert_eq!(repair::inspect(&directory).unwrap().damage, []);
    world.stop().await;
}

/// A node that makes a group by itself, at this address.
async fn alone(world: &World, store: &Store, address: &str) -> Result<Node<Ledger>, StartError> {
    let members = [(1, address.to_owned())].into();
    let config = Config { alone: true, ..Config::new(1, members, store.clone()) };
    let node = Node::start(config, world.network.wire(1), Ledger::default()).await?;
    world.network.attach(&node);
    Ok(node)
}

/// A node that joins what was founded by one at this address.
async fn joins(world: &World, id: NodeId, founder: &str) -> Node<Ledger> {
    let config = Config::new(id, [(1, founder.to_owned())].into(), Store::memory());
    let node = Node::start(config, world.network.wire(id), Ledger::default()).await.unwrap();
    world.network.attach(&node);
    node
}

#[tokio::test(start_paused = true)]
async fn a_node_alone_moves_until_another_joins() {
    let mut world = World::new(0).await;
    let store = Store::memory();
    // As groups of one were founded once: without an address.
    let founded = Config::new(1, [(1, "alone".to_owned())].into(), store.clone());
    let node = Node::start(founded, world.network.wire(1), Ledger::default()).await.unwrap();
    let mut role = node.leadership();
    let leading = role.wait_for(|role| matches!(role, Role::Leading { .. })).await.unwrap().clone();
    let Role::Leading { term } = leading else { panic!("{leading:?}") };
    node.propose(term, "kept".into()).await.unwrap();
    node.shutdown().await;
    for address in ["here", "there", "there"] {
        let node = alone(&world, &store, address).await.unwrap();
        assert_eq!(node.members().members[0].address, address);
        assert_eq!(node.machine().commands(), ["kept"]);
        node.shutdown().await;
    }
    let node = alone(&world, &store, "last").await.unwrap();
    let second = joins(&world, 2, "last").await;
    node.add_member(2, "second", PATIENCE).await.unwrap();
    world.until("it to know", |_| (voters(&second) == [1, 2]).then_some(())).await;
    node.shutdown().await;
    let moved = alone(&world, &store, "elsewhere").await.err();
    assert!(matches!(&moved, Some(StartError::Moved { known, .. }) if known == "last"), "{moved:?}");
    let node = alone(&world, &store, "last").await.unwrap();
    world.until("the group of two", |_| (voters(&node) == [1, 2]).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_founder_of_a_larger_group_is_not_alone() {
    let world = World::new(0).await;
    let store = Store::memory();
    let founders = [(1, "one".to_owned()), (2, "two".to_owned())];
    let node =
        Node::start(Config::new(1, founders.into(), store.clone()), world.network.wire(1), Ledger::default());
    node.await.unwrap().shutdown().await;
    let refused = alone(&world, &store, "one").await.err();
    assert!(matches!(refused, Some(StartError::OtherGroup { .. })), "{refused:?}");
}
