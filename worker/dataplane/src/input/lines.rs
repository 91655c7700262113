//! Blocks of whole lines. A line ends with `\n`, which belongs to it; the last one need not have it.

use gristmill_model::TaskFailure;

use super::stream::Stream;
use super::{InputBlock, InputBuffer};

/// What is read past the end of a split at a time, to find the end of its last line.
const OVERRUN_BYTES: u64 = 64 << 10;

/// The lines that begin in one split.
pub(crate) struct Lines {
    stream: Stream,
    pub(super) buffer: InputBuffer,
    /// Bytes of the buffer that hold content.
    filled: usize,
    /// Bytes at its front that were lent last time.
    lent: usize,
    /// Where the buffer begins in the document; a line begins there, once the first was found.
    offset: u64,
    /// Lines that begin here or later belong to the next split.
    end: u64,
    /// The buffer begins with the tail of a line of the split before.
    in_foreign_line: bool,
    ended: bool,
}

impl Lines {
    /// `stream` stands at the last byte before `begin` (or at zero): whether a line begins at `begin` shows there.
    pub(super) fn new(stream: Stream, mut buffer: InputBuffer, begin: u64, end: u64) -> Self {
        buffer.shrink();
        let wanted = usize::try_from(end.saturating_sub(begin)).unwrap_or(usize::MAX).saturating_add(1);
        buffer.grow(buffer.block_bytes.min(wanted));
        Self {
            stream,
            buffer,
            filled: 0,
            lent: 0,
            offset: begin.saturating_sub(1),
            end,
            in_foreign_line: begin > 0,
            ended: begin >= end,
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<InputBlock<'_>>, TaskFailure> {
        self.drop_front(self.lent);
        self.lent = 0;
        while self.in_foreign_line && !self.ended {
            self.skip_foreign_line()?;
        }
        if self.ended || self.offset >= self.end {
            return Ok(None);
        }
        self.lent = self.whole_lines()?;
        let bytes = self.buffer.bytes.get(..self.lent).unwrap_or_default();
        Ok(if bytes.is_empty() { None } else { Some(InputBlock { offset: self.offset, bytes }) })
    }

    fn drop_front(&mut self, bytes: usize) {
        self.buffer.bytes.copy_within(bytes..self.filled, 0);
        self.filled -= bytes;
        self.offset += bytes as u64;
    }

    fn skip_foreign_line(&mut self) -> Result<(), TaskFailure> {
        if self.filled == 0 && self.read_more()? == 0 {
            self.ended = true;
            return Ok(());
        }
        match memchr::memchr(b'\n', self.content(0)) {
            Some(newline) => {
                self.drop_front(newline + 1);
                self.in_foreign_line = false;
            }
            None => {
                self.drop_front(self.filled);
                self.ended = self.offset >= self.end;
            }
        }
        Ok(())
    }

    /// Fills the buffer until it holds a whole line at least, and says how many bytes at its front are to be lent.
    fn whole_lines(&mut self) -> Result<usize, TaskFailure> {
        let (mut searched, mut seen) = (0, 0);
        // Most blocks begin with a piece of a line and an otherwise empty buffer: fill it before looking for an end.
        let wants_more =
            self.filled < self.buffer.bytes.len() && self.offset + (self.filled as u64) < self.end;
        let mut at_end_of_document = wants_more && self.read_more()? == 0;
        loop {
            let known_to = self.offset + self.filled as u64;
            let cut = if known_to < self.end {
                memchr::memrchr(b'\n', self.content(searched)).map(|at| searched + at + 1)
            } else {
                // The first line end at or after the last byte of the split ends its last line.
                let last = usize::try_from(self.end - 1 - self.offset).unwrap_or(usize::MAX);
                searched = searched.max(last);
                let cut = memchr::memchr(b'\n', self.content(searched)).map(|at| searched + at + 1);
                self.ended = cut.is_some();
                cut
            };
            if let Some(cut) = cut {
                return Ok(cut);
            }
            if at_end_of_document {
                self.ended = true;
                return Ok(self.filled);
            }
            searched = searched.max(self.filled);
            if self.filled == self.buffer.bytes.len() {
                if let Some(at) = memchr::memrchr(b'\n', self.content(seen)) {
                    // The last line of the split may need the whole buffer: those before it go first.
                    return Ok(seen + at + 1);
                }
                seen = self.filled;
                if !self.buffer.lengthen() {
                    return self.longest_line();
                }
            }
            at_end_of_document = self.read_more()? == 0;
        }
    }

    /// The buffer is as long as it may be and has no line end: a line, if the document ends here.
    fn longest_line(&mut self) -> Result<usize, TaskFailure> {
        if self.stream.fill(&mut [0])? > 0 {
            return Err(self.stream.document.too_long(self.offset, "line", self.buffer.record_bytes_max));
        }
        self.ended = true;
        Ok(self.filled)
    }

    fn content(&self, from: usize) -> &[u8] {
        self.buffer.bytes.get(from..self.filled).unwrap_or_default()
    }

    /// Fills the buffer, but not far past the end of the split.
    fn read_more(&mut self) -> Result<usize, TaskFailure> {
        let known_to = self.offset + self.filled as u64;
        let wanted = if known_to < self.end { self.end - known_to } else { OVERRUN_BYTES };
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let to = self.filled.saturating_add(wanted).min(self.buffer.bytes.len());
        let read = self.stream.fill(self.buffer.bytes.get_mut(self.filled..to).unwrap_or_default())?;
        self.filled += read;
        Ok(read)
    }
}
