//! The changes of late, for those who watch: one for each revision, the oldest forgotten first.

use std::sync::Arc;

use gristmill_model::{Blob, KvChange, KvEvent, KvEvents};
use imbl::Vector;
use serde::{Deserialize, Serialize};

use super::limits::{self, EVENTS_BYTES_MAX, EVENTS_MAX, HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX};
use crate::state::encoding;

/// The last changes, without a gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct History {
    /// The revision that the first of them made.
    oldest: u64,
    #[serde(with = "encoding::list")]
    changes: Vector<Change>,
    bytes: u64,
}

/// What one revision changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) key: Arc<Blob>,
    /// The value and the version; nothing when the key was deleted.
    pub(super) written: Option<(Arc<Blob>, u64)>,
}

impl Default for History {
    fn default() -> Self {
        Self { oldest: 1, changes: Vector::new(), bytes: 0 }
    }
}

impl History {
    /// Remembers what the next revision changed.
    pub(super) fn push(&mut self, revision: u64, change: Change) {
        self.bytes = self.bytes.saturating_add(change.bytes());
        self.changes.push_back(change);
        while self.changes.len() > HISTORY_EVENTS_MAX || self.bytes > HISTORY_BYTES_MAX {
            let Some(forgotten) = self.changes.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(forgotten.bytes());
        }
        self.oldest = (revision - self.changes.len() as u64).saturating_add(1);
    }

    /// Changes from revision `from` on of keys that begin so, as many as one answer may hold.
    pub(super) fn events(&self, prefix: &[u8], from: u64) -> KvEvents {
        let from = from.max(1);
        let Some(skipped) = from.checked_sub(self.oldest) else {
            return KvEvents::Compacted { oldest: self.oldest };
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(self.changes.len());
        let (mut events, mut bytes, mut next) = (Vec::new(), 0_u64, from);
        for (revision, change) in (from..).zip(self.changes.focus().narrow(skipped..)) {
            if change.key.0.starts_with(prefix) {
                bytes = bytes.saturating_add(change.bytes());
                if events.len() == EVENTS_MAX || (bytes > EVENTS_BYTES_MAX && !events.is_empty()) {
                    break;
                }
                events.push(change.to_event(revision));
            }
            next = revision.saturating_add(1);
        }
        KvEvents::Events { events, next }
    }

    pub(super) fn validate(&self, revision: u64) -> Result<(), String> {
        let bytes = self.changes.iter().map(Change::bytes).fold(0, u64::saturating_add);
        let newest = self.oldest.checked_add(self.changes.len() as u64);
        if self.oldest == 0 || newest.is_none() || newest != revision.checked_add(1) {
            return Err(format!("its changes from {} on do not end at revision {revision}", self.oldest));
        }
        if bytes != self.bytes || bytes > HISTORY_BYTES_MAX || self.changes.len() > HISTORY_EVENTS_MAX {
            return Err(format!("its changes count {bytes} bytes, and it says {}", self.bytes));
        }
        Ok(())
    }
}

impl Change {
    fn bytes(&self) -> u64 {
        match &self.written {
            Some((value, _)) => limits::bytes_of(&self.key, value),
            None => limits::bytes_of(&self.key, &Blob::default()),
        }
    }

    fn to_event(&self, revision: u64) -> KvEvent {
        let change = match &self.written {
            Some((value, version)) => KvChange::Put { value: (**value).clone(), version: *version },
            None => KvChange::Deleted,
        };
        KvEvent { revision, key: (*self.key).clone(), change }
    }
}
