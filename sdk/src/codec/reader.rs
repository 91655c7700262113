//! What codecs decode from, and how that fails.

use std::fmt;

/// Encoded bytes that are taken off from the front.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    // Every byte is read exclusive-or this: 0xff inside of a descending value.
    flip: u8,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, flip: 0 }
    }

    /// How many bytes are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Takes one byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// Takes `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or(DecodeError::Short)?;
        self.bytes = rest;
        Ok(taken.map(|byte| byte ^ self.flip))
    }

    /// Takes all that is left.
    pub fn rest(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.bytes);
        if self.flip == 0 { rest.to_vec() } else { rest.iter().map(|byte| byte ^ self.flip).collect() }
    }

    /// Whether all was taken.
    #[inline]
    pub fn end(&self) -> Result<(), DecodeError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.bytes.len())) }
    }

    /// Takes bytes up to an end mark, undoing the escapes.
    pub(super) fn escaped(&mut self) -> Result<Vec<u8>, DecodeError> {
        let mut taken = Vec::new();
        loop {
            let plain = self.bytes.iter().take_while(|&&byte| byte != self.flip).count();
            let (run, rest) = self.bytes.split_at(plain);
            taken.extend(run.iter().map(|byte| byte ^ self.flip));
            self.bytes = rest;
            match self.array::<2>()? {
                [_, 0x00] => return Ok(taken),
                [_, 0xff] => taken.push(0),
                [_, other] => return Err(DecodeError::Malformed("byte after zero in a string", other)),
            }
        }
    }

    /// Decodes with every bit flipped.
    #[inline]
    pub(super) fn flipped<T>(&mut self, decode: impl FnOnce(&mut Self) -> T) -> T {
        self.flip = !self.flip;
        let decoded = decode(self);
        self.flip = !self.flip;
        decoded
    }
}

/// Why bytes are not the encoding of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// They end too early.
    Short,
    /// So many bytes are left over.
    Trailing(usize),
    /// Text that is not UTF-8.
    NotUtf8,
    /// A place, and the byte that may not be there.
    Malformed(&'static str, u8),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("the encoding ends too early"),
            Self::Trailing(bytes) => write!(f, "{bytes} bytes are left over behind the encoding"),
            Self::NotUtf8 => f.write_str("encoded text is not UTF-8"),
            Self::Malformed(place, byte) => write!(f, "impossible {place}: {byte:#04x}"),
        }
    }
}

impl std::error::Error for DecodeError {}
