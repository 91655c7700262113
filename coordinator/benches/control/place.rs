//! Coordinators to measure, with their directories.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use gristmill_coordinator::{Config, Coordinator, Membership, Timers};
use gristmill_protocol::{Client, Endpoint};
use tokio::net::TcpListener;

/// Longest wait for a leader.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Place {
    pub(crate) coordinators: Vec<Coordinator>,
    pub(crate) endpoint: Endpoint,
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    /// A group of so many, which has a leader; none is one that keeps its jobs in memory.
    pub(crate) async fn start(members: usize) -> Result<Self, Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let mut listeners = Vec::new();
        for _ in 0..members.max(1) {
            listeners.push(TcpListener::bind("127.0.0.1:0").await?);
        }
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
        let named: BTreeMap<u64, String> = (1..).zip(addresses.iter().map(ToString::to_string)).collect();
        let mut coordinators = Vec::new();
        for (id, listener) in (1..).zip(listeners) {
            let config = Config::new(directory.path().join(id.to_string()));
            let (listed, listens) = (named.clone(), Some(listener.local_addr()?));
            let membership = Membership { id, members: listed, listens, timers: Timers::LAN, alone: false };
            let coordinator = match members {
                0 => Coordinator::start(config).await?,
                _ => Coordinator::start_member(config, membership).await?,
            };
            coordinator.serve(listener)?;
            coordinators.push(coordinator);
        }
        let place = Self { coordinators, endpoint: Endpoint::tcp(&addresses)?, directory };
        place.client().info().await?;
        Ok(place)
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.endpoint.clone(), PATIENCE)
    }
}
