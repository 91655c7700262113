//! Records what many clients ask and are answered, on one clock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Operation;

/// A history in the making. Its clock is a counter: who draws a number before another is earlier, whatever the machine's clocks do.
pub struct Recorder<C, A> {
    clock: AtomicU64,
    is_over: AtomicBool,
    history: Mutex<Vec<Operation<C, A>>>,
}

impl<C, A> Default for Recorder<C, A> {
    fn default() -> Self {
        Self { clock: AtomicU64::new(1), is_over: AtomicBool::new(false), history: Mutex::default() }
    }
}

impl<C, A> Recorder<C, A> {
    /// The time. No two are the same.
    pub fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Adds an operation of which its client knows all that it will know.
    pub fn add(&self, operation: Operation<C, A>) {
        self.history().push(operation);
    }

    /// How many operations were added.
    pub fn count(&self) -> usize {
        self.history().len()
    }

    /// How many of them were answered.
    pub fn answered(&self) -> usize {
        self.history().iter().filter(|operation| operation.answered.is_some()).count()
    }

    /// Asks the clients to begin no more operations.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Whether clients are to begin no more.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// The history.
    pub fn into_history(self) -> Vec<Operation<C, A>> {
        self.history.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self) -> MutexGuard<'_, Vec<Operation<C, A>>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
