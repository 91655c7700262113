//! The files of an input, handed out to as many threads as like to: whole small files first, then pieces of the large ones.
//!
//! A word belongs to the piece in which it begins.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::words::PADDING;

/// Bytes that one read brings: they stay in the L2 cache until they are looked at.
const PIECE: u64 = 256 << 10;

/// Bytes of a file that one thread takes at a time.
const UNIT: u64 = 2 << 20;

/// All files of an input, in the order of their names' bytes.
pub(crate) struct Source {
    names: Vec<PathBuf>,
    next: AtomicUsize,
    looked: AtomicUsize,
    large: Mutex<VecDeque<(usize, Range<u64>)>>,
}

impl Source {
    /// Of files and of directories, whose files are taken, those below them too.
    pub(crate) fn new(inputs: &[PathBuf]) -> io::Result<Self> {
        let mut names = Vec::new();
        for input in inputs {
            add(input, &mut names)?;
        }
        names.sort_unstable_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
        Ok(Self { names, next: AtomicUsize::new(0), looked: AtomicUsize::new(0), large: Mutex::default() })
    }

    pub(crate) fn names(&self) -> &[PathBuf] {
        &self.names
    }

    /// Calls `on` with a file's number and padded text until all are handed out. Every thread calls this once.
    pub(crate) fn for_each(&self, mut on: impl FnMut(usize, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut buffer = Vec::new();
        while let number = self.next.fetch_add(1, Ordering::Relaxed)
            && let Some(name) = self.names.get(number)
        {
            let file = File::open(name)?;
            let bytes = file.metadata()?.len();
            if bytes > UNIT {
                let units = (0..bytes.div_ceil(UNIT)).map(|unit| unit * UNIT..((unit + 1) * UNIT).min(bytes));
                self.large.lock().map_err(|_| poisoned())?.extend(units.map(|unit| (number, unit)));
            }
            self.looked.fetch_add(1, Ordering::Release);
            if bytes <= UNIT {
                each_piece(&file, 0..bytes, bytes, &mut buffer, |text| on(number, text))?;
            }
        }
        while let Some((number, unit)) = self.take()? {
            let file = File::open(&self.names[number])?;
            let bytes = file.metadata()?.len();
            each_piece(&file, unit, bytes, &mut buffer, |text| on(number, text))?;
        }
        Ok(())
    }

    /// A unit of a large file. Waits while another thread has yet to see how large its file is.
    fn take(&self) -> io::Result<Option<(usize, Range<u64>)>> {
        loop {
            let all_looked_at = self.looked.load(Ordering::Acquire) == self.names.len();
            let unit = self.large.lock().map_err(|_| poisoned())?.pop_front();
            if unit.is_some() || all_looked_at {
                return Ok(unit);
            }
            thread::yield_now();
        }
    }
}

fn poisoned() -> io::Error {
    io::Error::other("another thread panicked")
}

fn add(input: &Path, names: &mut Vec<PathBuf>) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", input.display()));
    if fs::metadata(input).map_err(named)?.is_dir() {
        for entry in fs::read_dir(input).map_err(named)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.path());
            } else {
                add(&entry.path(), names)?;
            }
        }
    } else {
        names.push(input.to_owned());
    }
    Ok(())
}

fn each_piece(
    file: &File,
    unit: Range<u64>,
    bytes: u64,
    buffer: &mut Vec<u8>,
    mut on: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut begin = unit.start;
    while begin < unit.end {
        let end = (begin + PIECE).min(unit.end);
        let text = read(file, begin..end, bytes, buffer)?;
        on(&buffer[text.start..text.end + PADDING])?;
        begin = end;
    }
    Ok(())
}

/// Reads the words that begin in a piece; they lie in the returned range of the buffer, padded.
fn read(file: &File, piece: Range<u64>, bytes: u64, buffer: &mut Vec<u8>) -> io::Result<Range<usize>> {
    let from = piece.start.saturating_sub(1);
    let before = (piece.start - from) as usize;
    let length = (piece.end - from) as usize;
    let mut filled = length + PADDING.min((bytes - piece.end) as usize);
    buffer.resize(filled + PADDING, 0);
    file.read_exact_at(&mut buffer[..filled], from)?;
    let letter = |byte: &u8| byte.is_ascii_alphabetic();
    let mut start = before;
    if before == 1 && letter(&buffer[0]) {
        start += buffer[1..length].iter().position(|byte| !letter(byte)).unwrap_or(length - 1);
    }
    let mut end = length;
    while start < length && letter(&buffer[end - 1]) {
        if end == filled {
            let more = 4096.min(bytes - from - filled as u64) as usize;
            if more == 0 {
                break;
            }
            buffer.resize(filled + more + PADDING, 0);
            file.read_exact_at(&mut buffer[filled..filled + more], from + filled as u64)?;
            filled += more;
        }
        end += 1;
    }
    buffer.truncate(end);
    buffer.resize(end + PADDING, 0);
    Ok(start..end)
}
