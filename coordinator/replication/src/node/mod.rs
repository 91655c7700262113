//! One node of a group, as its process uses it.

mod alone;
mod deliver;
mod members;
mod propose;
mod role;
mod start;

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use openraft::Raft;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use members::{Member, Members};
pub use role::Role;

use crate::config::Timers;
use crate::error::Leader;
use crate::group::GroupId;
use crate::health::Health;
use crate::log::LogStore;
use crate::machine::Machine;
use crate::network::NodeId;
use crate::peers::Peers;
use crate::raft::applied::Applied;
use crate::raft::types::Types;
use crate::reach::Reach;
use crate::snapshot::Incoming;
use crate::told::Told;

type Engine<M> = Raft<Types, Applied<M>>;

/// A node of a group. Clones are the same node; it runs until [`shutdown`](Self::shutdown), or until the last clone is dropped.
pub struct Node<M: Machine>(Arc<Running<M>>);

struct Running<M: Machine> {
    id: NodeId,
    group: GroupId,
    lineage: u64,
    peers: Arc<Peers>,
    timers: Timers,
    engine: Engine<M>,
    applied: Applied<M>,
    log: LogStore,
    health: Arc<Health>,
    role: watch::Receiver<Role>,
    /// The members as its store had them when it started.
    known: BTreeMap<NodeId, String>,
    /// The term in which it led last, and since when.
    led: watch::Receiver<Option<(u64, Instant)>>,
    incoming: Arc<tokio::sync::Mutex<Option<Incoming>>>,
    /// The refusals, its own and those of its peers, that were told already.
    told: Arc<Told>,
    reach: Arc<Reach>,
    tasks: Vec<JoinHandle<()>>,
    /// Of the directory: given back when the log is closed.
    lock: Mutex<Option<File>>,
}

/// A node, if it still runs.
#[cfg(feature = "testing")]
pub(crate) struct WeakNode<M: Machine>(std::sync::Weak<Running<M>>);

#[cfg(feature = "testing")]
impl<M: Machine> WeakNode<M> {
    pub(crate) fn upgrade(&self) -> Option<Node<M>> {
        self.0.upgrade().map(Node)
    }
}

impl<M: Machine> Clone for Node<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Machine> Node<M> {
    /// A handle that does not keep the node running.
    #[cfg(feature = "testing")]
    pub(crate) fn downgrade(&self) -> WeakNode<M> {
        WeakNode(Arc::downgrade(&self.0))
    }

    /// Who this node is.
    pub fn id(&self) -> NodeId {
        self.0.id
    }

    /// The members as its store had them when it started, with their addresses; none if the group was not founded, or it has not joined.
    pub fn known_members(&self) -> &BTreeMap<NodeId, String> {
        &self.0.known
    }

    /// The state as it is applied here. Nothing is applied while the guard lives, and it cannot be held across an await. It may be
    /// behind that of the group: [`confirm`](Self::confirm) tells when it is not.
    pub fn machine(&self) -> impl Deref<Target = M> {
        self.0.applied.machine()
    }

    /// What this node is, and every change of it.
    pub fn leadership(&self) -> watch::Receiver<Role> {
        self.0.role.clone()
    }

    /// Stops the node: proposals that wait return, and the data directory is free for another.
    pub async fn shutdown(&self) {
        // The engine ends in an error only if it has ended already.
        let _ = self.0.engine.shutdown().await;
        self.0.close();
    }

    /// Who leads, as far as is known here.
    fn leader(&self) -> Leader {
        role::leader(&self.0.engine.metrics().borrow_watched())
    }

    fn failure(&self) -> String {
        self.0.health.failure().unwrap_or("this member was stopped").to_owned()
    }
}

impl<M: Machine> Running<M> {
    fn close(&self) {
        for task in &self.tasks {
            task.abort();
        }
        self.log.close();
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl<M: Machine> Drop for Running<M> {
    fn drop(&mut self) {
        self.close();
        let engine = self.engine.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { engine.shutdown().await });
        }
    }
}
