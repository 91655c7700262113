//! The network of the tests itself: a test over a network that loses nothing proves nothing.

use std::time::Duration;

use gristmill_replication::testing::{Counts, Faults, FaultyNetwork, seal};
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
async fn messages_arrive_and_are_counted_with_their_bytes() {
    let world = World::new(1).await;
    for message in 1..=10 {
        assert!(arrived(&send(&world.network, &[1; 4096]).await));
        assert_eq!(world.network.counts(Lane::Control).messages, message);
        assert_eq!(world.network.counts(Lane::Control).bytes, message * 4096);
    }
    assert_eq!(world.network.counts(Lane::Bulk), Counts::default());
}

/// Each names another version, which its refusal repeats.
#[tokio::test(start_paused = true)]
async fn many_calls_at_once_to_one_and_to_many_get_each_its_own_reply() {
    let world = World::new(7).await;
    for faults in [Faults::default(), Faults { long_reordering: true, ..Faults::default() }] {
        world.network.set_faults(faults);
        let calls: Vec<_> = (0..200u8)
            .map(|number| {
                // A hundred to one, and a hundred to all.
                let to = if number < 100 { 1 } else { 1 + u64::from(number) % 7 };
                let wire = world.network.wire(8);
                tokio::spawn(async move {
                    wire.send(to, "node", Lane::Control, vec![10 + number % 100], PATIENCE).await
                })
            })
            .collect();
        for (number, call) in calls.into_iter().enumerate() {
            let expected = DeliverError::Version { found: 10 + number as u8 % 100, known: 2 };
            assert_eq!(call.await.unwrap(), Err(NetworkError::Refused(expected.to_string())));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_under_way_to_a_node_that_stops_is_lost() {
    let mut world = World::new(1).await;
    world.network.set_faults(Faults { delay_max: Duration::from_millis(27), ..Faults::default() });
    let network = world.network.clone();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let network = network.clone();
            tokio::spawn(async move { arrived(&send(&network, RUBBISH).await) })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(10)).await;
    world.crash(1).await;
    let mut replies = 0;
    for call in calls {
        replies += usize::from(call.await.unwrap());
    }
    assert!((1..49).contains(&replies), "{replies} of 50 arrived before it stopped");
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
async fn calls_that_wait_for_nobody_delay_no_others_and_never_arrive() {
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
    // Nor those to the same node, as soon as it is there again.
    world.network.mend(1);
    assert!(arrived(&send(&world.network, RUBBISH).await));
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
        matches!(&refused, Err(DeliverError::Rubbish(what)) if what.contains("another member")),
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
    assert_eq!(node.deliver(&[7, 0, 0]).await, Err(DeliverError::Version { found: 7, known: 2 }));
    for len in 1..200 {
        let rubbish: Vec<u8> = std::iter::once(2).chain((0..len).map(|n| (n * 37 % 251) as u8)).collect();
        assert!(node.deliver(&rubbish).await.is_err());
    }
    world.agree("b", 1).await;
}
