//! A log on the disk. raft-log writes it, in a thread of its own.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openraft::LogState;
use openraft::storage::IOFlushed;
use openraft::type_config::TypeConfigExt;
use raft_log::api::raft_log_writer::RaftLogWriter;
use raft_log::{Config, RaftLog};

use super::codec::Stored;
use super::gather::{Gather, Synced};
use crate::health::{Health, cannot_keep};
use crate::raft::convert::{entry, position};
use crate::raft::types::{Entry, LogId, Types, Vote};
use crate::raft::wire::{Ballot, Body, Position};

/// Entries of this many bytes are kept in memory as well; older ones are read from the files.
const CACHE_BYTES: usize = 64 << 20;

/// A log on the disk. Clones are the same log.
#[derive(Clone)]
pub(crate) struct DiskLog {
    // Taken out when the node stops: the lock of the directory goes with it, whoever still holds a clone.
    log: Arc<Mutex<Option<RaftLog<Stored>>>>,
    gather: Arc<Gather>,
    directory: Arc<str>,
    health: Arc<Health>,
}

impl fmt::Debug for DiskLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the log in {}", self.directory)
    }
}

/// The settings of a log in this directory. raft-log knows no paths that are not text.
pub(crate) fn config(directory: &Path, file_bytes: u64) -> io::Result<Config> {
    let text = directory.to_str().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "the name of the data directory must be valid UTF-8")
    })?;
    let mut config = Config::new(text);
    // What shares a sync has been gathered before.
    config.wal.flush_batch_wait = Some(Duration::ZERO);
    config.wal.read_buffer_size = Some(1 << 20);
    config.wal.chunk_max_size = Some(usize::try_from(file_bytes.max(1)).unwrap_or(usize::MAX));
    config.log_cache_capacity = Some(CACHE_BYTES);
    Ok(config)
}

impl DiskLog {
    /// Opens the log, or makes it. [`scan`](super::scan) must have found it sound.
    pub(crate) fn open(directory: &Path, file_bytes: u64, health: Arc<Health>) -> io::Result<Self> {
        let config = config(directory, file_bytes)?;
        let text = Arc::from(config.wal.dir.as_str());
        let log = Arc::new(Mutex::new(Some(RaftLog::open(Arc::new(config))?)));
        let log = Self { log, gather: Arc::default(), directory: text, health };
        tokio::spawn(log.clone().sync_on());
        Ok(log)
    }

    /// Begins a sync whenever one has ended and others wait for the next, until the log is closed.
    async fn sync_on(self) {
        loop {
            self.gather.due().await;
            if self.with(|log| self.sync(log)).is_err() {
                self.gather.give_up();
                return;
            }
        }
    }

    fn sync(&self, log: &mut RaftLog<Stored>) -> io::Result<()> {
        let Some(waiting) = self.gather.begin() else { return Ok(()) };
        // No clone of the log goes along: the thread that writes must never be the one to drop it.
        let (health, directory) = (self.health.clone(), self.directory.clone());
        let failed = move |error: &io::Error| health.fail(|| cannot_keep("log", &directory, error));
        log.flush(true, Some(Synced::new(waiting, self.gather.clone(), failed)))
    }

    /// Writes what is left and lets go of the directory.
    pub(crate) fn close(&self) {
        drop(self.lock().take());
        self.gather.give_up();
    }

    fn lock(&self) -> MutexGuard<'_, Option<RaftLog<Stored>>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, act: impl FnOnce(&mut RaftLog<Stored>) -> io::Result<T>) -> io::Result<T> {
        let mut guard = self.lock();
        let Some(log) = guard.as_mut() else { return Err(io::Error::other("the log is closed")) };
        act(log).inspect_err(|error| self.failed(error))
    }

    fn failed(&self, error: &io::Error) {
        self.health.fail(|| cannot_keep("log", &self.directory, error));
    }

    pub(crate) fn state(&self) -> io::Result<LogState<Types>> {
        self.with(|log| {
            let state = log.log_state();
            Ok(LogState {
                last_log_id: state.last().map(|at| LogId::from(*at)),
                last_purged_log_id: state.purged().map(|at| LogId::from(*at)),
            })
        })
    }

    pub(crate) fn vote(&self) -> io::Result<Option<Vote>> {
        self.with(|log| Ok(log.log_state().vote().map(|ballot| Vote::from(*ballot))))
    }

    pub(crate) fn committed(&self) -> io::Result<Option<LogId>> {
        self.with(|log| Ok(log.log_state().committed().map(|at| LogId::from(*at))))
    }

    pub(crate) fn read(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        if start >= end {
            return Ok(Vec::new());
        }
        self.with(|log| {
            let mut bytes = 0;
            let mut read = Vec::new();
            for item in log.read(start, end) {
                let (at, body) = item?;
                bytes += body.size();
                if bytes > bytes_max && !read.is_empty() {
                    break;
                }
                read.push(entry(at, body).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?);
            }
            Ok(read)
        })
    }

    pub(crate) async fn save_vote(&self, vote: &Vote) -> io::Result<()> {
        let (sender, receiver) = Types::oneshot();
        self.with(|log| {
            log.save_vote(Ballot::from(vote))?;
            self.gather.add(IOFlushed::signal(sender));
            self.sync(log)
        })?;
        receiver.await.unwrap_or_else(|_| Err(io::Error::other("the log is closed")))
    }

    /// Goes to the disk with the next vote or entry.
    pub(crate) fn save_committed(&self, committed: Option<LogId>) -> io::Result<()> {
        let Some(committed) = position(committed.as_ref()) else { return Ok(()) };
        self.with(|log| {
            let state = log.log_state();
            // After a snapshot from another node the log may end before it: the snapshot says the same.
            if state.committed() < Some(&committed) && Some(&committed) <= state.last() {
                log.commit(committed)?;
            }
            Ok(())
        })
    }

    pub(crate) fn append(
        &self,
        entries: impl IntoIterator<Item = Entry>,
        flushed: IOFlushed<Types>,
    ) -> io::Result<()> {
        self.with(|log| {
            let entries = entries.into_iter().map(|e| (Position::from(&e.log_id), Body::from(&e.payload)));
            log.append(entries)?;
            self.gather.add(flushed);
            self.sync(log)
        })
    }

    /// Goes to the disk with the next entry: until then, entries that come back were never committed.
    pub(crate) fn truncate_after(&self, last: Option<LogId>) -> io::Result<()> {
        self.with(|log| match position(last.as_ref()) {
            last if last >= log.log_state().last().copied() => Ok(()),
            last => log.truncate(last.map_or(0, |at| at.index + 1)).map(drop),
        })
    }

    pub(crate) fn purge(&self, upto: LogId) -> io::Result<()> {
        self.with(|log| {
            log.purge(Position::from(&upto))?;
            log.flush(true, None)
        })
    }
}
