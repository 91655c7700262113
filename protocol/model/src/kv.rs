//! The words of the key/value store: what may be asked of it, what it answers, what it holds and how that changes.

use serde::{Deserialize, Serialize};

use crate::Blob;

/// A change of the store. Keys and values are any bytes, within the limits of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvOp {
    /// Gives a key this value, whatever it has.
    Put {
        /// The key.
        key: Blob,
        /// Its new value.
        value: Blob,
    },
    /// Adds to the end of a key's value; a key that is not there gets this value.
    Append {
        /// The key.
        key: Blob,
        /// What is added.
        value: Blob,
    },
    /// Gives a key this value if it has this version.
    Cas {
        /// The key.
        key: Blob,
        /// The version that it must have; 0: it must not be there.
        version: u64,
        /// Its new value.
        value: Blob,
    },
    /// Removes a key.
    Delete {
        /// The key.
        key: Blob,
        /// The version that it must have; `None`: any.
        version: Option<u64>,
    },
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvAnswer {
    /// The key has the new value.
    Written {
        /// The key's version now: 1 for a new key, one more with each change.
        version: u64,
        /// The store's revision now.
        revision: u64,
    },
    /// The key is not there any more.
    Deleted {
        /// The store's revision now.
        revision: u64,
        /// Whether the key was there.
        existed: bool,
    },
    /// The key has another version than the change asks for: nothing was changed.
    Mismatch {
        /// The version that it has; 0 when it is not there.
        version: u64,
    },
}

/// A key and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvEntry {
    /// The key.
    pub key: Blob,
    /// Its value.
    pub value: Blob,
    /// How often the key was written since it is there.
    pub version: u64,
    /// The store's revision of its last change.
    pub revision: u64,
}

/// A change of one key that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvEvent {
    /// The store's revision that it made.
    pub revision: u64,
    /// The key.
    pub key: Blob,
    /// What happened to it.
    pub change: KvChange,
}

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvChange {
    /// It has a new value.
    Put {
        /// The whole value.
        value: Blob,
        /// The key's version.
        version: u64,
    },
    /// It was removed.
    Deleted,
}

/// What a watch is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvEvents {
    /// What has happened, in order.
    Events {
        /// The changes; none when nothing happened in time.
        events: Vec<KvEvent>,
        /// The revision to go on from.
        next: u64,
    },
    /// Changes that were asked for are no longer remembered: list the keys, then watch from there.
    Compacted {
        /// The oldest revision that is remembered.
        oldest: u64,
    },
}
