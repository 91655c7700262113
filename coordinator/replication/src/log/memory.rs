//! A store in memory: for a group that may forget with its process, and for tests of what must not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::LogState;
use tokio::time::sleep;

use super::slow::SlowDisk;
use crate::directory::Identity;
use crate::network::NodeId;
use crate::raft::convert::position;
use crate::raft::types::{Entry, LogId, Types, Vote};
use crate::raft::wire::Body;
use crate::snapshot::StoredSnapshot;

/// A log and a snapshot in memory. Clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    kept: Arc<Mutex<Kept>>,
    /// Held while something is synced: one sync at a time, in the order of the writes.
    syncing: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    log: Log,
    snapshot: Option<StoredSnapshot>,
    identity: Option<Identity>,
    peers: BTreeMap<NodeId, u64>,
    /// None where everything is safe at once.
    disk: Option<SlowDisk>,
}

/// What stands in a log.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    entries: BTreeMap<u64, Entry>,
}

/// A change of a log.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Vote(Vote),
    Committed(Option<LogId>),
    Append(Vec<Entry>),
    TruncateAfter(Option<LogId>),
    Purge(LogId),
}

impl MemoryStore {
    /// A store like a disk whose syncs take up to this long.
    #[cfg(any(test, feature = "testing"))]
    pub fn slow(sync_max: std::time::Duration) -> Self {
        let disk = Some(SlowDisk::new(sync_max, Log::default()));
        Self::of(Kept { disk, ..Kept::default() })
    }

    /// What is left of it when its node crashes now: a store of its own, without what is not synced. Whatever the dying node still
    /// writes is lost.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn after_crash(&self) -> Self {
        let mut kept = self.kept().clone();
        if let Some(disk) = &mut kept.disk {
            *disk = disk.after_crash();
            kept.log = disk.synced.clone();
        }
        Self::of(kept)
    }

    #[cfg(any(test, feature = "testing"))]
    fn of(kept: Kept) -> Self {
        Self { kept: Arc::new(Mutex::new(kept)), syncing: Arc::default() }
    }

    /// How many bytes of entries and of a snapshot are held.
    pub fn bytes(&self) -> (u64, u64) {
        let kept = self.kept();
        let entries = kept.log.entries.values().map(|entry| size(entry) as u64).sum();
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
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot(&self) -> Option<StoredSnapshot> {
        self.kept().snapshot.clone()
    }

    pub(crate) fn keep_snapshot(&self, snapshot: StoredSnapshot) {
        self.kept().snapshot = Some(snapshot);
    }

    pub(crate) fn state(&self) -> LogState<Types> {
        let kept = self.kept();
        let last = kept.log.entries.last_key_value().map(|(_, entry)| entry.log_id);
        LogState { last_log_id: last.or(kept.log.purged), last_purged_log_id: kept.log.purged }
    }

    pub(crate) fn vote(&self) -> Option<Vote> {
        self.kept().log.vote
    }

    pub(crate) fn committed(&self) -> Option<LogId> {
        self.kept().log.committed
    }

    pub(crate) fn read(&self, start: u64, end: u64, bytes_max: usize) -> Vec<Entry> {
        if start >= end {
            return Vec::new();
        }
        let kept = self.kept();
        let mut bytes = 0;
        let mut read = Vec::new();
        for entry in kept.log.entries.range(start..end).map(|(_, entry)| entry) {
            bytes += size(entry);
            if bytes > bytes_max && !read.is_empty() {
                break;
            }
            read.push(entry.clone());
        }
        read
    }

    /// Safe when it returns, with all that was written before.
    pub(crate) async fn save_vote(&self, vote: Vote) {
        if let Some(write) = self.write(Write::Vote(vote)) {
            self.sync(write).await;
        }
    }

    pub(crate) fn save_committed(&self, committed: Option<LogId>) {
        self.write(Write::Committed(committed));
    }

    /// The entries are there at once, and safe when `safe` is called.
    pub(crate) fn append(
        &self,
        entries: impl IntoIterator<Item = Entry>,
        safe: impl FnOnce() + Send + 'static,
    ) {
        match self.write(Write::Append(entries.into_iter().collect())) {
            None => safe(),
            Some(write) => {
                let store = self.clone();
                tokio::spawn(async move {
                    store.sync(write).await;
                    safe();
                });
            }
        }
    }

    pub(crate) fn truncate_after(&self, last: Option<LogId>) {
        self.write(Write::TruncateAfter(last));
    }

    pub(crate) fn purge(&self, upto: LogId) {
        self.write(Write::Purge(upto));
    }

    /// How many writes there were with this one, if a sync must make it safe.
    fn write(&self, write: Write) -> Option<u64> {
        let mut kept = self.kept();
        if let Some(disk) = &mut kept.disk {
            disk.write(write.clone());
        }
        kept.log.apply(write);
        kept.disk.as_ref().map(SlowDisk::written)
    }

    /// Returns when so many writes are safe.
    async fn sync(&self, writes: u64) {
        let _syncing = self.syncing.lock().await;
        let begun = |disk: &SlowDisk| (!disk.has_synced(writes)).then(|| (disk.written(), disk.sync_time()));
        let begun = self.kept().disk.as_ref().and_then(begun);
        let Some((written, time)) = begun else { return };
        sleep(time).await;
        if let Some(disk) = &mut self.kept().disk {
            disk.set_synced(written);
        }
    }
}

impl Log {
    pub(super) fn apply(&mut self, write: Write) {
        match write {
            Write::Vote(vote) => self.vote = Some(vote),
            Write::Committed(committed) => self.committed = committed,
            Write::Append(entries) => {
                self.entries.extend(entries.into_iter().map(|entry| (entry.log_id.index, entry)));
            }
            Write::TruncateAfter(last) => {
                let next = last.map_or(0, |id| id.index + 1);
                self.entries.split_off(&next);
            }
            Write::Purge(upto) => {
                self.entries = self.entries.split_off(&(upto.index + 1));
                if position(self.purged.as_ref()) < position(Some(&upto)) {
                    self.purged = Some(upto);
                }
            }
        }
    }
}

/// About how many bytes an entry takes.
fn size(entry: &Entry) -> usize {
    Body::from(&entry.payload).size()
}
