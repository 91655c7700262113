//! A replica that a group of coordinators keeps, for as long as this node leads in one term.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use gristmill_replication::{ConfirmError, Node, ProposeError, Role};
use gristmill_scheduler::{Effect, Fact, State};
use tokio::time::timeout;

use super::{Entry, Replica, ReplicaError, Replicated, Void};

/// Time after which a leader that gets no entry through takes itself for one no more.
const PROPOSE_MAX: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Clone)]
pub(crate) struct GroupReplica {
    node: Node<Replicated>,
    term: u64,
}

/// A guard of the machine, seen as its state.
struct StateOf<G>(G);

impl<G: Deref<Target = Replicated>> Deref for StateOf<G> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0.state
    }
}

impl GroupReplica {
    /// Of the node that leads in `term`.
    pub(crate) fn new(node: Node<Replicated>, term: u64) -> Self {
        Self { node, term }
    }
}

impl Replica for GroupReplica {
    fn read(&self) -> impl Deref<Target = State> {
        StateOf(self.node.machine())
    }

    async fn propose(&self, facts: Arc<[Fact]>) -> Result<Vec<Effect>, ReplicaError> {
        let proposed = self.node.propose(self.term, Entry::new(self.term, facts));
        // A leader that is cut off would wait until it is not; whoever waits for it had better look for another.
        let proposed = timeout(PROPOSE_MAX, proposed).await.map_err(|_| ReplicaError::Deposed)?;
        let outcome = proposed.map_err(to_error)?;
        outcome.map_err(|void| match void {
            Void::Stale { .. } => ReplicaError::Deposed,
            Void::Illegal(illegal) => ReplicaError::Illegal(illegal.to_string()),
        })
    }

    async fn confirm(&self) -> Result<(), ReplicaError> {
        self.node.confirm().await.map_err(|error| match error {
            ConfirmError::Failed(reason) => ReplicaError::Failed(reason),
            ConfirmError::NotLeader { .. } | ConfirmError::NoQuorum => ReplicaError::Deposed,
        })
    }

    async fn deposed(&self) {
        let leads = |role: &Role| matches!(role, Role::Leading { term } if *term == self.term);
        // An error says that the node is gone, and its leadership with it.
        let _ = self.node.leadership().wait_for(|role| !leads(role)).await;
    }
}

fn to_error(error: ProposeError) -> ReplicaError {
    match error {
        ProposeError::Failed(reason) => ReplicaError::Failed(reason),
        ProposeError::NotLeader { .. } | ProposeError::Unknown { .. } => ReplicaError::Deposed,
    }
}
