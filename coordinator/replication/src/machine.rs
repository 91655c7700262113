//! What is replicated: the one trait that a state has to keep to.

use std::fmt::Debug;
use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A state that several nodes hold alike, because each applies the same entries in the same order.
pub trait Machine: Send + Sync + Sized + 'static {
    /// One entry of the log. Decoding must be total: an entry that cannot be decoded stops the node that met it.
    type Entry: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;
    /// What applying an entry gives to whoever proposed it, on the node where that was. Neither kept nor sent.
    type Outcome: Send + Debug + 'static;
    /// A consistent copy for a snapshot. Taken while nothing can be applied, so it should cost next to nothing.
    type Frozen: Send + Sync + 'static;

    /// Applies a committed entry that stands in the log under `term`. Total and deterministic: the same entries in the same
    /// order give the same state on every node and in every life of it. Must not panic.
    fn apply(&mut self, term: u64, entry: Self::Entry) -> Self::Outcome;

    /// A copy of the state as it is now.
    fn freeze(&self) -> Self::Frozen;

    /// Writes a copy. Called where it may block, while the state goes on.
    fn write(frozen: &Self::Frozen, out: &mut dyn Write) -> io::Result<()>;

    /// Reads what [`write`](Self::write) wrote. The bytes are those that were written (checksums see to that), but they may come
    /// from another version: whatever cannot be read is an error, never a panic.
    fn read(input: &mut dyn Read) -> Result<Self, ReadError>;
}

/// Why a machine cannot read a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes cannot be had, or their checksums do not fit.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes are sound, and not a state that this version knows.
    #[error("{0}")]
    Unknown(String),
}
