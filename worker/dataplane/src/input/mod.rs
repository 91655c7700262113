//! Reads a split as blocks of whole records.
//!
//! A record belongs to the split in which its first byte lies, so the splits of a file, whatever their sizes, yield each of its
//! records exactly once. A compressed file is one split, and offsets in it count decompressed bytes.

mod lines;
mod records;
mod stream;
mod whole;
mod window;

use std::path::PathBuf;
use std::rc::Rc;

use gristmill_model::{InputMode, PathBytes, Split, TaskFailure};
use gristmill_storage::{Compression, Local, ReadAt, Storage, Version};

use crate::budget::Budget;
use crate::failure;
use crate::progress::ProgressCell;
use lines::Lines;
use records::Records;
use stream::Stream;
use whole::Whole;

/// Some whole records of a split.
pub(crate) struct InputBlock<'r> {
    /// Where `bytes` begins in the (decompressed) document.
    pub(crate) offset: u64,
    /// The records.
    pub(crate) bytes: &'r [u8],
}

/// A split being read.
pub(crate) struct SplitReader {
    blocks: Blocks,
    submitted: Submitted,
    file: Rc<dyn ReadAt>,
}

enum Blocks {
    Lines(Lines),
    Records(Records),
    Whole(Whole),
}

/// What the file of a split was when its job was submitted.
struct Submitted {
    document: Document,
    version: Version,
    /// Where the split begins, for messages.
    offset: u64,
}

/// What a reader may hold, and a buffer that an earlier reader no longer needs.
pub(crate) struct InputBuffer {
    block_bytes: usize,
    record_bytes_max: usize,
    window_bytes_max: u64,
    bytes: Vec<u8>,
}

impl InputBuffer {
    pub(crate) fn new(budget: Budget) -> Self {
        let buffer = Self::with_sizes(budget.input_block_bytes(), budget.record_bytes_max());
        Self { window_bytes_max: budget.window_bytes_max(), ..buffer }
    }

    pub(crate) fn with_sizes(block_bytes: usize, record_bytes_max: usize) -> Self {
        Self {
            block_bytes: block_bytes.min(record_bytes_max),
            record_bytes_max,
            window_bytes_max: record_bytes_max as u64,
            bytes: Vec::new(),
        }
    }

    /// Makes the buffer at least `length` bytes long.
    fn grow(&mut self, length: usize) {
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
        }
    }

    /// Makes room for one more block of a record that is longer than the buffer; says whether it may have so much.
    ///
    /// A block at a time, since only memory that is written is used, while the vector's capacity doubles.
    fn lengthen(&mut self) -> bool {
        let length = self.bytes.len();
        self.grow(length.saturating_add(self.block_bytes.max(1)).min(self.record_bytes_max));
        self.bytes.len() > length
    }

    /// After one long record the buffer need not stay long.
    fn shrink(&mut self) {
        if self.bytes.len() > self.block_bytes {
            self.bytes.truncate(self.block_bytes);
            self.bytes.shrink_to_fit();
        }
    }
}

/// Who is read, for messages.
#[derive(Clone, Debug)]
struct Document {
    name: PathBytes,
    path: PathBuf,
}

impl Document {
    fn failure(&self, offset: u64, message: impl std::fmt::Display) -> TaskFailure {
        failure::input(&self.name, offset, format!("input {:?}: {message}", self.path))
    }

    fn too_long(&self, offset: u64, what: &str, limit: usize) -> TaskFailure {
        let message = format!(
            "the {what} that begins at byte {offset} is longer than {limit} bytes, the most that a slot with this memory takes; raise --memory"
        );
        self.failure(offset, message)
    }
}

