//! The bytes of a document from some offset on, decompressed where need be.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use gristmill_model::TaskFailure;
use gristmill_storage::{Compression, ReadAt};

use super::Document;
use crate::progress::ProgressCell;

/// What is read of a compressed file at a time.
const STORED_BLOCK_BYTES: usize = 128 << 10;

/// So far ahead of the reader a plain file is fetched …
pub(super) const AHEAD_BYTES: u64 = 8 << 20;
/// … unless so little of it is left that the system does it by itself.
pub(super) const AHEAD_BYTES_MIN: u64 = 256 << 10;

/// A document being read from the front to the back.
pub(crate) struct Stream {
    pub(super) document: Document,
    source: Source,
    /// Where the next byte lies in the decompressed document.
    position: u64,
    progress: ProgressCell,
}

enum Source {
    Plain {
        file: Rc<dyn ReadAt>,
        split_end: u64,
        announced_to: u64,
    },
    Compressed {
        decoder: Box<dyn Read>,
        compression: Compression,
        windows: Windows,
        stored: Rc<Cell<u64>>,
        counted: u64,
    },
}

/// The windows of a zstd file.
#[derive(Clone, Copy)]
struct Windows {
    /// What its first frame needs, if it says so.
    first: Option<u64>,
    /// The longest that is granted.
    granted: u64,
}

impl Windows {
    /// Why a frame was not decoded that needs a longer one, after so many bytes of content.
    fn shortage(self, position: u64) -> String {
        let Self { first, granted } = self;
        match first.filter(|&first| position == 0 && first > granted) {
            Some(first) => format!(
                "its zstd window needs {first} bytes, and a slot with this memory grants {granted} bytes; raise --memory"
            ),
            None => format!(
                "after {position} bytes of content its zstd window needs more than the {granted} bytes that a slot with this memory grants; \
                 raise --memory"
            ),
        }
    }
}

/// Whether a frame was refused for its window, which says nothing against the file.
fn wants_window(error: &io::Error) -> bool {
    // ZSTD_error_frameParameter_windowTooLarge of zstd_errors.h, as the library returns it.
    const WINDOW_TOO_LARGE: usize = 0_usize.wrapping_sub(16);
    error.to_string() == zstd::zstd_safe::get_error_name(WINDOW_TOO_LARGE)
}

/// A file as a stream that tells how far it has been read.
struct Stored {
    file: Rc<dyn ReadAt>,
    offset: Rc<Cell<u64>>,
}

impl Read for Stored {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.offset.get()).map_err(io::Error::other)?;
        self.offset.set(self.offset.get() + read as u64);
        Ok(read)
    }
}

impl Stream {
    /// An uncompressed file from byte `from` on. Bytes before `split_end` count as progress.
    pub(super) fn plain(
        document: Document,
        file: Rc<dyn ReadAt>,
        from: u64,
        split_end: u64,
        progress: ProgressCell,
    ) -> Self {
        Self {
            document,
            source: Source::Plain { file, split_end, announced_to: from },
            position: from,
            progress,
        }
    }

    /// A compressed file from its beginning. A zstd frame may ask for a window of `window_bytes_max` at most, but 8 MiB are
    /// always granted: the format asks decoders for so much.
    pub(super) fn compressed(
        document: Document,
        file: Rc<dyn ReadAt>,
        compression: Compression,
        window_bytes_max: u64,
        progress: ProgressCell,
    ) -> Result<Self, TaskFailure> {
        let first = super::window::of_file(file.as_ref()).map_err(|error| document.failure(0, error))?;
        let window_log = window_bytes_max.max(1).ilog2().clamp(23, 27);
        let windows = Windows { first, granted: 1 << window_log };
        let stored = Rc::new(Cell::new(0));
        let reader =
            BufReader::with_capacity(STORED_BLOCK_BYTES, Stored { file, offset: Rc::clone(&stored) });
        let decoder: Box<dyn Read> = match compression {
            Compression::Gzip => Box::new(MultiGzDecoder::new(reader)),
            Compression::Bzip2 => Box::new(MultiBzDecoder::new(reader)),
            Compression::Zstd => {
                let decoder = || {
                    let mut decoder = zstd::Decoder::with_buffer(reader)?;
                    decoder.window_log_max(window_log)?;
                    io::Result::Ok(decoder)
                };
                Box::new(decoder().map_err(|error| document.failure(0, error))?)
            }
        };
        let source = Source::Compressed { decoder, compression, windows, stored, counted: 0 };
        Ok(Self { document, source, position: 0, progress })
    }

    /// Reads until `into` is full or the document ends; says how much that was.
    pub(super) fn fill(&mut self, into: &mut [u8]) -> Result<usize, TaskFailure> {
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read(rest)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, TaskFailure> {
        let position = self.position;
        let read = match &mut self.source {
            Source::Plain { file, split_end, announced_to } => {
                announce(file.as_ref(), position, announced_to, *split_end);
                let rest = usize::try_from(file.bytes().saturating_sub(position)).unwrap_or(usize::MAX);
                let wanted = into.len().min(rest);
                let read = file.read_at(into.get_mut(..wanted).unwrap_or_default(), position);
                let read = read.map_err(|error| self.document.failure(position, error))?;
                if read == 0 && wanted > 0 {
                    let message = format!("it was cut off at byte {position} while it was read");
                    return Err(self.document.failure(position, message));
                }
                self.progress.consumed((read as u64).min(split_end.saturating_sub(position)));
                read
            }
            Source::Compressed { decoder, compression, windows, stored, counted } => {
                let read = loop {
                    match decoder.read(into) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        other => break other,
                    }
                };
                let now = stored.get();
                let read = read.map_err(|error| {
                    if *compression == Compression::Zstd && wants_window(&error) {
                        return self.document.failure(position, windows.shortage(position));
                    }
                    let message = format!(
                        "its {} data is cut off or corrupt at or before byte {now} of the file, after {position} bytes of \
                         content: {error}",
                        compression.name()
                    );
                    self.document.failure(position, message)
                })?;
                self.progress.consumed(now - *counted);
                *counted = now;
                read
            }
        };
        self.position += read as u64;
        Ok(read)
    }
}

/// Has what comes next fetched while the app works, some megabytes at a time.
fn announce(file: &dyn ReadAt, position: u64, announced_to: &mut u64, end: u64) {
    if position.saturating_add(AHEAD_BYTES / 2) < *announced_to {
        return;
    }
    let from = position.max(*announced_to);
    let bytes = end.saturating_sub(from).min(AHEAD_BYTES);
    if bytes >= AHEAD_BYTES_MIN {
        file.will_read(from, bytes);
        *announced_to = from + bytes;
    }
}
