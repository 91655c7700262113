//! What of a log in memory a crash would leave, as if it were on a disk that takes its time.
//!
//! As on a real one, writes become safe in the order in which they were made: a sync makes safe what was written before it began.

use std::collections::VecDeque;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::memory::{Log, Write};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct SlowDisk {
    /// How long a sync takes at most; each takes another time.
    sync_max: Duration,
    /// The log as it would be found after a crash.
    pub(super) synced: Log,
    /// The writes that it lacks.
    unsynced: VecDeque<Write>,
    /// How many writes there were.
    written: u64,
}

impl SlowDisk {
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn new(sync_max: Duration, synced: Log) -> Self {
        Self { sync_max, synced, unsynced: VecDeque::new(), written: 0 }
    }

    /// What is left of it after a crash.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn after_crash(&self) -> Self {
        Self::new(self.sync_max, self.synced.clone())
    }

    pub(super) fn write(&mut self, write: Write) {
        self.written += 1;
        self.unsynced.push_back(write);
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Whether so many writes are safe.
    pub(super) fn has_synced(&self, writes: u64) -> bool {
        self.written - self.unsynced.len() as u64 >= writes
    }

    /// How long the sync takes that begins now.
    pub(super) fn sync_time(&self) -> Duration {
        let part = xxh3_64(&self.written.to_le_bytes()) % 1000;
        self.sync_max.mul_f64(part as f64 / 1000.0)
    }

    /// So many writes are safe.
    pub(super) fn set_synced(&mut self, writes: u64) {
        while !self.has_synced(writes)
            && let Some(write) = self.unsynced.pop_front()
        {
            self.synced.apply(write);
        }
    }
}
