//! Cuts files into pieces, and says which pieces begin a new task.

use std::iter::FusedIterator;

use gristmill_model::{InputFile, InputMode, JobSpec};

use super::Piece;
use super::pack::{self, Packing};
use super::sizes::{SMALLEST_BYTES, Sizes};

/// The pieces of a job in order, each with whether a task begins with it.
#[derive(Clone, Debug)]
pub(super) struct Cutter<'s> {
    spec: &'s JobSpec,
    record: u64,
    /// The file that is being cut, and how far it has been.
    file: usize,
    offset: u64,
    sizes: Sizes,
    packing: Option<Packing>,
}

impl<'s> Cutter<'s> {
    pub(super) fn new(spec: &'s JobSpec, sizes: Sizes, packing: Option<Packing>) -> Self {
        Self { spec, record: record_bytes(spec), file: 0, offset: 0, sizes, packing }
    }

    /// The file that has something left.
    fn current(&mut self) -> Option<&'s InputFile> {
        let whole = self.spec.plugin.input_mode == InputMode::File;
        loop {
            let file = self.spec.inputs.get(self.file)?;
            // A file that was begun is left when it is done, so only an empty one has nothing to give here.
            if file.bytes > 0 || whole {
                return Some(file);
            }
            self.file += 1;
        }
    }

    /// How much of the `rest` of a file the first piece of a task has.
    fn bytes(&self, file: &InputFile, rest: u64) -> u64 {
        let target = self.sizes.target();
        if is_whole(file, self.spec) || rest <= target.saturating_add(self.sizes.slack()) {
            return rest;
        }
        let records = rest.div_ceil(self.record);
        if self.sizes.are_even() {
            let pieces = rest.div_ceil(target).min(records);
            return (records / pieces).saturating_mul(self.record).min(rest);
        }
        // Half of it rather than a whole one and a crumb, unless the crumb's task goes on in the next file.
        let goes_on =
            self.packing.as_ref().is_some_and(Packing::cuts) && self.file + 1 < self.spec.inputs.len();
        let wanted = if rest - target < target / 4 && !goes_on { rest / 2 } else { target };
        (wanted / self.record).max(1).saturating_mul(self.record).min(rest)
    }

    /// The next piece of a file, if it goes into the task that is open.
    fn joining(&mut self, file: &InputFile, index: u32, rest: u64) -> Option<Piece> {
        let (target, slack) = (self.sizes.target(), self.sizes.slack());
        let packing = self.packing.as_mut()?;
        let whole = Piece { file: index, offset: self.offset, bytes: rest };
        if !packing.cuts() || is_whole(file, self.spec) {
            let fits = self.offset == 0 && packing.joins(file, whole, target);
            return fits.then_some(whole);
        }
        let (room, crumb) = (packing.room(whole, target), slack.min(SMALLEST_BYTES));
        let is_rest = room > 0 && rest <= room.saturating_add(crumb);
        let bytes = if is_rest { rest } else { room / self.record * self.record };
        if !is_rest && bytes < SMALLEST_BYTES {
            return None;
        }
        let piece = Piece { bytes, ..whole };
        packing.joins(file, piece, target + crumb).then_some(piece)
    }

    fn advance(&mut self, bytes: u64, rest: u64) {
        let opens = self.packing.is_some() && self.offset == 0;
        self.sizes.take(if opens { pack::cost(bytes) } else { bytes });
        if bytes == rest {
            (self.file, self.offset) = (self.file + 1, 0);
        } else {
            self.offset += bytes;
        }
    }
}

impl Iterator for Cutter<'_> {
    type Item = (Piece, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let file = self.current()?;
        let index = u32::try_from(self.file).ok()?;
        let (offset, rest) = (self.offset, file.bytes - self.offset);
        if let Some(piece) = self.joining(file, index, rest) {
            self.advance(piece.bytes, rest);
            return Some((piece, false));
        }
        if self.packing.as_mut().is_some_and(Packing::close) {
            self.sizes.end_task();
        }
        let piece = Piece { file: index, offset, bytes: self.bytes(file, rest) };
        self.advance(piece.bytes, rest);
        match &mut self.packing {
            Some(packing) if piece.bytes == file.bytes || packing.cuts() => packing.open(file, piece),
            _ => self.sizes.end_task(),
        }
        Some((piece, true))
    }
}

impl FusedIterator for Cutter<'_> {}

pub(super) fn total_bytes(inputs: &[InputFile]) -> u64 {
    inputs.iter().map(|file| file.bytes).fold(0, u64::saturating_add)
}

/// How many pieces `even_pieces` makes.
pub(super) fn even_count(spec: &JobSpec) -> u64 {
    spec.inputs.iter().map(|file| pieces_of(file, spec)).fold(0, u64::saturating_add)
}

/// Each file in pieces of nearly equal size.
pub(super) fn even_pieces(spec: &JobSpec) -> impl Iterator<Item = Piece> + '_ {
    (0u32..).zip(&spec.inputs).flat_map(|(index, file)| cut_evenly(index, file, spec))
}

/// The size that no boundary may fall into the middle of.
fn record_bytes(spec: &JobSpec) -> u64 {
    match spec.plugin.input_mode {
        InputMode::Records(bytes) => bytes.max(1),
        InputMode::Text | InputMode::File => 1,
    }
}

fn is_whole(file: &InputFile, spec: &JobSpec) -> bool {
    spec.plugin.input_mode == InputMode::File || !file.splittable
}

fn pieces_of(file: &InputFile, spec: &JobSpec) -> u64 {
    match file.bytes {
        0 => u64::from(spec.plugin.input_mode == InputMode::File),
        _ if is_whole(file, spec) => 1,
        bytes => bytes.div_ceil(spec.split_bytes.max(1)).min(bytes.div_ceil(record_bytes(spec))),
    }
}

fn cut_evenly(index: u32, file: &InputFile, spec: &JobSpec) -> impl Iterator<Item = Piece> + use<> {
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
