//! How large the next map task is to be.
//!
//! Falling sizes are handed out in rounds, one task for each slot: a round takes seven eighths of what is left, so 1 GiB on two slots
//! becomes 2 × 448, 2 × 56 and 2 × 8 MiB. A slot that is slow gets fewer of the later ones, and what the last ones
//! differ in is small beside the whole. Every task adds its own distinct keys to the shuffle, so many equal tasks would cost more.

use gristmill_model::{InputFile, InputMode, PluginInfo};

use super::{cut, pack};

const MIB: u64 = 1 << 20;
/// A lost attempt should not cost more than this.
const LARGEST_BYTES: u64 = 1 << 30;
/// A task costs about a millisecond beside its work: below this it is not worth its start.
pub(super) const SMALLEST_BYTES: u64 = MIB;
/// From this share of a slot on, apps with a combiner get tasks that go on over the ends of files: with less, there are few keys to combine.
const JOINED_SHARE_MIN: u64 = 16 * MIB;
/// The last round has tasks of a sixteenth of a slot's share, since smaller ones would end no more together than the slots' speeds allow …
const LAST_PER_SHARE: u64 = 16;
/// … and of no more than this, however long the job.
const LAST_BYTES_MAX: u64 = 32 * MIB;

/// Without a combiner so much is enough for a task: memory that was never touched before costs more than a few runs more …
const PAIRS_BYTES: u64 = 64 * MIB;
/// … as long as a reduce can merge them all at once with ease.
const RUNS_COMFORTABLE: u64 = 96;

/// The largest size of a piece for a job whose user named none.
///
/// With a combiner a task needs memory for its distinct keys only, whatever it reads. Without one it keeps all pairs: a task whose
/// pairs fit the plugin's share of the memory (3/8, see the dataplane's budget) ends as one run without having spilled. A pair of
/// a hundred bytes needs a quarter more than its bytes, and there are buffers.
///
/// Where files are many, opening them is most of a slot's share if they are tiny, so that counts in it.
pub(super) fn largest_bytes(plugin: &PluginInfo, memory_bytes: u64, inputs: &[InputFile], slots: u32) -> u64 {
    let total_bytes = cut::total_bytes(inputs);
    let total_cost = if pack::are_many(inputs, slots) { pack::total_cost(inputs) } else { total_bytes };
    let share = total_cost.div_ceil(u64::from(slots.max(1)));
    let largest = if plugin.combines {
        LARGEST_BYTES
    } else {
        (total_bytes / RUNS_COMFORTABLE).max(PAIRS_BYTES).min(memory_bytes / 8 * 3 / 4 * 3)
    };
    largest.min(seven_eighths(share)).clamp(SMALLEST_BYTES, LARGEST_BYTES)
}

/// Whether tasks go on over the ends of files. A key that is in every file is combined then, and leaves the map once for a task
/// instead of once for a file.
pub(super) fn are_joined(plugin: &PluginInfo, inputs: &[InputFile], slots: u32) -> bool {
    plugin.combines
        && plugin.input_mode != InputMode::File
        && cut::total_bytes(inputs) / u64::from(slots.max(1)) >= JOINED_SHARE_MIN
}

/// The size of the next task, and of those after it.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    largest: u64,
    falling: Option<Falling>,
}

#[derive(Clone, Debug)]
struct Falling {
    slots: u64,
    /// Below this a round is the last one.
    last: u64,
    /// What is not in any task yet.
    remaining: u64,
    /// Of the tasks of this round.
    size: u64,
    left_in_round: u64,
}

impl Sizes {
    /// None larger than `largest`.
    pub(super) fn even(largest: u64) -> Self {
        Self { largest: largest.max(1), falling: None }
    }

    /// `total` in tasks of at most `largest` at first.
    pub(super) fn falling(largest: u64, total: u64, slots: u32) -> Self {
        let (largest, slots) = (largest.max(1), u64::from(slots.max(1)));
        let last = (total / slots / LAST_PER_SHARE).clamp(SMALLEST_BYTES, LAST_BYTES_MAX).min(largest);
        let falling = Falling { slots, last, remaining: total, size: 0, left_in_round: 0 };
        let mut sizes = Self { largest, falling: Some(falling) };
        sizes.begin_round();
        sizes
    }

    /// What the next task is to take.
    pub(super) fn target(&self) -> u64 {
        let falling = self.falling.as_ref().map(|falling| falling.size.max(SMALLEST_BYTES / 2));
        falling.map_or(self.largest, |size| size.min(self.largest))
    }

    /// How much more than that it may take when nothing would be left afterwards: a piece that is far smaller than its peers is not worth it.
    pub(super) fn slack(&self) -> u64 {
        let target = self.target();
        if self.falling.is_some() { (target / 8).min(self.largest.saturating_sub(target)) } else { 0 }
    }

    pub(super) fn are_even(&self) -> bool {
        self.falling.is_none()
    }

    /// So much has been given to a task.
    pub(super) fn take(&mut self, bytes: u64) {
        if let Some(falling) = &mut self.falling {
            falling.remaining = falling.remaining.saturating_sub(bytes);
        }
    }

    /// That task is complete.
    pub(super) fn end_task(&mut self) {
        let Some(falling) = &mut self.falling else { return };
        falling.left_in_round = falling.left_in_round.saturating_sub(1);
        if falling.left_in_round == 0 {
            self.begin_round();
        }
    }

    fn begin_round(&mut self) {
        let largest = self.largest;
        let Some(falling) = &mut self.falling else { return };
        let size = seven_eighths(falling.remaining / falling.slots);
        if size >= falling.last {
            (falling.size, falling.left_in_round) = (size.min(largest), falling.slots);
            return;
        }
        let tasks = falling.remaining.div_ceil(SMALLEST_BYTES.min(largest)).clamp(1, falling.slots);
        (falling.size, falling.left_in_round) = (falling.remaining.div_ceil(tasks).min(largest), tasks);
    }
}

fn seven_eighths(bytes: u64) -> u64 {
    bytes - bytes / 8
}
