//! Which connections belong to which worker.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::WorkerId;
use gristmill_protocol::ConnectionId;

/// Which connections belong to which worker. A connection belongs to the worker that last spoke on it.
#[derive(Debug, Default)]
pub(super) struct Connections {
    workers: BTreeMap<WorkerId, BTreeSet<ConnectionId>>,
    owners: BTreeMap<ConnectionId, WorkerId>,
}

impl Connections {
    /// The worker has spoken on the connection.
    pub(super) fn bind(&mut self, connection: ConnectionId, worker: WorkerId) {
        if self.owners.get(&connection) == Some(&worker) {
            return;
        }
        self.close(connection);
        self.owners.insert(connection, worker);
        self.workers.entry(worker).or_default().insert(connection);
    }

    /// The connection is gone, or belongs to another. Returns its worker if that has no other.
    pub(super) fn close(&mut self, connection: ConnectionId) -> Option<WorkerId> {
        let worker = self.owners.remove(&connection)?;
        let connections = self.workers.get_mut(&worker)?;
        connections.remove(&connection);
        if !connections.is_empty() {
            return None;
        }
        self.workers.remove(&worker);
        Some(worker)
    }

    /// The worker is lost: its connections are nobody's until somebody speaks on them.
    pub(super) fn forget(&mut self, worker: WorkerId) {
        for connection in self.workers.remove(&worker).unwrap_or_default() {
            self.owners.remove(&connection);
        }
    }

    /// Whether no worker has a connection.
    pub(super) fn no_workers(&self) -> bool {
        self.workers.is_empty()
    }

    /// Whether this worker has one.
    pub(super) fn has(&self, worker: WorkerId) -> bool {
        self.workers.contains_key(&worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_gone_with_its_last_connection() {
        let mut connections = Connections::default();
        let (calls, heartbeats, again) = (ConnectionId(1), ConnectionId(2), ConnectionId(3));
        connections.bind(calls, WorkerId(1));
        connections.bind(heartbeats, WorkerId(1));
        assert_eq!(connections.close(calls), None);
        connections.bind(again, WorkerId(1));
        assert_eq!(connections.close(heartbeats), None);
        assert_eq!(connections.close(again), Some(WorkerId(1)));
        assert_eq!(connections.close(again), None, "it is said once");
        assert!(connections.no_workers());
    }

    #[test]
    fn a_forgotten_worker_is_not_lost_again() {
        let mut connections = Connections::default();
        connections.bind(ConnectionId(1), WorkerId(1));
        connections.forget(WorkerId(1));
        assert_eq!(connections.close(ConnectionId(1)), None);
    }

    #[test]
    fn a_connection_goes_over_to_the_next_life_of_its_worker() {
        let mut connections = Connections::default();
        connections.bind(ConnectionId(1), WorkerId(1));
        connections.bind(ConnectionId(1), WorkerId(2));
        assert!(!connections.has(WorkerId(1)));
        assert_eq!(connections.close(ConnectionId(1)), Some(WorkerId(2)));
    }
}
