//! Group commit: one sync at a time, and whatever comes in during it shares the next.
//!
//! raft-log syncs once for all that it finds queued within its flush wait. With a wait, a lone entry is late; without one, each entry
//! gets a sync of its own. So what waits, waits here, and raft-log is asked for one sync after the other.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::IOFlushed;
use tokio::sync::Notify;

use crate::raft::types::Types;

/// Those who wait for a sync.
#[derive(Default)]
pub(super) struct Gather {
    state: Mutex<State>,
    free: Notify,
}

#[derive(Default)]
struct State {
    syncing: bool,
    waiting: Vec<IOFlushed<Types>>,
}

impl Gather {
    /// Someone whose bytes are in the log's buffer.
    pub(super) fn add(&self, flushed: IOFlushed<Types>) {
        self.lock().waiting.push(flushed);
    }

    /// All who wait, if no sync is under way: it begins now.
    pub(super) fn begin(&self) -> Option<Vec<IOFlushed<Types>>> {
        let mut state = self.lock();
        if state.syncing || state.waiting.is_empty() {
            return None;
        }
        state.syncing = true;
        Some(std::mem::take(&mut state.waiting))
    }

    /// The sync has ended, well or not. Called by the thread that syncs, so nothing here may wait for it.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.syncing = false;
        if !state.waiting.is_empty() {
            self.free.notify_one();
        }
    }

    /// Until a sync has ended and others wait.
    pub(super) async fn due(&self) {
        self.free.notified().await;
    }

    /// Nothing will be synced any more.
    pub(super) fn give_up(&self) {
        for waiting in std::mem::take(&mut self.lock().waiting) {
            waiting.io_completed(Err(io::Error::other("the log is closed")));
        }
        self.free.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Called by the thread that writes the log, once all is on the disk. It is an error that it is dropped before: the thread has then
/// died of an earlier one.
pub(crate) struct Synced {
    waiting: Vec<IOFlushed<Types>>,
    gather: Arc<Gather>,
    failed: Box<dyn Fn(&io::Error) + Send>,
    told: bool,
}

impl Synced {
    pub(super) fn new(
        waiting: Vec<IOFlushed<Types>>,
        gather: Arc<Gather>,
        failed: impl Fn(&io::Error) + Send + 'static,
    ) -> Self {
        Self { waiting, gather, failed: Box::new(failed), told: false }
    }

    fn tell(&mut self, result: io::Result<()>) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        if let Err(error) = &result {
            (self.failed)(error);
        }
        for waiting in std::mem::take(&mut self.waiting) {
            waiting.io_completed(match &result {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            });
        }
        self.gather.end();
    }
}

impl raft_log::Callback for Synced {
    fn send(mut self, result: io::Result<()>) {
        self.tell(result);
    }
}

impl Drop for Synced {
    fn drop(&mut self) {
        self.tell(Err(io::Error::other("the log was closed, or could not be written before")));
    }
}
