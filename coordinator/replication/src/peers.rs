//! Which store each peer has.
//!
//! A node that comes back with an empty store under its old id has forgotten votes and entries that others count on: it could vote
//! twice in a term, and a leader believes that it has what it has lost. So every message and every reply says from which store it
//! comes, and whoever has heard of another one of that peer will have nothing to do with it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::network::NodeId;

/// The stores of the peers, as far as this process has heard of them.
#[derive(Debug, Default)]
pub(crate) struct Peers(Mutex<BTreeMap<NodeId, u64>>);

impl Peers {
    /// Whether this is the store that the peer had before, if it had any.
    pub(crate) fn has(&self, id: NodeId, lineage: u64) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Bounded: messages may name any id.
        if known.len() >= 1000 && !known.contains_key(&id) {
            return true;
        }
        *known.entry(id).or_insert(lineage) == lineage
    }
}

/// What to say of a peer that has lost its store.
pub(crate) fn lost_store(id: NodeId) -> String {
    format!(
        "node {id} has lost its data, and with it votes and entries it had acknowledged: replace it by a new node with another id"
    )
}
