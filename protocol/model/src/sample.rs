//! Which pieces of the input are sampled before a total order is cut into partitions.
//!
//! The coordinator and the sequential oracle must sample the same, so the rule stands here: a pure function of the inputs.

use serde::{Deserialize, Serialize};

use crate::{InputFile, InputMode, Split};

/// A hundredth of the input is sampled, but at least so much of it and at most.
const SAMPLE_BYTES_MIN: u64 = 512 << 10;
const SAMPLE_BYTES_MAX: u64 = 64 << 20;
/// In so many pieces at least, for the input may be nearly in order already; but pieces are no smaller than the first and no larger than the
/// second of these.
const PIECES_MIN: u64 = 64;
const PIECE_BYTES_MIN: u64 = 8 << 10;
const PIECE_BYTES_MAX: u64 = 64 << 10;
/// Pieces of one task, and of all tasks: each costs an open file, and a task must fit a message.
const TASK_PIECES_MAX: usize = 128;
const PIECES_MAX: u64 = 1024;
/// Of files that cannot be read in part, larger ones are left out, unless there are no others.
const WHOLE_FILE_BYTES_MAX: u64 = 8 << 20;

/// A part of one input file, without its names, which the job's spec holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamplePiece {
    /// Which of the inputs.
    pub file: u32,
    /// First byte; zero in a file that is not split.
    pub offset: u64,
    /// How many bytes; of a compressed file, of its content.
    pub bytes: u64,
}

/// A piece of the input with all that a sample task needs to map it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleSplit {
    /// Where it lies. A file that is not split is named whole.
    pub split: Split,
    /// When so many bytes of it are mapped, the rest is left.
    pub bytes_max: u64,
}

impl SamplePiece {
    /// The pieces that the sample tasks of a job map, a list for each task; none when all inputs are empty.
    ///
    /// Pieces are spread evenly over the inputs as if these lay one behind the other. They are ranges of plain files, beginnings of
    /// compressed ones, and whole files where the app wants those (only small ones, or the smallest).
    pub fn plan(inputs: &[InputFile], mode: InputMode) -> Vec<Vec<Self>> {
        let pieces = Candidates::of(inputs, mode).pieces();
        let tasks = pieces.len().div_ceil(TASK_PIECES_MAX).max(1);
        pieces.chunks(pieces.len().div_ceil(tasks).max(1)).map(<[Self]>::to_vec).collect()
    }

    /// With its names.
    pub fn to_split(self, inputs: &[InputFile], mode: InputMode) -> Option<SampleSplit> {
        let file = inputs.get(usize::try_from(self.file).ok()?)?;
        let (offset, bytes) = if is_split(file, mode) { (self.offset, self.bytes) } else { (0, file.bytes) };
        Some(SampleSplit { split: file.split(offset, bytes), bytes_max: self.bytes })
    }
}

fn is_split(file: &InputFile, mode: InputMode) -> bool {
    file.splittable && mode != InputMode::File
}

/// The files that may be sampled.
struct Candidates<'i> {
    files: Vec<(u32, &'i InputFile)>,
    mode: InputMode,
    record_bytes: u64,
    total_bytes: u64,
    /// How much is wanted of them in all, and at a time.
    wanted_bytes: u64,
    piece_bytes: u64,
}

