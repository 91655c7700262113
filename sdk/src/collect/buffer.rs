//! Gathers sorted pairs into buffers of one partition each.

use super::RunSink;
use crate::wire;

/// How big a buffer is before it is handed over, in bytes.
pub const RUN_BUFFER_BYTES: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct RunBuffer {
    bytes: Vec<u8>,
    pairs: u64,
    partition: u32,
}

impl RunBuffer {
    /// Adds a pair that is encoded as it goes over the boundary.
    #[inline]
    pub(super) fn push_record<S: RunSink>(
        &mut self,
        partition: u32,
        record: &[u8],
        sink: &mut S,
    ) -> Result<(), S::Error> {
        self.make_room(partition, record.len(), sink)?;
        if record.len() > RUN_BUFFER_BYTES {
            return sink.pairs(partition, 1, record);
        }
        self.bytes.extend_from_slice(record);
        self.pairs += 1;
        Ok(())
    }

    /// Adds a pair.
    #[inline]
    pub(super) fn push<S: RunSink>(
        &mut self,
        partition: u32,
        key: &[u8],
        value: &[u8],
        sink: &mut S,
    ) -> Result<(), S::Error> {
        let lengths = wire::length_bytes(key.len()) + wire::length_bytes(value.len());
        self.make_room(partition, lengths + key.len() + value.len(), sink)?;
        wire::put_length(&mut self.bytes, key.len());
        wire::put_length(&mut self.bytes, value.len());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.pairs += 1;
        Ok(())
    }

    #[inline]
    fn make_room<S: RunSink>(&mut self, partition: u32, length: usize, sink: &mut S) -> Result<(), S::Error> {
        if partition != self.partition || self.bytes.len() + length > RUN_BUFFER_BYTES {
            self.flush(sink)?;
            self.partition = partition;
        }
        Ok(())
    }

    /// Hands over what is there.
    pub(super) fn flush<S: RunSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        if self.pairs > 0 {
            sink.pairs(self.partition, self.pairs, &self.bytes)?;
        }
        self.clear();
        Ok(())
    }

    /// Forgets what is there, and the memory that a big pair has taken.
    pub(super) fn clear(&mut self) {
        self.pairs = 0;
        self.bytes.clear();
        self.bytes.shrink_to(2 * RUN_BUFFER_BYTES);
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}
