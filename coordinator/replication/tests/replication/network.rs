//! The network of the tests itself: a test over a network that loses nothing proves nothing.

use std::time::Duration;

use gristmill_replication::testing::{Faults, FaultyNetwork, seal};
use gristmill_replication::{DeliverError, Lane, Network, NetworkError};
use tokio::time::Instant;

use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(10);

async fn send(network: &FaultyNetwork, message: &[u8]) -> Result<Vec<u8>, NetworkError> {
    network.wire(2).send(1, "node-1", Lane::Control, message.into(), PATIENCE).await
}

/// A message that a node refuses at once: the reply shows that it arrived.
const RUBBISH: &[u8] = &[1];

fn arrived(reply: &Result<Vec<u8>, NetworkError>) -> bool {
    matches!(reply, Err(NetworkError::Refused(_)))
}

#[tokio::test(start_paused = true)]
async fn messages_arrive_and_are_counted() {
    let world = World::new(1).await;
    for _ in 0..10 {
        assert!(arrived(&send(&world.network, RUBBISH).await));
    }
    assert_eq!(world.network.counts(Lane::Control).messages, 10);
    assert_eq!(world.network.counts(Lane::Control).bytes, 10);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_or_stopped_answers_nothing() {
    let mut world = World::new(1).await;
    world.network.cut(1);
    let begun = Instant::now();
    assert!(matches!(send(&world.network, RUBBISH).await, Err(NetworkError::Unreachable(_))));
    assert!(begun.elapsed() <= Duration::from_millis(200));
    world.network.mend(1);
    assert!(arrived(&send(&world.network, RUBBISH).await));
    world.crash(1).await;
    assert!(matches!(send(&world.network, RUBBISH).await, Err(NetworkError::Unreachable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_block_is_one_way() {
    let world = World::new(1).await;
    world.network.block(2, 1);
    assert!(!arrived(&send(&world.network, RUBBISH).await));
    world.network.heal();
    world.network.block(1, 2);
    assert!(matches!(send(&world.network, RUBBISH).await, Err(NetworkError::NoReply(_))));
}

#[tokio::test(start_paused = true)]
async fn a_fifth_or_so_of_the_calls_is_lost_and_many_at_once_do_not_mind() {
    let world = World::new(1).await;
    world.network.set_faults(Faults::UNRELIABLE);
    let calls: Vec<_> = (0..1000)
        .map(|_| {
            let network = world.network.clone();
            tokio::spawn(async move { arrived(&send(&network, RUBBISH).await) })
        })
        .collect();
    let mut replies = 0;
    for call in calls {
        replies += u64::from(call.await.unwrap());
    }
    // 0.9 of the requests, and 0.9 of their replies.
    assert!((700..900).contains(&replies), "{replies} of 1000");
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_nobody_do_not_delay_those_to_others() {
    let world = World::new(2).await;
    world.network.set_faults(Faults { long_silence: true, ..Faults::default() });
    world.network.cut(1);
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let network = world.network.clone();
            tokio::spawn(async move { send(&network, RUBBISH).await })
        })
        .collect();
    let begun = Instant::now();
    let reply = world.network.wire(3).send(2, "node-2", Lane::Control, RUBBISH.into(), PATIENCE).await;
    assert!(arrived(&reply));
    assert!(begun.elapsed() < Duration::from_millis(100));
    for waiting in waiting {
        assert!(!arrived(&waiting.await.unwrap()));
    }
}

/// Found by fuzzing: a leader's message, in the name of the node that gets it.
#[tokio::test(start_paused = true)]
async fn a_message_in_the_name_of_its_receiver_is_refused() {
    let mut world = World::new(3).await;
    let term = 100;
    // An append: ballot (term, won, node), nothing before it, no entries, nothing committed.
    let append = [0, term, 1, 1, 0, 0, 0];
    let message = seal(2, 1, &world.founders(), &append).unwrap();
    let refused = world.node(1).deliver(&message).await;
    assert!(
        matches!(&refused, Err(DeliverError::Rubbish(what)) if what.contains("another node")),
        "{refused:?}"
    );
    world.agree("a", 3).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_is_refused_and_has_no_effect() {
    let mut world = World::new(1).await;
    world.agree("a", 1).await;
    let node = world.node(1);
    assert_eq!(node.deliver(&[]).await, Err(DeliverError::Rubbish("no bytes".into())));
    assert_eq!(node.deliver(&[7, 0, 0]).await, Err(DeliverError::Version { found: 7, known: 1 }));
    for len in 1..200 {
        let rubbish: Vec<u8> = std::iter::once(1).chain((0..len).map(|n| (n * 37 % 251) as u8)).collect();
        assert!(node.deliver(&rubbish).await.is_err());
    }
    world.agree("b", 1).await;
}
