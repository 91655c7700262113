//! Keys and values as bytes.
//!
//! Every encoding sorts by bytes in the type's own order and says where it ends, so encodings can follow one another:
//!
//! | type | encoding |
//! |---|---|
//! | `u8` … `u128` | big-endian |
//! | `i8` … `i128` | big-endian with the sign bit flipped |
//! | `f32`, `f64` | the order of `total_cmp`: `-NaN < -inf < … < -0 < +0 < … < +inf < NaN`; all bits come back |
//! | `bool`, `char`, `()` | one byte, three bytes, none |
//! | `str`, `String`, `[u8]`, [`Bytes`] | `00` as `00 ff`, then `00 00` |
//! | `Option<T>` | `00`, or `01` and the value |
//! | `Vec<T>` | `01` and the element for each, then `00` |
//! | tuples of up to six | one after the other |
//! | [`Descending<T>`] | the encoding of `T`, every bit flipped |
//!
//! Where nothing follows, which is so for a key or value as a whole, for the last field of a tuple there and for what an
//! `Option` holds there, text and bytes stand as they are, without escapes or end.

mod compound;
mod numbers;
mod reader;
mod strings;

pub use compound::Descending;
pub use reader::{DecodeError, Reader};
pub use strings::Bytes;

use std::borrow::Borrow;

/// Something that encodes exactly as a `T` does: `T` itself or what borrows the same, such as `str` for [`String`] or
/// `(&str, u64)` for `(String, u64)`.
pub trait Encode<T: ?Sized = Self> {
    /// Appends the encoding, which says by itself where it ends.
    fn encode(&self, out: &mut Vec<u8>);

    /// Appends the encoding for a place where nothing follows.
    #[inline]
    fn encode_last(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }

    /// What [`encode_last`](Self::encode_last) would append, if it lies in memory already.
    #[inline]
    fn lend(&self) -> Option<&[u8]> {
        None
    }
}

impl<T: ?Sized, E: ?Sized + Encode<T>> Encode<T> for &E {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }

    #[inline]
    fn encode_last(&self, out: &mut Vec<u8>) {
        (**self).encode_last(out);
    }

    #[inline]
    fn lend(&self) -> Option<&[u8]> {
        (**self).lend()
    }
}

/// An owned type that encodes and decodes: what values are, and most keys.
///
/// To use a type of your own, implement this, [`Encode`] and [`ToText`](crate::ToText) by way of a tuple of its fields.
///
/// ```
/// use gristmill_sdk::{Codec, DecodeError, Encode, Reader, ToText};
///
/// struct Visit { day: u32, page: String }
///
/// impl Encode for Visit {
///     fn encode(&self, out: &mut Vec<u8>) { (self.day, &self.page).encode(out) }
/// }
/// impl Codec for Visit {
///     fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
///         let (day, page) = Codec::decode(from)?;
///         Ok(Self { day, page })
///     }
///     fn heap_bytes(&self) -> usize { self.page.heap_bytes() }
/// }
/// impl ToText for Visit {
///     fn to_text(&self, out: &mut Vec<u8>) { (self.day, &self.page).to_text(out) }
/// }
/// ```
pub trait Codec: Encode<Self> + Sized {
    /// Takes one value, encoded by [`Encode::encode`], off the front. Never panics, whatever the bytes are.
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Takes all that is left as one value encoded by [`Encode::encode_last`].
    #[inline]
    fn decode_last(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = Self::decode(from)?;
        from.end()?;
        Ok(value)
    }

    /// How many bytes it holds outside itself, each piece as [`heap_block`] counts it. Collected values are counted by it against the memory of
    /// the slot.
    ///
    /// What a type does not say is taken from its encoding, made for that alone: slower than saying it, and too little for one that
    /// holds many small pieces. A type that has nothing to drop holds nothing.
    #[inline]
    fn heap_bytes(&self) -> usize {
        if !std::mem::needs_drop::<Self>() {
            return 0;
        }
        let mut encoded = Vec::new();
        Encode::<Self>::encode(self, &mut encoded);
        heap_block(encoded.len())
    }

    /// Whether [`heap_bytes`](Self::heap_bytes) takes the same time for every value, however large. If it does not, a value into which others
    /// are folded is not looked at each time: what it holds is estimated, and counted now and then.
    const HEAP_IS_SOON_COUNTED: bool = false;
}

/// What an allocation of so many bytes takes: allocators round up, and keep a word of their own before each.
#[inline]
pub const fn heap_block(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + size_of::<usize>()).next_multiple_of(16) }
}

/// A key: every [`Codec`], and besides `str` and `[u8]`, which are lent without being copied.
pub trait Key: Encode<Self> + crate::ToText {
    /// What decoding gives: the key itself, or a reference to it.
    type Decoded<'a>: Borrow<Self>;

    /// The key that these bytes are, as encoded by [`Encode::encode_last`].
    fn decode_key(bytes: &[u8]) -> Result<Self::Decoded<'_>, DecodeError>;
}

impl<T: Codec + crate::ToText> Key for T {
    type Decoded<'a> = T;

    #[inline]
    fn decode_key(bytes: &[u8]) -> Result<T, DecodeError> {
        T::decode_last(&mut Reader::new(bytes))
    }
}

impl Key for str {
    type Decoded<'a> = &'a str;

    #[inline]
    fn decode_key(bytes: &[u8]) -> Result<&str, DecodeError> {
        std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)
    }
}

impl Key for [u8] {
    type Decoded<'a> = &'a [u8];

    #[inline]
    fn decode_key(bytes: &[u8]) -> Result<&[u8], DecodeError> {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
