//! A store in memory: for a group that may forget with its process, and for tests of what must not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::LogState;

use crate::directory::Identity;
use crate::network::NodeId;
use crate::raft::convert::position;
use crate::raft::types::{Entry, LogId, Types, Vote};
use crate::raft::wire::Body;
use crate::snapshot::StoredSnapshot;

/// A log and a snapshot in memory. Clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    entries: BTreeMap<u64, Entry>,
    snapshot: Option<StoredSnapshot>,
    identity: Option<Identity>,
    peers: BTreeMap<NodeId, u64>,
}

impl MemoryStore {
    /// How many bytes of entries and of a snapshot are held.
    pub fn bytes(&self) -> (u64, u64) {
        let kept = self.kept();
        let entries = kept.entries.values().map(|entry| size(entry) as u64).sum();
        (entries, kept.snapshot.as_ref().map_or(0, StoredSnapshot::len))
    }

    /// Forgets the snapshot, as nothing in a sound node does.
    #[cfg(any(test, feature = "testing"))]
    pub fn lose_snapshot(&self) {
        self.kept().snapshot = None;
    }

    /// Whose store it is: whoever asks first.
    pub(crate) fn identity(&self, new: impl FnOnce() -> Identity) -> Identity {
        self.kept().identity.get_or_insert_with(new).clone()
    }

    pub(crate) fn peers(&self) -> BTreeMap<NodeId, u64> {
        self.kept().peers.clone()
    }

    pub(crate) fn keep_peers(&self, peers: BTreeMap<NodeId, u64>) {
        self.kept().peers = peers;
    }

    pub(crate) fn set_identity(&self, identity: Identity) {
        self.kept().identity = Some(identity);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot(&self) -> Option<StoredSnapshot> {
        self.kept().snapshot.clone()
    }

    pub(crate) fn keep_snapshot(&self, snapshot: StoredSnapshot) {
        self.kept().snapshot = Some(snapshot);
    }

    pub(crate) fn state(&self) -> LogState<Types> {
        let kept = self.kept();
        let last = kept.entries.last_key_value().map(|(_, entry)| entry.log_id);
        LogState { last_log_id: last.or(kept.purged), last_purged_log_id: kept.purged }
    }

    pub(crate) fn vote(&self) -> Option<Vote> {
        self.kept().vote
    }

    pub(crate) fn save_vote(&self, vote: Vote) {
        self.kept().vote = Some(vote);
    }

    pub(crate) fn committed(&self) -> Option<LogId> {
        self.kept().committed
    }

    pub(crate) fn save_committed(&self, committed: Option<LogId>) {
        self.kept().committed = committed;
    }

    pub(crate) fn read(&self, start: u64, end: u64, bytes_max: usize) -> Vec<Entry> {
        if start >= end {
            return Vec::new();
        }
        let kept = self.kept();
        let mut bytes = 0;
        let mut read = Vec::new();
        for entry in kept.entries.range(start..end).map(|(_, entry)| entry) {
            bytes += size(entry);
            if bytes > bytes_max && !read.is_empty() {
                break;
            }
            read.push(entry.clone());
        }
        read
    }

    pub(crate) fn append(&self, entries: impl IntoIterator<Item = Entry>) {
        self.kept().entries.extend(entries.into_iter().map(|entry| (entry.log_id.index, entry)));
    }

    pub(crate) fn truncate_after(&self, last: Option<LogId>) {
        let next = last.map_or(0, |id| id.index + 1);
        self.kept().entries.split_off(&next);
    }

    pub(crate) fn purge(&self, upto: LogId) {
        let mut kept = self.kept();
        kept.entries = kept.entries.split_off(&(upto.index + 1));
        if position(kept.purged.as_ref()) < position(Some(&upto)) {
            kept.purged = Some(upto);
        }
    }
}

/// About how many bytes an entry takes.
fn size(entry: &Entry) -> usize {
    Body::from(&entry.payload).size()
}
