//! How inputs are cut into splits.
//!
//! An empty file gives no task, except in `File` mode, whose apps may want to see it. A job may so have no map task at all; it still ends, with
//! empty outputs.

use gristmill_model::{InputFile, InputMode, JobSpec, Split};
use serde::{Deserialize, Serialize};

/// The rule by which the splits of a job follow from its spec. A fact records it, so a new rule is a new variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Planner {
    /// Files in order, each cut into pieces of nearly equal size; one piece is one map task.
    EvenPieces,
}

/// A split without its names, which the spec holds: a job may have millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    pub(crate) file: u32,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
}

impl Planner {
    /// How many map tasks there will be, without making them.
    pub(crate) fn count(self, spec: &JobSpec) -> u64 {
        let Self::EvenPieces = self;
        spec.inputs.iter().map(|file| pieces_of(file, spec)).fold(0, u64::saturating_add)
    }

    /// The pieces, one for each map task.
    pub(crate) fn pieces(self, spec: &JobSpec) -> Vec<Piece> {
        let Self::EvenPieces = self;
        (0u32..).zip(&spec.inputs).flat_map(|(index, file)| cut(index, file, spec)).collect()
    }
}

impl Piece {
    /// With its names.
    pub(crate) fn to_split(self, spec: &JobSpec) -> Option<Split> {
        let file = spec.inputs.get(usize::try_from(self.file).ok()?)?;
        Some(Split {
            document: file.name.clone(),
            path: file.path.clone(),
            offset: self.offset,
            bytes: self.bytes,
            file_bytes: file.bytes,
        })
    }
}

/// The size that no boundary may fall into the middle of.
fn record_bytes(spec: &JobSpec) -> u64 {
    match spec.plugin.input_mode {
        InputMode::Records(bytes) => bytes.max(1),
        InputMode::Text | InputMode::File => 1,
    }
}

fn pieces_of(file: &InputFile, spec: &JobSpec) -> u64 {
    let whole = spec.plugin.input_mode == InputMode::File;
    match file.bytes {
        0 => u64::from(whole),
        _ if whole || !file.splittable => 1,
        bytes => bytes.div_ceil(spec.split_bytes.max(1)).min(bytes.div_ceil(record_bytes(spec))),
    }
}

fn cut(index: u32, file: &InputFile, spec: &JobSpec) -> impl Iterator<Item = Piece> {
    let (bytes, record, count) = (file.bytes, record_bytes(spec), pieces_of(file, spec));
    let records = u128::from(bytes.div_ceil(record));
    let boundary = move |i: u64| {
        let whole_records = records * u128::from(i) / u128::from(count);
        u64::try_from(whole_records * u128::from(record)).unwrap_or(u64::MAX).min(bytes)
    };
    (0..count).map(move |i| {
        let offset = boundary(i);
        Piece { file: index, offset, bytes: boundary(i + 1) - offset }
    })
}
