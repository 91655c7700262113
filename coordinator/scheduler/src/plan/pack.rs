//! Several files in one map task.
//!
//! Small ones only where there would be many more tasks than slots: a few files are a task each, so that they are mapped side by side. Or
//! all of them, cut where a task is full.

use gristmill_model::{InputFile, InputMode, JobSpec};

use super::Piece;
use super::cut::Cutter;

/// Files are packed only beyond so many tasks for each slot, and in `File` mode, where a small file may mean much work, never into fewer.
const TASKS_PER_SLOT: u64 = 16;
/// What a file costs beside its bytes, in bytes that could be mapped meanwhile: to be opened, and called for.
const FILE_COST: u64 = 64 << 10;
/// Pieces of one task.
const PIECES_MAX: u32 = 8192;
/// Names of one task: they go out with its assignment, which has to fit a frame of the protocol many times.
const NAMES_BYTES_MAX: usize = 1 << 20;
/// What a split has in an assignment beside its names.
const SPLIT_BYTES: usize = 56;

/// The rule, and the task that is being filled.
#[derive(Clone, Debug)]
pub(super) struct Packing {
    total_cost: u64,
    /// Of one task; what is larger stays alone.
    cost_max: u64,
    /// Files are cut where a task is full.
    cuts: bool,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    cost: u64,
    pieces: u32,
    names_bytes: usize,
}

/// What a file's names take in an assignment.
pub(super) fn names_bytes(file: &InputFile) -> usize {
    file.name.0.len() + file.path.0.len() + SPLIT_BYTES
}

pub(super) fn cost(bytes: u64) -> u64 {
    bytes.saturating_add(FILE_COST)
}

/// What all files cost, each of them opened.
pub(super) fn total_cost(inputs: &[InputFile]) -> u64 {
    inputs.iter().map(|file| cost(file.bytes)).fold(0, u64::saturating_add)
}

/// Whether so many files are sure to be packed.
pub(super) fn are_many(inputs: &[InputFile], slots: u32) -> bool {
    inputs.len() as u64 > TASKS_PER_SLOT.saturating_mul(u64::from(slots))
}

/// A file is opened for its first piece, and hardly needs it for the others.
fn piece_cost(piece: Piece) -> u64 {
    if piece.offset == 0 { cost(piece.bytes) } else { piece.bytes }
}

impl Packing {
    /// The rule for a job that would have very many tasks when cut by `plain`.
    pub(super) fn for_many(spec: &JobSpec, slots: u32, plain: Cutter<'_>) -> Option<Self> {
        let few = TASKS_PER_SLOT.saturating_mul(u64::from(slots));
        let many =
            plain.take(usize::try_from(few).unwrap_or(usize::MAX).saturating_add(1)).count() as u64 > few;
        let total_cost = total_cost(&spec.inputs);
        let fair = match spec.plugin.input_mode {
            InputMode::File => total_cost / few.max(1),
            InputMode::Text | InputMode::Records(_) => u64::MAX,
        };
        many.then(|| Self { total_cost, cost_max: fair.min(spec.split_bytes), cuts: false, open: None })
    }

    /// The rule for a job whose tasks go on over the ends of files.
    pub(super) fn joined(spec: &JobSpec) -> Self {
        Self { total_cost: total_cost(&spec.inputs), cost_max: spec.split_bytes, cuts: true, open: None }
    }

    pub(super) fn cuts(&self) -> bool {
        self.cuts
    }

    pub(super) fn total_cost(&self) -> u64 {
        self.total_cost
    }

    /// How many bytes of this piece go into the task that is open, which is to have `target`.
    pub(super) fn room(&self, piece: Piece, target: u64) -> u64 {
        let taken = self.open.map_or(u64::MAX, |open| open.cost);
        let beside_bytes = piece_cost(piece) - piece.bytes;
        target.min(self.cost_max).saturating_sub(taken.saturating_add(beside_bytes))
    }

    /// Whether this piece goes into the task that the one before went into, which is to have no more than `most`.
    pub(super) fn joins(&mut self, file: &InputFile, piece: Piece, most: u64) -> bool {
        let joined = self.open.and_then(|open| open.with(Open::of(file, piece), self.cost_max.min(most)));
        if joined.is_some() {
            self.open = joined;
        }
        joined.is_some()
    }

    /// The task that begins with this piece may take more.
    pub(super) fn open(&mut self, file: &InputFile, piece: Piece) {
        self.open = Some(Open::of(file, piece));
    }

    /// No more files go into the task that took some; says whether there was one.
    pub(super) fn close(&mut self) -> bool {
        self.open.take().is_some()
    }
}

impl Open {
    fn of(file: &InputFile, piece: Piece) -> Self {
        Self { cost: piece_cost(piece), pieces: 1, names_bytes: names_bytes(file) }
    }

    fn with(self, next: Self, cost_max: u64) -> Option<Self> {
        let sum = Self {
            cost: self.cost.saturating_add(next.cost),
            pieces: self.pieces.saturating_add(next.pieces),
            names_bytes: self.names_bytes.saturating_add(next.names_bytes),
        };
        let fits = sum.cost <= cost_max && sum.pieces <= PIECES_MAX && sum.names_bytes <= NAMES_BYTES_MAX;
        fits.then_some(sum)
    }
}
