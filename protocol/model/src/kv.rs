//! The key/value store as its callers see it: what they ask, and what they are told.
//!
//! Every key has a version, which grows with each write of it and never comes twice, not even after the key was deleted: so a
//! compare-and-swap can only succeed against the very value that its caller has seen. The store has a revision, which grows by one with
//! each change of anything.

use serde::{Deserialize, Serialize};

use crate::Blob;

/// A change that a client asks for. Executed once for each request key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvOp {
    /// Writes a value, whatever was there.
    Put {
        /// Where.
        key: Blob,
        /// What.
        value: Blob,
    },
    /// Adds bytes to the end of a value; an absent one counts as empty.
    Append {
        /// Where.
        key: Blob,
        /// What is added.
        value: Blob,
    },
    /// Writes a value if the key has this version.
    Cas {
        /// Where.
        key: Blob,
        /// The version that it must have; 0: it must be absent.
        version: u64,
        /// What.
        value: Blob,
    },
    /// Removes a key.
    Delete {
        /// Which.
        key: Blob,
        /// The version that it must have, if that matters; 0: it must be absent.
        version: Option<u64>,
    },
}

/// The outcome of a [`KvOp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvAnswer {
    /// The value is written.
    Written {
        /// The version of the key now.
        version: u64,
        /// The revision of the store after the write.
        revision: u64,
    },
    /// The key is absent.
    Deleted {
        /// The revision of the store.
        revision: u64,
        /// Whether it was there.
        existed: bool,
    },
    /// The key has another version, and nothing was changed.
    Mismatch {
        /// The one that it has; 0: it is absent.
        version: u64,
    },
}

/// A key that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvEntry {
    /// The key.
    pub key: Blob,
    /// Its value.
    pub value: Blob,
    /// Its version.
    pub version: u64,
    /// The revision of the store after it was last written.
    pub revision: u64,
}

/// Something that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvEvent {
    /// The revision of the store after the change. Each has one event.
    pub revision: u64,
    /// The key.
    pub key: Blob,
    /// What became of it.
    pub change: KvChange,
}

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvChange {
    /// It was written.
    Put {
        /// Its whole value, also when bytes were appended.
        value: Blob,
        /// Its version.
        version: u64,
    },
    /// It was removed.
    Deleted,
}

/// The answer to one who watches from a revision on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvEvents {
    /// What has happened, as far as one answer may hold it.
    Events {
        /// In order.
        events: Vec<KvEvent>,
        /// The revision to watch from next.
        next: u64,
    },
    /// The store no longer knows all that has happened since: list the keys, then watch from a revision that is not older than this.
    Compacted {
        /// The oldest revision that can be watched from.
        oldest: u64,
    },
}

impl KvOp {
    /// The key that it is about.
    pub fn key(&self) -> &Blob {
        match self {
            Self::Put { key, .. }
            | Self::Append { key, .. }
            | Self::Cas { key, .. }
            | Self::Delete { key, .. } => key,
        }
    }
}
