//! What may be asked of the store.

use std::ops::Bound;

use gristmill_model::{Blob, KvEntry, KvEvents};

use super::limits::{self, LIST_BYTES_MAX, LIST_ENTRIES_MAX};
use super::{Entry, Kv};

impl Kv {
    /// A key with its value, if it is there.
    pub fn get(&self, key: &Blob) -> Option<KvEntry> {
        self.entries.get(key).map(|entry| entry.under(key))
    }

    /// Keys that begin so, in order of their bytes, from the first one above `after` on: at most `limit` of them, and as many as one
    /// answer may hold. The next page is that after the last one; one that is empty is the end.
    pub fn list(&self, prefix: &[u8], after: Option<&Blob>, limit: usize) -> Vec<KvEntry> {
        let first = Blob(prefix.to_vec());
        let from = match after {
            Some(after) if *after >= first => Bound::Excluded(after),
            _ => Bound::Included(&first),
        };
        let mut bytes = 0_u64;
        let mut page = Vec::new();
        let range = self.entries.range::<_, Blob>((from, Bound::Unbounded));
        for (key, entry) in range.take_while(|(key, _)| key.0.starts_with(prefix)) {
            bytes = bytes.saturating_add(limits::bytes_of(key, &entry.value));
            let full = bytes > LIST_BYTES_MAX && !page.is_empty();
            if full || page.len() >= limit.min(LIST_ENTRIES_MAX) {
                break;
            }
            page.push(entry.under(key));
        }
        page
    }

    /// What has changed from a revision on of keys that begin so. With nothing new there are no events, and `next` is where to go on.
    pub fn events(&self, prefix: &[u8], from: u64) -> KvEvents {
        self.history.events(prefix, from)
    }
}

impl Entry {
    fn under(&self, key: &Blob) -> KvEntry {
        let (value, version, revision) = ((*self.value).clone(), self.version, self.revision);
        KvEntry { key: key.clone(), value, version, revision }
    }
}
