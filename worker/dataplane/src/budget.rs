//! How the memory of a slot is shared out.
//!
//! ```text
//!                      share of the budget        at least     at most
//! process 9 MiB, the plugin's code and all that is small
//! map     decoder      the window of compressed input  –        1/2    8 MiB are always granted; leaves less for records
//!         plugin       3/8  collected pairs       1/16              –      told to the plugin, which hands over runs in time
//!         record       what these leave            2 MiB         1/2    256 KiB in use unless one record is longer
//!         run block    1/256                        4 KiB     256 KiB    one, being filled
//!         merge        1/4  buffers and indexes    two runs       –      after the last block of input is gone
//! reduce  merge        1/2  buffers and indexes    two runs       –      the longest value of all runs counts in
//!         groups       1/1024                       1 KiB      64 KiB    one batch, or one key if that is longer
//!         values       1/1024                       1 KiB      64 KiB    one batch
//! output  block        1/256                      128 KiB     2 MiB    two: one is filled while the other is written
//! ```
//!
//! What is longer than a buffer (a line, a pair, a value) takes a buffer of its own length while it passes. A merge has no more than is
//! left beside the process, which of a small budget takes most.

use crate::run::ReadLimits;

/// The shares of one slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    memory_bytes: u64,
    /// What a decoder of compressed input takes of it.
    decoder_bytes: u64,
}

/// Most runs that are merged at once: each costs a file descriptor, and beyond this a second pass is cheap beside the reading.
const FAN_IN_MAX: usize = 256;

/// What a slot takes before it does anything, and what is small or the same for all budgets.
const PROCESS_BYTES: u64 = 9 * MIB;

/// The zstd window that is always granted: the format asks decoders for so much.
const WINDOW_BYTES_GRANTED: u64 = 8 * MIB;

/// What a decoder takes beside its window.
const DECODER_BUFFER_BYTES: u64 = 512 * KIB;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// How much a merge may hold open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FanIn {
    /// Sources at once; two at least.
    pub(crate) sources_max: usize,
    /// Bytes of all their read buffers and indexes; exceeded only by the two sources that are the least.
    pub(crate) bytes_max: u64,
    /// Read buffer of one source, unless it has a longer block.
    pub(crate) window_bytes: usize,
    /// Longest block that is read at all.
    pub(crate) block_bytes_max: u64,
}

impl FanIn {
    pub(crate) fn limits(self) -> ReadLimits {
        ReadLimits { window_bytes: self.window_bytes, block_bytes_max: self.block_bytes_max }
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Budget {
    pub(crate) fn new(memory_bytes: u64) -> Self {
        Self { memory_bytes, decoder_bytes: 0 }
    }

    /// What is left beside a decoder whose window takes so much. One that wants more than half of the memory does not get it.
    pub(crate) fn beside_decoder(self, window_bytes: u64) -> Self {
        let window_bytes = window_bytes.min((self.memory_bytes / 2).max(WINDOW_BYTES_GRANTED));
        Self { decoder_bytes: window_bytes.saturating_add(DECODER_BUFFER_BYTES), ..self }
    }

    /// The longest window that zstd data may ask for.
    pub(crate) fn window_bytes_max(self) -> u64 {
        self.decoder_bytes.saturating_sub(DECODER_BUFFER_BYTES).max(WINDOW_BYTES_GRANTED)
    }

    pub(crate) fn plugin_bytes(self) -> u64 {
        let share = self.memory_bytes / 8 * 3;
        let beside_decoder = match self.decoder_bytes {
            0 => share,
            taken => self.memory_bytes.saturating_sub(taken + PROCESS_BYTES),
        };
        share.min(beside_decoder).max(self.memory_bytes / 16).max(4 * KIB)
    }

    /// A long record is there together with pairs collected before it, or with the pair that the app makes of it.
    pub(crate) fn record_bytes_max(self) -> usize {
        let taken = self.plugin_bytes() + self.decoder_bytes + PROCESS_BYTES;
        let beside_plugin = self.memory_bytes.saturating_sub(taken);
        let least = if self.decoder_bytes == 0 { 2 * MIB } else { MIB };
        size(beside_plugin.max(least).min(self.memory_bytes / 2).max(64 * KIB))
    }

    pub(crate) fn input_block_bytes(self) -> usize {
        size((self.memory_bytes / 64).clamp(4 * KIB, 256 * KIB))
    }

    pub(crate) fn run_block_bytes(self) -> usize {
        size((self.memory_bytes / 256).clamp(4 * KIB, 256 * KIB))
    }

    pub(crate) fn batch_bytes(self) -> usize {
        size((self.memory_bytes / 1024).clamp(KIB, 64 * KIB))
    }

    pub(crate) fn output_block_bytes(self) -> usize {
        size((self.memory_bytes / 256).clamp(128 * KIB, 2 * MIB))
    }

    pub(crate) fn spill_fan_in(self) -> FanIn {
        // A plugin may keep what it has collected in; those of the sdk give it back when there is something to merge.
        self.fan_in(self.memory_bytes / 4, self.memory_bytes.saturating_sub(self.plugin_bytes()))
    }

    pub(crate) fn reduce_fan_in(self) -> FanIn {
        self.fan_in(self.memory_bytes / 2, self.memory_bytes)
    }

    /// A share of the memory, of which so much is free but for the process itself.
    fn fan_in(self, share_bytes: u64, free_bytes: u64) -> FanIn {
        // With less than this a merge of many runs would take too many passes.
        let least_bytes = self.memory_bytes / 8;
        FanIn {
            sources_max: FAN_IN_MAX,
            bytes_max: share_bytes.min(free_bytes.saturating_sub(PROCESS_BYTES).max(least_bytes)),
            window_bytes: self.run_block_bytes(),
            block_bytes_max: self.memory_bytes.max(MIB),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_windows_are_there_together() {
        for mebibytes in [32, 64, 128, 512, 4096] {
            let memory_bytes = mebibytes * MIB;
            for window_bytes in [0, 8 * MIB, memory_bytes / 4, memory_bytes / 2, u64::MAX] {
                let budget = Budget::new(memory_bytes).beside_decoder(window_bytes);
                let record_bytes = budget.record_bytes_max() as u64;
                let taken = budget.decoder_bytes + budget.plugin_bytes() + record_bytes + PROCESS_BYTES;
                assert!(taken <= memory_bytes + MIB, "{mebibytes} MiB, window of {window_bytes}: {taken}");
                assert!(budget.window_bytes_max() >= window_bytes.min(memory_bytes / 2));
            }
        }
    }
}
