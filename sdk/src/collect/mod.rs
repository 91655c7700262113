//! Collecting pairs on the map side: from emission order to sorted, partitioned runs within a budget of memory.
//!
//! Two collectors share the parts below. [`Collector`] takes encoded pairs: the host uses it for plugins that emit pair
//! by pair. The one behind [`Emit`](crate::Emit) knows the app's types and folds values as they come, if the app
//! combines. Both hand over runs to a [`RunSink`].
//!
//! ```text
//! emit ──> batch ──> table (combining, while that pays) ──┐
//!     └──> log of encoded pairs ──────────────────────────┴──> sort by (partition, key, emission) ──> buffers ──> RunSink
//! ```

mod arena;
mod batch;
mod buffer;
mod front;
mod log;
mod region;
mod sort;
mod table;
mod typed;

pub use buffer::RUN_BUFFER_BYTES;
pub(crate) use typed::TypedCollector;

use buffer::RunBuffer;
use log::PairLog;
use std::fmt;

/// The longest encoded key, in bytes.
pub const KEY_BYTES_MAX: usize = 1 << 30;

/// Where runs go.
///
/// A run is one `begin`, some `pairs` and one `end`. Partitions ascend within a run, keys within a partition; equal
/// keys come in emission order.
pub trait RunSink {
    /// Why it takes no more; the collector then drops what it holds.
    type Error: From<KeyTooLong>;

    /// The partition of an encoded key.
    fn partition(&mut self, key: &[u8]) -> Result<u32, Self::Error>;

    /// Whether partitions ascend with the keys, so that pairs which are sorted by key are sorted by partition.
    fn ascends(&self) -> bool {
        false
    }

    /// A run begins.
    fn begin(&mut self) -> Result<(), Self::Error>;

    /// Pairs of one partition: `pairs` times a LEB128 key length, a LEB128 value length, key, value. At most
    /// [`RUN_BUFFER_BYTES`] unless a single pair is longer.
    fn pairs(&mut self, partition: u32, pairs: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// The run is whole.
    fn end(&mut self) -> Result<(), Self::Error>;

    /// Called now and then while many pairs come in and no run is due.
    fn alive(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// A key beyond [`KEY_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTooLong {
    /// Its length in bytes.
    pub bytes: usize,
}

impl fmt::Display for KeyTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a key of {} bytes was emitted; at most {KEY_BYTES_MAX} are possible", self.bytes)
    }
}

impl std::error::Error for KeyTooLong {}

/// Collects encoded pairs and hands over a sorted run whenever its memory is used up.
#[derive(Debug)]
pub struct Collector {
    log: PairLog,
    buffer: RunBuffer,
}

impl Collector {
    /// A collector that holds about so many bytes. One pair is always held, however big.
    pub fn new(memory_bytes: u64) -> Self {
        let memory_bytes = memory_of(memory_bytes);
        Self { log: PairLog::new(memory_bytes), buffer: RunBuffer::default() }
    }

    /// Takes one pair; hands over a run first if there is no room.
    pub fn emit<S: RunSink>(&mut self, key: &[u8], value: &[u8], sink: &mut S) -> Result<(), S::Error> {
        if key.len() > KEY_BYTES_MAX {
            return Err(KeyTooLong { bytes: key.len() }.into());
        }
        if !self.log.push(key, value) {
            self.finish(sink)?;
            // It is empty now.
            let _ = self.log.push(key, value);
        }
        Ok(())
    }

    /// Hands over what is left, if anything. The collector is then empty and may be used again.
    pub fn finish<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        if self.log.is_empty() {
            return Ok(());
        }
        let handed_over = self.hand_over(sink);
        self.log.clear();
        self.buffer.clear();
        handed_over
    }

    fn hand_over<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        self.log.sort(sink)?;
        sink.begin()?;
        for pair in self.log.sorted() {
            self.buffer.push_record(pair.partition, pair.record, sink)?;
        }
        self.buffer.flush(sink)?;
        sink.end()
    }

    /// Bytes of memory that it holds now.
    pub fn held_bytes(&self) -> usize {
        self.log.held_bytes() + self.buffer.held_bytes()
    }
}

/// What of a budget is left for pairs beside the buffers that they go through. So much is mapped, though hardly ever used, so beyond what
/// any machine has there is a bound.
fn memory_of(budget_bytes: u64) -> usize {
    const MEMORY_BYTES_MAX: u64 = 1 << 42;
    let budget = usize::try_from(budget_bytes.min(MEMORY_BYTES_MAX)).unwrap_or(usize::MAX / 4);
    budget - (3 * RUN_BUFFER_BYTES).min(budget / 8)
}

/// Asks for the memory at an address ahead of time. Nothing is read, so any address will do.
#[inline(always)]
fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address has no effect but on the cache.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

#[cfg(test)]
mod tests;
