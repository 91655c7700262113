//! A whole file as one block, also when it is empty.

use gristmill_model::TaskFailure;

use super::stream::Stream;
use super::{InputBlock, InputBuffer};

/// One file.
pub(crate) struct Whole {
    stream: Stream,
    pub(super) buffer: InputBuffer,
    lent: bool,
}

impl Whole {
    /// `size` is its size if that is known before it is read.
    pub(super) fn new(
        stream: Stream,
        mut buffer: InputBuffer,
        size: Option<u64>,
    ) -> Result<Self, TaskFailure> {
        buffer.shrink();
        // One byte more than the file has shows its end without growing.
        let length = size.map_or(buffer.block_bytes as u64, |size| size.saturating_add(1));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > buffer.record_bytes_max {
            return Err(too_large(&stream, buffer.record_bytes_max, format_args!("{}", length - 1)));
        }
        buffer.grow(length);
        Ok(Self { stream, buffer, lent: false })
    }

    pub(super) fn next(&mut self) -> Result<Option<InputBlock<'_>>, TaskFailure> {
        if self.lent {
            return Ok(None);
        }
        self.lent = true;
        let mut filled = 0;
        loop {
            filled += self.stream.fill(self.buffer.bytes.get_mut(filled..).unwrap_or_default())?;
            if filled < self.buffer.bytes.len() {
                return Ok(Some(InputBlock {
                    offset: 0,
                    bytes: self.buffer.bytes.get(..filled).unwrap_or_default(),
                }));
            }
            if !self.buffer.lengthen() {
                return Err(too_large(&self.stream, self.buffer.record_bytes_max, format_args!("more")));
            }
        }
    }
}

fn too_large(stream: &Stream, limit: usize, size: std::fmt::Arguments<'_>) -> TaskFailure {
    let message = format!(
        "this app reads files whole, and a slot with this memory takes less than {limit} bytes, but its content has {size}; raise --memory"
    );
    stream.document.failure(0, message)
}
