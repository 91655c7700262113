//! Members that are parted from each other, at random and again and again.

use std::time::Duration;

use gristmill_replication::NodeId;
use gristmill_replication::testing::FaultyNetwork;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Puts each member on one of two sides, anew every second or so, until it is aborted.
pub(super) fn keep_parting(network: FaultyNetwork, members: Vec<NodeId>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let (one, other): (Vec<_>, Vec<_>) = members.iter().partition(|_| network.roll(2) == 0);
            network.heal();
            network.split(&[&one, &other]);
            sleep(Duration::from_millis(1000 + network.roll(200))).await;
        }
    })
}
