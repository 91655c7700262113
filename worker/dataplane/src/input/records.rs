//! Blocks of whole records of one size.

use gristmill_model::TaskFailure;

use super::stream::Stream;
use super::{InputBlock, InputBuffer};

/// The records that begin in one split.
pub(crate) struct Records {
    stream: Stream,
    pub(super) buffer: InputBuffer,
    record_bytes: u64,
    block_bytes: usize,
    offset: u64,
    end: u64,
}

/// From where to where the records lie whose first bytes lie in `from..to`, given that the first record begins at zero.
pub(super) fn covered(from: u64, to: u64, record_bytes: u64) -> (u64, u64) {
    let up = |offset: u64| offset.div_ceil(record_bytes.max(1)).saturating_mul(record_bytes);
    (up(from), up(to))
}

impl Records {
    /// `stream` stands at `offset`, where a record begins; records that begin at `end` or later are not wanted.
    pub(super) fn new(
        stream: Stream,
        mut buffer: InputBuffer,
        record_bytes: u64,
        offset: u64,
        end: u64,
    ) -> Result<Self, TaskFailure> {
        let limit = buffer.record_bytes_max;
        let Some(record) = usize::try_from(record_bytes).ok().filter(|&bytes| bytes > 0 && bytes <= limit)
        else {
            return Err(stream.document.too_long(offset, "record", limit));
        };
        let block_bytes = (buffer.block_bytes / record).max(1) * record;
        buffer.grow(block_bytes);
        Ok(Self { stream, buffer, record_bytes, block_bytes, offset, end })
    }

    pub(super) fn next(&mut self) -> Result<Option<InputBlock<'_>>, TaskFailure> {
        let left = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let wanted = left.min(self.block_bytes);
        let offset = self.offset;
        let filled = self.stream.fill(self.buffer.bytes.get_mut(..wanted).unwrap_or_default())?;
        self.offset += filled as u64;
        if filled == 0 {
            return Ok(None);
        }
        let partial = filled as u64 % self.record_bytes;
        if partial > 0 {
            let at = self.offset - partial;
            let message = format!(
                "it does not end with a whole record: {partial} bytes are left at byte {at}, a record has {}",
                self.record_bytes
            );
            return Err(self.stream.document.failure(at, message));
        }
        Ok(Some(InputBlock { offset, bytes: self.buffer.bytes.get(..filled).unwrap_or_default() }))
    }
}
