//! Where facts become certain.

use std::sync::Arc;

use gristmill_scheduler::{FACT_VERSION, Fact};

/// All facts of one batch: they become certain together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// [`FACT_VERSION`] of who wrote it.
    pub version: u16,
    /// At least one, in the order in which they are applied.
    pub facts: Arc<[Fact]>,
}

impl Entry {
    /// An entry of this version.
    pub fn new(facts: Vec<Fact>) -> Self {
        Self { version: FACT_VERSION, facts: facts.into() }
    }
}

/// Why an entry did not become certain, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Another node leads now. The entry may become certain later, or never.
    #[error("this coordinator no longer leads its group")]
    NotLeader,
    /// The log cannot be written any more.
    #[error("the log of facts failed: {0}")]
    Failed(String),
}

/// The log of facts, as the leader's main loop uses it.
///
/// - *Order.* The loop proposes one entry at a time and waits for it. Entries become certain in the order in which they were proposed,
///   and every replica applies exactly these, in that order, from the first.
/// - *Durability.* After `Ok` the entry survives whatever the log promises to survive; for [`MemoryLog`] that is nothing beyond the
///   process. Nobody outside learns anything of an entry (no answer, no effect) before that.
/// - *Loss of leadership.* An `Err` says that the entry's fate is not known here. The leader's memory is then ahead of the state and
///   must be dropped: the loop answers everyone that waits with "unavailable" and ends. A node that leads (again) starts a new loop
///   with a new leader from the state that its replica has applied. Reads are answered from the leader's state; a log that can
///   lose leadership without noticing must confirm it before they are served.
pub trait FactLog: Send + 'static {
    /// Makes an entry certain. Dropping the future leaves its fate open.
    fn propose(&mut self, entry: Entry) -> impl Future<Output = Result<(), LogError>> + Send;
}

/// A group of one that forgets with its process: the embedded default.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryLog;

impl FactLog for MemoryLog {
    async fn propose(&mut self, _: Entry) -> Result<(), LogError> {
        Ok(())
    }
}
