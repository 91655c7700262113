//! The replicated state as the main loop uses it: read, changed by facts, and confirmed to be the newest.
//!
//! Two kinds: one in memory that forgets with its process, for the embedded engine, and one that a group of coordinators keeps.

mod entry;
mod group;
mod machine;
mod memory;

use std::ops::Deref;
use std::sync::Arc;

use gristmill_scheduler::{Effect, Fact, State};

pub(crate) use self::entry::Entry;
pub(crate) use self::group::GroupReplica;
pub(crate) use self::machine::{Replicated, Void};
pub(crate) use self::memory::MemoryReplica;

/// Why facts did not become certain, as far as is known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplicaError {
    /// Another node leads now, or none. The facts may become certain later, or never.
    #[error("this coordinator no longer leads its group")]
    Deposed,
    /// This node can do nothing any more.
    #[error("{0}")]
    Failed(String),
    /// A mistake of the leader: what it decided does not fit the state.
    #[error("the scheduler decided something impossible, which is a mistake of gristmill: {0}")]
    Illegal(String),
}

/// The state of a leader, from its first to its last decision.
///
/// - *Order.* The loop proposes one batch of facts at a time and waits for it. Every replica applies exactly the batches that became certain, in
///   the same order, from the first. A batch that was decided under an earlier leadership than the one it would become certain in is void.
/// - *Durability.* After `Ok` the facts survive whatever the replica promises to survive; for [`MemoryReplica`] that is nothing beyond the
///   process. Nobody outside learns anything of them (no answer, no effect) before that.
/// - *Loss of leadership.* An `Err` says that the fate of the facts is not known here. The leader's memory is then ahead of the state and
///   must be dropped: the loop ends, and whoever waits for it is told to look for the leader. A node that leads (again) starts a new
///   loop with a new leader from the state that it has applied.
/// - *Reads.* What [`read`](Self::read) gives may be old where another leads already. An answer that says anything about the state
///   rests on a batch that became certain in the same turn, or on [`confirm`](Self::confirm).
pub(crate) trait Replica: Clone + Send + Sync + 'static {
    /// The state as far as it is applied here. Not to be held across an await.
    fn read(&self) -> impl Deref<Target = State>;

    /// Makes facts certain and applies them. Dropping the future leaves their fate open.
    fn propose(&self, facts: Arc<[Fact]>) -> impl Future<Output = Result<Vec<Effect>, ReplicaError>> + Send;

    /// Makes sure that nobody else has led before this call was made.
    fn confirm(&self) -> impl Future<Output = Result<(), ReplicaError>> + Send;

    /// Completes when this leadership is over.
    fn deposed(&self) -> impl Future<Output = ()> + Send;
}
