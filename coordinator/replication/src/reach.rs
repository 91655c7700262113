//! What stands between this node and its peers, for whoever waits for one of them and has to be told why.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::network::NodeId;

/// Why a peer has nothing to say to this node.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    /// Since when no message to it was answered.
    pub(crate) since: Instant,
    /// What became of the last.
    pub(crate) why: String,
    /// Whether it may only be busy, and not gone or refused.
    pub(crate) is_slow: bool,
}

/// The peers that do not answer. See the module.
#[derive(Debug, Default)]
pub(crate) struct Reach(Mutex<BTreeMap<NodeId, Trouble>>);

impl Reach {
    /// A message to the peer was answered, or is the first in a new place.
    pub(crate) fn clear(&self, id: NodeId) {
        self.troubles().remove(&id);
    }

    pub(crate) fn failed(&self, id: NodeId, why: String, is_slow: bool) {
        let mut troubles = self.troubles();
        let since = troubles.get(&id).map_or_else(Instant::now, |trouble| trouble.since);
        troubles.insert(id, Trouble { since, why, is_slow });
    }

    pub(crate) fn trouble(&self, id: NodeId) -> Option<Trouble> {
        self.troubles().get(&id).cloned()
    }

    fn troubles(&self) -> MutexGuard<'_, BTreeMap<NodeId, Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
