//! The key/value store: a pure value inside the replicated state.
//!
//! Versions count up from 1 with each write of a key. One that was deleted does not begin at 1 again: a new key begins above the highest
//! version that any deleted key had, so that no version of a key ever comes twice, and a compare-and-swap from before a deletion
//! cannot succeed after it. Knows nothing of sessions: that an operation is executed once is kept by the caller.

mod history;
mod limits;
mod read;

use std::sync::Arc;

use gristmill_model::{Blob, KvAnswer, KvOp};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use self::history::{Change, History};
use crate::state::encoding;

pub use limits::{
    ENTRY_BYTES, EVENTS_BYTES_MAX, EVENTS_MAX, HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX, KEY_BYTES_MAX,
    LIST_BYTES_MAX, LIST_ENTRIES_MAX, TOTAL_BYTES_MAX, VALUE_BYTES_MAX,
};

/// All keys with their values, and what changed lately. A copy costs next to nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kv {
    #[serde(with = "encoding::map")]
    entries: OrdMap<Arc<Blob>, Entry>,
    /// Grows by one with each change.
    revision: u64,
    /// What the entries count against [`TOTAL_BYTES_MAX`].
    bytes: u64,
    /// The highest version that a deleted key had.
    deleted_version_max: u64,
    history: History,
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    value: Arc<Blob>,
    version: u64,
    revision: u64,
}

impl Kv {
    /// Grows by one with each change of anything.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What keys and values count against [`TOTAL_BYTES_MAX`].
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Carries out an operation that [`check`](Self::check) has let pass.
    pub(crate) fn carry_out(&mut self, op: &KvOp) -> KvAnswer {
        match op {
            KvOp::Put { key, value } => self.write(key, value.clone()),
            KvOp::Append { key, value } => {
                let mut whole =
                    self.entries.get(key).map_or_else(Blob::default, |entry| (*entry.value).clone());
                whole.0.extend_from_slice(&value.0);
                self.write(key, whole)
            }
            KvOp::Cas { key, version, value } => match self.version(key) {
                known if known == *version => self.write(key, value.clone()),
                known => KvAnswer::Mismatch { version: known },
            },
            KvOp::Delete { key, version } => match self.version(key) {
                known if version.is_some_and(|wanted| wanted != known) => {
                    KvAnswer::Mismatch { version: known }
                }
                _ => self.delete(key),
            },
        }
    }

    /// Its version; 0 when it is absent.
    fn version(&self, key: &Blob) -> u64 {
        self.entries.get(key).map_or(0, |entry| entry.version)
    }

    fn write(&mut self, key: &Blob, value: Blob) -> KvAnswer {
        let known = self.entries.get_key_value(key);
        let (name, old) = known.map_or_else(
            || (Arc::new(key.clone()), None),
            |(name, entry)| (Arc::clone(name), Some((entry.version, limits::bytes_of(key, &entry.value)))),
        );
        let (last, old_bytes) = old.unwrap_or((self.deleted_version_max, 0));
        let (version, value) = (last.saturating_add(1), Arc::new(value));
        self.bytes = self.bytes.saturating_sub(old_bytes).saturating_add(limits::bytes_of(key, &value));
        self.revision = self.revision.saturating_add(1);
        let revision = self.revision;
        let change = Change { key: Arc::clone(&name), written: Some((Arc::clone(&value), version)) };
        self.history.push(revision, change);
        self.entries.insert(name, Entry { value, version, revision });
        KvAnswer::Written { version, revision }
    }

    fn delete(&mut self, key: &Blob) -> KvAnswer {
        let Some((name, entry)) = self.entries.remove_with_key(key) else {
            return KvAnswer::Deleted { revision: self.revision, existed: false };
        };
        self.bytes = self.bytes.saturating_sub(limits::bytes_of(key, &entry.value));
        self.deleted_version_max = self.deleted_version_max.max(entry.version);
        self.revision = self.revision.saturating_add(1);
        self.history.push(self.revision, Change { key: name, written: None });
        KvAnswer::Deleted { revision: self.revision, existed: true }
    }

    /// Whether it is one that operations can lead to.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let mut bytes = 0_u64;
        for (key, entry) in &self.entries {
            limits::check_key(key).map_err(|wrong| wrong.to_string())?;
            limits::check_value_bytes(entry.value.0.len()).map_err(|wrong| wrong.to_string())?;
            if entry.version == 0 || entry.revision == 0 || entry.revision > self.revision {
                return Err(format!("a key has version {} of revision {}", entry.version, entry.revision));
            }
            bytes = bytes.saturating_add(limits::bytes_of(key, &entry.value));
        }
        if bytes != self.bytes || bytes > TOTAL_BYTES_MAX {
            return Err(format!("its keys and values count {bytes} bytes, and it says {}", self.bytes));
        }
        self.history.validate(self.revision)
    }
}
