//! The values of one key.

use crate::abi;
use crate::host::{Host, lent};
use crate::{Codec, DecodeError, Error, Reader, wire};
use std::marker::PhantomData;

/// The values of the key that is being reduced, in the order in which they were emitted (input by input, place by
/// place). They are read as they are taken, so a key may have more of them than fit into memory.
///
/// When a value cannot be read, or the host has to stop the attempt, there are no more values, and the attempt fails when
/// reduce returns.
pub struct Values<'a, V> {
    host: &'a Host<'a>,
    /// What is left of the batch that the host lends.
    batch: &'a [u8],
    left: u64,
    /// The host has values that are not in the batch.
    more: bool,
    value: PhantomData<fn() -> V>,
}

impl<'a, V: Codec> Values<'a, V> {
    /// # Safety
    /// If there are `more`, the current key of the host is this one, and the bytes of `first` stay until the next values are asked for,
    /// or until the call ends.
    pub(crate) unsafe fn new(first: &'a [u8], count: u64, more: bool, host: &'a Host<'a>) -> Self {
        Self { host, batch: first, left: count, more, value: PhantomData }
    }

    /// # Safety
    /// The bytes stay until the next values are asked for, or until the call ends.
    unsafe fn take_batch(&mut self, batch: abi::Values) {
        // SAFETY: as promised by the caller; what was lent before is overwritten.
        self.batch = unsafe { lent(batch.bytes) };
        self.left = batch.count;
    }

    /// The next value as it was encoded: for text and bytes that is the value itself, without the copy that an owned
    /// value takes.
    #[inline]
    pub fn next_encoded(&mut self) -> Option<&[u8]> {
        self.advance()
    }

    // The bytes live until the next call only; `'a` must not leave this type.
    #[inline]
    fn advance(&mut self) -> Option<&'a [u8]> {
        if self.left == 0 && !self.next_batch() {
            return None;
        }
        self.left -= 1;
        let value =
            wire::take_length(&mut self.batch).and_then(|length| wire::take_bytes(&mut self.batch, length));
        if value.is_none() {
            self.fail(DecodeError::Short);
        }
        value
    }

    #[cold]
    fn next_batch(&mut self) -> bool {
        self.batch = &[];
        if !self.more {
            return false;
        }
        let next = self.host.next_values();
        // SAFETY: the host promises them until it is asked again; `batch` and `advance` let go of them before.
        unsafe { self.take_batch(next) };
        self.more = self.left > 0;
        self.more
    }

    #[cold]
    fn fail(&mut self, error: DecodeError) {
        (self.left, self.more) = (0, false);
        self.host.remember(Error::new(format_args!("a value of this key cannot be read: {error}")));
    }
}

impl<V: Codec> Iterator for Values<'_, V> {
    type Item = V;

    #[inline]
    fn next(&mut self) -> Option<V> {
        let encoded = self.advance()?;
        match V::decode_last(&mut Reader::new(encoded)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }
}
