//! How inputs become map tasks: which pieces of which files each task maps.
//!
//! Pieces stay in input order, and so do the tasks, for the order of tasks is the order in which values come. An empty file gives no task,
//! except in `File` mode, whose apps may want to see it. A job may so have no map task at all; it still ends, with empty outputs.

mod cut;
mod pack;
mod sizes;
#[cfg(test)]
mod tests;

use std::ops::Range;

use gristmill_model::{InputFile, JobOptions, JobSpec, PluginInfo, Split};
use serde::{Deserialize, Serialize};

use self::cut::Cutter;
use self::pack::Packing;
use self::sizes::Sizes;

/// Slots that a job is planned for when nobody knows how many there will be: few enough for tasks that are worth their start, and
/// enough for workers that join later.
const SLOTS_UNKNOWN: u32 = 16;

/// The rule by which the map tasks of a job follow from its spec. A fact records it, so a new rule is a new variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Planner {
    /// Files in order, each cut into pieces of nearly equal size; one piece is one map task.
    EvenPieces,
    /// The same, but where there would be very many tasks, small files share one.
    EvenTasks {
        /// What the job is planned for.
        slots: u32,
    },
    /// Large tasks first and ever smaller ones towards the end, so that they are few and yet end together whatever the slots' speed;
    /// small files share a task as with `EvenTasks`.
    FallingTasks {
        /// What the job is planned for.
        slots: u32,
    },
    /// The same, but every task goes on over the ends of files until it is full: for apps with a combiner, of which each task adds its
    /// own distinct keys to the shuffle.
    JoinedTasks {
        /// What the job is planned for.
        slots: u32,
    },
}

/// The map tasks of a job. There may be millions, so names are left in the spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pieces: Vec<Piece>,
    /// Where the pieces of each task end.
    ends: Vec<u32>,
}

/// A split without its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    file: u32,
    offset: u64,
    bytes: u64,
}

/// How the map tasks of a job are planned: the rule and the largest size of a piece, which is the user's if there is one.
pub fn choose_plan(
    plugin: &PluginInfo,
    options: &JobOptions,
    inputs: &[InputFile],
    live_slots: u32,
) -> (Planner, u64) {
    let slots = options.slots.unwrap_or(live_slots);
    let slots = if slots == 0 { SLOTS_UNKNOWN } else { slots };
    match options.split_bytes {
        Some(bytes) => (Planner::EvenTasks { slots }, bytes),
        None => {
            let largest = sizes::largest_bytes(plugin, options.memory_bytes, inputs, slots);
            let joined = sizes::are_joined(plugin, inputs, slots);
            (if joined { Planner::JoinedTasks { slots } } else { Planner::FallingTasks { slots } }, largest)
        }
    }
}

impl Planner {
    /// How many map tasks there will be, without making them. Counts no further than one above `most`.
    pub(crate) fn count(self, spec: &JobSpec, most: u64) -> u64 {
        match self {
            Self::EvenPieces => cut::even_count(spec),
            Self::EvenTasks { .. } | Self::FallingTasks { .. } | Self::JoinedTasks { .. } => {
                let mut tasks = self.cutter(spec).filter(|(_, begins)| *begins).map(|_| 1);
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                tasks.by_ref().take(most.saturating_add(1)).sum()
            }
        }
    }

    /// The tasks. Call it for plans whose count is known to be bearable.
    pub(crate) fn plan(self, spec: &JobSpec) -> Plan {
        let mut plan = Plan::default();
        match self {
            Self::EvenPieces => cut::even_pieces(spec).for_each(|piece| plan.push(piece, true)),
            Self::EvenTasks { .. } | Self::FallingTasks { .. } | Self::JoinedTasks { .. } => {
                self.cutter(spec).for_each(|(piece, begins)| plan.push(piece, begins));
            }
        }
        plan
    }

    fn cutter(self, spec: &JobSpec) -> Cutter<'_> {
        let (slots, falling) = match self {
            Self::EvenPieces => (1, false),
            Self::EvenTasks { slots } => (slots.max(1), false),
            Self::FallingTasks { slots } | Self::JoinedTasks { slots } => (slots.max(1), true),
        };
        let sizes = |total| {
            if falling {
                Sizes::falling(spec.split_bytes, total, slots)
            } else {
                Sizes::even(spec.split_bytes)
            }
        };
        let packed = |packing: Packing| Cutter::new(spec, sizes(packing.total_cost()), Some(packing));
        if let Self::JoinedTasks { .. } = self {
            return packed(Packing::joined(spec));
        }
        let plain = Cutter::new(spec, sizes(cut::total_bytes(&spec.inputs)), None);
        match Packing::for_many(spec, slots, plain.clone()) {
            None => plain,
            Some(packing) => packed(packing),
        }
    }
}

impl Plan {
    fn push(&mut self, piece: Piece, begins_task: bool) {
        self.pieces.push(piece);
        let end = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
        match self.ends.last_mut() {
            Some(last) if !begins_task => *last = end,
            _ => self.ends.push(end),
        }
    }

    /// How many tasks.
    pub(crate) fn tasks(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces of one task, at least one; none of a task that is not there.
    pub(crate) fn pieces(&self, task: u32) -> &[Piece] {
        self.pieces.get(self.range(task)).unwrap_or_default()
    }

    /// Bytes that a task reads.
    pub(crate) fn bytes(&self, task: u32) -> u64 {
        sum(self.pieces(task))
    }

    /// Bytes that all tasks read.
    pub(crate) fn total_bytes(&self) -> u64 {
        sum(&self.pieces)
    }

    /// Most bytes that the names in one task have.
    pub(crate) fn names_bytes_max(&self, spec: &JobSpec) -> usize {
        let of_task = |task| self.pieces(task).iter().map(|piece| piece.names_bytes(spec)).sum();
        let tasks = u32::try_from(self.tasks()).unwrap_or(u32::MAX);
        (0..tasks).map(of_task).max().unwrap_or(0)
    }

    /// Whether it is one of this spec: for plans that come from outside.
    pub(crate) fn validate(&self, spec: &JobSpec) -> Result<(), String> {
        let ascending = self.ends.iter().zip(self.ends.iter().skip(1)).all(|(end, next)| end < next);
        let first = self.ends.first().is_none_or(|end| *end > 0);
        let whole = self.ends.last().map_or(0, |end| *end as usize) == self.pieces.len();
        if !(ascending && first && whole) {
            return Err("its planned tasks are not made of its planned pieces".into());
        }
        let lies = |piece: &Piece| {
            let file = spec.inputs.get(piece.file as usize);
            let end = piece.offset.checked_add(piece.bytes);
            file.zip(end).is_some_and(|(file, end)| end <= file.bytes)
        };
        if self.pieces.iter().all(lies) { Ok(()) } else { Err("it maps what is in none of its files".into()) }
    }

    fn range(&self, task: u32) -> Range<usize> {
        let task = task as usize;
        let end = |task: usize| self.ends.get(task).map_or(0, |end| *end as usize);
        task.checked_sub(1).map_or(0, end)..end(task)
    }
}

fn sum(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| piece.bytes).fold(0, u64::saturating_add)
}

impl Piece {
    /// With its names.
    pub(crate) fn to_split(self, spec: &JobSpec) -> Option<Split> {
        let file = spec.inputs.get(usize::try_from(self.file).ok()?)?;
        Some(file.split(self.offset, self.bytes))
    }

    fn names_bytes(self, spec: &JobSpec) -> usize {
        let file = usize::try_from(self.file).ok().and_then(|file| spec.inputs.get(file));
        file.map_or(0, pack::names_bytes)
    }
}
