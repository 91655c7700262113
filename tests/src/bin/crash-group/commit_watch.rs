//! Kills the leader in the middle of a commit: when the first file has its final name, and the last one not yet.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use gristmill_tests::{Signal, signal};

/// A thread that does nothing but look: a commit takes few milliseconds.
pub(crate) struct CommitWatch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// The first file that a commit gives its final name.
    first: PathBuf,
    /// The member to be killed, and its process, once it is time.
    target: Mutex<Option<(u64, u32)>>,
    /// The member that was killed.
    hit: Mutex<Option<u64>>,
    is_over: AtomicBool,
}

impl CommitWatch {
    pub(crate) fn start(output: &Path) -> Self {
        let shared = Arc::new(Shared {
            first: output.join("mr-out-00000"),
            target: Mutex::default(),
            hit: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let watching = shared.clone();
        Self { shared, thread: Some(thread::spawn(move || watch(&watching))) }
    }

    /// Aims at a member that nobody else kills from now on.
    pub(crate) fn aim(&self, target: (u64, u32)) {
        *lock(&self.shared.target) = Some(target);
    }

    /// The member that was killed, once.
    pub(crate) fn take_hit(&self) -> Option<u64> {
        lock(&self.shared.hit).take()
    }
}

impl Drop for CommitWatch {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn watch(shared: &Shared) {
    while !shared.is_over.load(Ordering::Relaxed) {
        let target = lock(&shared.target);
        if let (Some((id, process)), true) = (*target, shared.first.exists()) {
            signal(process, Signal::KILL);
            *lock(&shared.hit) = Some(id);
            return;
        }
        drop(target);
        // Not a wait for anything: it only leaves some of the processor to those who are watched.
        thread::sleep(std::time::Duration::from_micros(200));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
