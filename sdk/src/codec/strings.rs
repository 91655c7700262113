//! Text and byte strings.

use super::{Codec, DecodeError, Encode, Reader, heap_block};
use std::borrow::Borrow;
use std::ops::Deref;

/// Bytes that need not be text, owned. (A `Vec<u8>` is a list of numbers to the codecs, twice as long.)
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for (i, piece) in bytes.split(|&byte| byte == 0).enumerate() {
        if i > 0 {
            out.extend_from_slice(&[0x00, 0xff]);
        }
        out.extend_from_slice(piece);
    }
    out.extend_from_slice(&[0x00, 0x00]);
}

macro_rules! strings {
    ($($form:ty as $target:ty: $bytes:expr;)*) => {$(
        impl Encode<$target> for $form {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                escape($bytes(self), out);
            }

            #[inline]
            fn encode_last(&self, out: &mut Vec<u8>) {
                out.extend_from_slice($bytes(self));
            }

            #[inline]
            fn lend(&self) -> Option<&[u8]> {
                Some($bytes(self))
            }
        }
    )*};
}

strings! {
    str as str: str::as_bytes;
    str as String: str::as_bytes;
    String as String: String::as_bytes;
    [u8] as [u8]: std::convert::identity;
    [u8] as Bytes: std::convert::identity;
    Bytes as Bytes: Bytes::deref;
}

impl Codec for String {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_utf8(from.escaped()?).map_err(|_| DecodeError::NotUtf8)
    }

    fn decode_last(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_utf8(from.rest()).map_err(|_| DecodeError::NotUtf8)
    }

    fn heap_bytes(&self) -> usize {
        heap_block(self.capacity())
    }

    const HEAP_IS_SOON_COUNTED: bool = true;
}

impl Codec for Bytes {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.escaped().map(Self)
    }

    fn decode_last(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(from.rest()))
    }

    fn heap_bytes(&self) -> usize {
        heap_block(self.0.capacity())
    }

    const HEAP_IS_SOON_COUNTED: bool = true;
}