impl<'i> Candidates<'i> {
    fn of(inputs: &'i [InputFile], mode: InputMode) -> Self {
        let mut files: Vec<_> = (0u32..).zip(inputs).filter(|(_, file)| file.bytes > 0).collect();
        if mode == InputMode::File {
            let smallest = files.iter().map(|(_, file)| file.bytes).min().unwrap_or(0);
            let mut smallest_left = 1;
            files.retain(|(_, file)| {
                let is_smallest = file.bytes == smallest && smallest_left > 0;
                smallest_left -= i32::from(is_smallest);
                is_smallest || file.bytes <= WHOLE_FILE_BYTES_MAX
            });
        }
        let record_bytes = match mode {
            InputMode::Records(bytes) => bytes.max(1),
            InputMode::Text | InputMode::File => 1,
        };
        let total_bytes = files.iter().map(|(_, file)| file.bytes).fold(0, u64::saturating_add);
        let wanted_bytes = (total_bytes / 100).clamp(SAMPLE_BYTES_MIN, SAMPLE_BYTES_MAX).min(total_bytes);
        let piece_bytes = (wanted_bytes / PIECES_MIN).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX);
        Self { files, mode, record_bytes, total_bytes, wanted_bytes, piece_bytes }
    }

    fn pieces(&self) -> Vec<SamplePiece> {
        if self.total_bytes <= SAMPLE_BYTES_MIN && self.files.len() <= TASK_PIECES_MAX {
            let whole = |(file, input): &(u32, &InputFile)| SamplePiece {
                file: *file,
                offset: 0,
                bytes: input.bytes,
            };
            return self.files.iter().map(whole).collect();
        }
        let mean_bytes = self.total_bytes / (self.files.len() as u64).max(1);
        let count = self.wanted_bytes.div_ceil(self.piece_bytes.min(mean_bytes).max(1)).min(PIECES_MAX);
        let mut pieces: Vec<SamplePiece> = Vec::new();
        let mut files = self.files.iter().copied();
        let mut current = files.next();
        let mut file_begin = 0;
        for index in 0..count {
            // The middle of the `index`-th of `count` equal parts.
            let at = u128::from(self.total_bytes) * u128::from(2 * index + 1) / u128::from(2 * count);
            let at = u64::try_from(at).unwrap_or(u64::MAX);
            while let Some((_, file)) = current.filter(|(_, file)| at - file_begin >= file.bytes) {
                file_begin += file.bytes;
                current = files.next();
            }
            let Some((number, file)) = current else { break };
            self.add(number, file, at - file_begin, &mut pieces);
        }
        pieces
    }

    /// Adds the piece around byte `at` of a file, as far as it is not there already.
    fn add(&self, number: u32, file: &InputFile, at: u64, pieces: &mut Vec<SamplePiece>) {
        let last = pieces.last_mut().filter(|last| last.file == number);
        let wanted = self.piece_bytes.max(self.record_bytes);
        if !is_split(file, self.mode) {
            let bytes = if self.mode == InputMode::File { file.bytes } else { self.piece_bytes };
            match last {
                // Of a compressed file that counts for more, more is read.
                Some(last) if self.mode != InputMode::File => last.bytes = last.bytes.saturating_add(bytes),
                Some(_) => {}
                None => pieces.push(SamplePiece { file: number, offset: 0, bytes }),
            }
            return;
        }
        let free_from = last.map_or(0, |last| last.offset + last.bytes);
        let middle = at.saturating_sub(wanted / 2).min(file.bytes.saturating_sub(wanted));
        let offset = (middle / self.record_bytes * self.record_bytes).max(free_from);
        let bytes = wanted.min(file.bytes.saturating_sub(offset));
        if bytes > 0 {
            pieces.push(SamplePiece { file: number, offset, bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files(sizes: &[(u64, bool)]) -> Vec<InputFile> {
        let file = |&(bytes, splittable): &(u64, bool)| InputFile {
            name: "a".into(),
            path: "/a".into(),
            bytes,
            modified_ns: 0,
            splittable,
        };
        sizes.iter().map(file).collect()
    }

    fn modes() -> impl Strategy<Value = InputMode> {
        let records = (1_u64..300_000).prop_map(InputMode::Records);
        prop_oneof![Just(InputMode::Text), Just(InputMode::File), records]
    }

    fn sampled_bytes(plan: &[Vec<SamplePiece>]) -> u64 {
        plan.iter().flatten().map(|piece| piece.bytes).sum()
    }

    proptest! {
        #[test]
        fn pieces_lie_in_their_files_in_order_and_apart(
            sizes in proptest::collection::vec((prop_oneof![0_u64..100, 0_u64..1 << 34], any::<bool>()), 0..50),
            mode in modes(),
        ) {
            let inputs = files(&sizes);
            let plan = SamplePiece::plan(&inputs, mode);
            prop_assert!(plan.len() <= 8 && plan.iter().all(|task| (1..=TASK_PIECES_MAX).contains(&task.len())));
            prop_assert_eq!(plan.is_empty(), inputs.iter().all(|file| file.bytes == 0));
            let mut end = (0, 0);
            for piece in plan.iter().flatten() {
                let file = &inputs[piece.file as usize];
                prop_assert!(piece.bytes > 0 && (piece.file, piece.offset) >= end, "{:?} after {:?}", piece, end);
                end = (piece.file, piece.offset + piece.bytes);
                let SampleSplit { split, bytes_max } = piece.to_split(&inputs, mode).unwrap();
                prop_assert!(split.offset + split.bytes <= file.bytes && bytes_max > 0);
                if is_split(file, mode) {
                    prop_assert_eq!((split.offset, split.bytes), (piece.offset, piece.bytes));
                } else {
                    prop_assert_eq!((split.offset, split.bytes), (0, file.bytes));
                }
                if let InputMode::Records(bytes) = mode {
                    prop_assert_eq!(piece.offset % bytes, 0);
                }
            }
        }
    }

    #[test]
    fn a_large_input_is_sampled_by_the_hundredth_and_a_small_one_whole() {
        let plan = |bytes| SamplePiece::plan(&files(&[(bytes, true)]), InputMode::Text);
        assert_eq!(plan(5000), [[SamplePiece { file: 0, offset: 0, bytes: 5000 }]]);
        assert_eq!(sampled_bytes(&plan(20 << 20)), 512 << 10);
        let gib = plan(1 << 30);
        assert_eq!((gib.len(), sampled_bytes(&gib)), (2, 164 << 16));
        let much = plan(1 << 40);
        assert_eq!((much.len(), sampled_bytes(&much)), (8, 64 << 20));
        let last = much.last().and_then(|task| task.last()).unwrap();
        assert!(last.offset > (1 << 40) - (1 << 30), "{last:?}");
    }

    #[test]
    fn of_very_many_small_files_some_are_sampled() {
        let plan = SamplePiece::plan(&files(&vec![(4096, true); 100_000]), InputMode::Text);
        assert_eq!((plan.len(), plan.iter().map(Vec::len).sum::<usize>()), (8, 1000));
        let tiny = SamplePiece::plan(&files(&vec![(1, true); 100_000]), InputMode::Text);
        assert_eq!(tiny.iter().map(Vec::len).sum::<usize>(), 1024);
    }

    #[test]
    fn files_that_are_read_whole_are_sampled_whole_if_they_are_small() {
        let whole = |sizes: &[u64]| -> Vec<u32> {
            let sizes: Vec<_> = sizes.iter().map(|bytes| (*bytes, true)).collect();
            let plan = SamplePiece::plan(&files(&sizes), InputMode::File);
            plan.into_iter().flatten().map(|piece| piece.file).collect()
        };
        assert_eq!(whole(&[1 << 30, 5 << 20, 3 << 20]), [1, 2]);
        assert_eq!(whole(&[1 << 30, 20 << 20, 0, 20 << 20]), [1]);
    }

    #[test]
    fn a_compressed_file_is_sampled_at_its_beginning_by_what_it_counts_for() {
        let plan = SamplePiece::plan(&files(&[(1 << 20, false), (3 << 20, false)]), InputMode::Text);
        let bytes: Vec<_> =
            plan.concat().iter().map(|piece| (piece.file, piece.offset, piece.bytes)).collect();
        assert_eq!(bytes, [(0, 0, 1 << 17), (1, 0, 3 << 17)]);
    }
}
