//! What a running attempt lets others see: that it is alive, and how far it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Figures of a running attempt, shared with the thread that reports them. Clones are the same cell.
///
/// One thread counts (the one that runs the attempt), any number read: so counting needs no atomic addition.
#[derive(Clone, Debug, Default)]
pub struct ProgressCell(Arc<Figures>);

#[derive(Debug, Default)]
struct Figures {
    ticks: AtomicU64,
    bytes_in: AtomicU64,
}

impl ProgressCell {
    /// All zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Grows whenever the attempt does something.
    pub fn ticks(&self) -> u64 {
        self.0.ticks.load(Ordering::Relaxed)
    }

    /// Bytes of its splits, or of its segments, consumed as they are stored.
    pub fn bytes_in(&self) -> u64 {
        self.0.bytes_in.load(Ordering::Relaxed)
    }

    pub(crate) fn tick(&self) {
        self.0.ticks.store(self.ticks().wrapping_add(1), Ordering::Relaxed);
    }

    pub(crate) fn consumed(&self, bytes: u64) {
        self.0.bytes_in.store(self.bytes_in().wrapping_add(bytes), Ordering::Relaxed);
        self.tick();
    }
}