impl SplitReader {
    pub(crate) fn open(
        split: &Split,
        mode: InputMode,
        buffer: InputBuffer,
        progress: &ProgressCell,
    ) -> Result<Self, TaskFailure> {
        let submitted = Submitted::of(split);
        let document = &submitted.document;
        let file = Local.open(&document.path).map_err(|error| document.failure(split.offset, error))?;
        let file: Rc<dyn ReadAt> = Rc::from(file);
        submitted.must_be(file.opened())?;
        let compression = detect(file.as_ref()).map_err(|error| document.failure(0, error))?;
        if let (None, Some(named), 1..) = (compression, Compression::named(&document.path), file.bytes()) {
            let name = named.name();
            let message = format!(
                "it is named as {name} but is not {name} data from byte 0 on; it is damaged or misnamed"
            );
            return Err(document.failure(0, message));
        }
        let whole = split.offset == 0 && split.bytes >= split.file_bytes;
        if !whole && (compression.is_some() || mode == InputMode::File) {
            let what = compression.map_or("read whole", Compression::name);
            return Err(document.failure(split.offset, format!("it is {what}, so it cannot be split")));
        }
        let end = split.offset.saturating_add(split.bytes);
        let progress = progress.clone();
        let open = |from: u64, end: u64| match compression {
            None => Ok(Stream::plain(document.clone(), Rc::clone(&file), from, end, progress)),
            Some(compression) => {
                let window_bytes_max = buffer.window_bytes_max;
                Stream::compressed(
                    document.clone(),
                    Rc::clone(&file),
                    compression,
                    window_bytes_max,
                    progress,
                )
            }
        };
        // The size of a compressed document is not known before its end.
        let content_end = if compression.is_some() { u64::MAX } else { end.min(split.file_bytes) };
        let blocks = match mode {
            InputMode::Text => {
                let from = split.offset.saturating_sub(1);
                Blocks::Lines(Lines::new(open(from, content_end)?, buffer, split.offset, content_end))
            }
            InputMode::Records(bytes) => {
                let (from, to) = records::covered(split.offset, content_end, bytes);
                Blocks::Records(Records::new(open(from, to)?, buffer, bytes, from, to)?)
            }
            InputMode::File => {
                let size = compression.is_none().then_some(split.file_bytes);
                Blocks::Whole(Whole::new(open(0, content_end)?, buffer, size)?)
            }
        };
        Ok(Self { blocks, submitted, file })
    }

    /// The next block, until there is none. When there is none, all that was read is what was submitted.
    pub(crate) fn next(&mut self) -> Result<Option<InputBlock<'_>>, TaskFailure> {
        let next = match &mut self.blocks {
            Blocks::Lines(lines) => lines.next(),
            Blocks::Records(records) => records.next(),
            Blocks::Whole(whole) => whole.next(),
        };
        // Where a change makes the reading fail, it is the change that the user wants to hear of.
        if !matches!(next, Ok(Some(_))) {
            let now = self.file.version();
            let now = now.map_err(|error| self.submitted.document.failure(self.submitted.offset, error))?;
            self.submitted.must_be(now)?;
        }
        next
    }

    /// The buffer, for the next split.
    pub(crate) fn into_buffer(self) -> InputBuffer {
        match self.blocks {
            Blocks::Lines(lines) => lines.buffer,
            Blocks::Records(records) => records.buffer,
            Blocks::Whole(whole) => whole.buffer,
        }
    }
}

impl Submitted {
    fn of(split: &Split) -> Self {
        Self {
            document: Document { name: split.document.clone(), path: split.path.to_path() },
            version: Version { bytes: split.file_bytes, modified_ns: split.file_modified_ns },
            offset: split.offset,
        }
    }

    fn must_be(&self, now: Version) -> Result<(), TaskFailure> {
        let before = self.version;
        if now == before {
            return Ok(());
        }
        let change = if now.bytes == before.bytes {
            let (millis, sense) = match i128::from(now.modified_ns) - i128::from(before.modified_ns) {
                later @ 0.. => (later, "later"),
                earlier => (-earlier, "earlier"),
            };
            let millis = millis as f64 / 1e6;
            format!("it still has {} bytes, but was modified {millis} ms {sense}", now.bytes)
        } else {
            format!("it had {} bytes and now has {}", before.bytes, now.bytes)
        };
        let message = format!(
            "it has changed since the job was submitted: {change}; submit the job again when nobody writes to it"
        );
        Err(self.document.failure(self.offset, message))
    }
}

/// Has the beginning of a split fetched that will be read soon: by this process or another. That it cannot be is found when it is read.
pub fn read_ahead(split: &Split) {
    if split.bytes >= stream::AHEAD_BYTES_MIN
        && let Ok(file) = Local.open(&split.path.to_path())
    {
        file.will_read(split.offset, split.bytes.min(stream::AHEAD_BYTES));
    }
}

/// The window that decoding a split takes, if it is compressed. That it cannot be looked at is found when it is read.
pub(crate) fn window_bytes(split: &Split) -> Option<u64> {
    // Of what comes behind the first frame nothing is known but that it may have as much.
    const ZSTD_WINDOW_BYTES_MIN: u64 = 8 << 20;
    let file = Local.open(&split.path.to_path()).ok()?;
    Some(match detect(file.as_ref()).ok()?? {
        Compression::Gzip => 32 << 10,
        Compression::Bzip2 => 4 << 20,
        Compression::Zstd => window::of_file(file.as_ref()).ok()?.unwrap_or(0).max(ZSTD_WINDOW_BYTES_MIN),
    })
}

fn detect(file: &dyn ReadAt) -> Result<Option<Compression>, gristmill_storage::StorageError> {
    let mut first = [0; Compression::MAGIC_BYTES];
    let read = file.read_at(&mut first, 0)?;
    Ok(Compression::detect(first.get(..read).unwrap_or(&first)))
}

#[cfg(test)]
mod tests;
