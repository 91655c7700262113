//! Where entries and the vote are kept: in memory, or on the disk through raft-log.
//!
//! Durable is, once the call has returned: a vote. Once its callback has been called: an entry. The place up to which entries are
//! known to be committed is written along with the next of these, so it may be a little old after a crash; the leader tells.

mod codec;
mod disk;
mod gather;
mod memory;
pub(crate) mod scan;
mod slow;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};

pub use memory::MemoryStore;

pub(crate) use disk::DiskLog;

use crate::raft::types::{Entry, LogId, Types, Vote};

/// The bytes of entries that are read at once for one message, unless the first alone is longer.
pub(crate) const READ_BYTES_MAX: usize = 1 << 20;

/// The log of one node.
#[derive(Clone, Debug)]
pub(crate) enum LogStore {
    Memory(MemoryStore),
    Disk(DiskLog),
}

impl LogStore {
    /// Lets go of the files. A log in memory stays.
    pub(crate) fn close(&self) {
        if let Self::Disk(log) = self {
            log.close();
        }
    }

    pub(crate) fn state(&self) -> io::Result<LogState<Types>> {
        match self {
            Self::Memory(log) => Ok(log.state()),
            Self::Disk(log) => log.state(),
        }
    }

    pub(crate) fn vote(&self) -> io::Result<Option<Vote>> {
        match self {
            Self::Memory(log) => Ok(log.vote()),
            Self::Disk(log) => log.vote(),
        }
    }

    /// The entries from `start` on and before `end`, as many as fit into `bytes_max`, and at least one.
    fn read(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        match self {
            Self::Memory(log) => Ok(log.read(start, end, bytes_max)),
            Self::Disk(log) => log.read(start, end, bytes_max),
        }
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        self.read(start, end, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start, end, READ_BYTES_MAX)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        self.vote()
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        self.state()
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        match self {
            Self::Memory(log) => {
                log.save_vote(*vote).await;
                Ok(())
            }
            Self::Disk(log) => log.save_vote(vote).await,
        }
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        match self {
            Self::Memory(log) => {
                log.save_committed(committed);
                Ok(())
            }
            Self::Disk(log) => log.save_committed(committed),
        }
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        match self {
            Self::Memory(log) => Ok(log.committed()),
            Self::Disk(log) => log.committed(),
        }
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        match self {
            Self::Memory(log) => {
                log.append(entries, || callback.io_completed(Ok(())));
                Ok(())
            }
            Self::Disk(log) => log.append(entries, callback),
        }
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        match self {
            Self::Memory(log) => {
                log.truncate_after(last);
                Ok(())
            }
            Self::Disk(log) => log.truncate_after(last),
        }
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        match self {
            Self::Memory(log) => {
                log.purge(upto);
                Ok(())
            }
            Self::Disk(log) => log.purge(upto),
        }
    }
}
