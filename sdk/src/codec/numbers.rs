//! Numbers, truth values, characters and nothing.

use super::{Codec, DecodeError, Encode, Reader};

macro_rules! integers {
    ($($unsigned:ident $signed:ident),*) => {$(
        impl Encode for $unsigned {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }

        impl Codec for $unsigned {
            #[inline]
            fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self::from_be_bytes(from.array()?))
            }
        }

        impl Encode for $signed {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                (self.cast_unsigned() ^ (1 << ($unsigned::BITS - 1))).encode(out);
            }
        }

        impl Codec for $signed {
            #[inline]
            fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(($unsigned::decode(from)? ^ (1 << ($unsigned::BITS - 1))).cast_signed())
            }
        }
    )*};
}

integers!(u8 i8, u16 i16, u32 i32, u64 i64, u128 i128);

macro_rules! floats {
    ($($float:ident $bits:ident),*) => {$(
        impl Encode for $float {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                let (bits, sign) = (self.to_bits(), 1 << ($bits::BITS - 1));
                // Negative numbers grow with falling bits; positive ones belong above them.
                (if bits & sign == 0 { bits | sign } else { !bits }).encode(out);
            }
        }

        impl Codec for $float {
            #[inline]
            fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let (bits, sign) = ($bits::decode(from)?, 1 << ($bits::BITS - 1));
                Ok(Self::from_bits(if bits & sign == 0 { !bits } else { bits ^ sign }))
            }
        }
    )*};
}

floats!(f32 u32, f64 u64);

impl Encode for bool {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Codec for bool {
    #[inline]
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::Malformed("truth value", other)),
        }
    }
}

impl Encode for char {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::from(*self).to_be_bytes()[1..]);
    }
}

impl Codec for char {
    #[inline]
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [high, middle, low] = from.array()?;
        Self::from_u32(u32::from_be_bytes([0, high, middle, low]))
            .ok_or(DecodeError::Malformed("character, which begins with", high))
    }
}

impl Encode for () {
    #[inline]
    fn encode(&self, _: &mut Vec<u8>) {}
}

impl Codec for () {
    #[inline]
    fn decode(_: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(())
    }
}
