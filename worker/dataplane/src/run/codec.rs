//! How the payload of a block is packed.

use std::cell::RefCell;
use std::io;

use zstd::bulk::{Compressor, Decompressor};

/// A way to store a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Lz4,
    Zstd,
}

/// The level whose speed is worth most where a disk is slow.
const ZSTD_LEVEL: i32 = 1;

thread_local! {
    /// One for all readers of a merge, for each takes more memory than a small buffer.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

impl Codec {
    /// As it stands in the header of a block.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Lz4 => 1,
            Self::Zstd => 2,
        }
    }

    pub(super) fn of_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::None),
            1 => Some(Self::Lz4),
            2 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Appends the packed payload, if that is shorter; says whether it is.
    pub(super) fn pack(self, payload: &[u8], into: &mut Vec<u8>) -> io::Result<bool> {
        let start = into.len();
        let bound = match self {
            Self::None => return Ok(false),
            Self::Lz4 => lz4_flex::block::get_maximum_output_size(payload.len()),
            Self::Zstd => zstd::zstd_safe::compress_bound(payload.len()),
        };
        into.resize(start + bound, 0);
        let room = into.get_mut(start..).unwrap_or_default();
        let packed = match self {
            Self::None => 0,
            Self::Lz4 => lz4_flex::block::compress_into(payload, room).map_err(io::Error::other)?,
            Self::Zstd => Compressor::new(ZSTD_LEVEL)?.compress_to_buffer(payload, room)?,
        };
        into.truncate(start + packed);
        Ok(packed < payload.len())
    }

    /// Fills `into` from packed bytes; false unless they give exactly so many.
    pub(super) fn unpack(self, packed: &[u8], into: &mut [u8]) -> bool {
        let unpacked = match self {
            Self::None => None,
            Self::Lz4 => lz4_flex::block::decompress_into(packed, into).ok(),
            Self::Zstd => DECOMPRESSOR.with_borrow_mut(|decompressor| {
                if decompressor.is_none() {
                    *decompressor = Decompressor::new().ok();
                }
                decompressor.as_mut()?.decompress_to_buffer(packed, into).ok()
            }),
        };
        unpacked == Some(into.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACKING: [Codec; 2] = [Codec::Lz4, Codec::Zstd];

    proptest! {
        #[test]
        fn payloads_come_back(pieces: Vec<[u8; 3]>, repeated in 1_usize..50) {
            let payload = pieces.concat().repeat(repeated);
            for codec in PACKING {
                let mut packed = vec![7];
                codec.pack(&payload, &mut packed).unwrap();
                let mut unpacked = vec![0; payload.len()];
                prop_assert!(codec.unpack(&packed[1..], &mut unpacked));
                prop_assert_eq!(&unpacked, &payload);
                prop_assert!(!codec.unpack(&packed[1..], &mut vec![0; payload.len() + 1]));
            }
        }

        #[test]
        fn any_bytes_are_unpacked_or_refused(packed: Vec<u8>, length in 0_usize..300) {
            for codec in PACKING {
                codec.unpack(&packed, &mut vec![0; length]);
            }
        }

        #[test]
        fn a_flipped_bit_gives_other_bytes_or_none_but_no_panic(text in "[a-c]{20,300}", at: prop::sample::Index, bit in 0_u8..8) {
            for codec in PACKING {
                let mut packed = Vec::new();
                codec.pack(text.as_bytes(), &mut packed).unwrap();
                let at = at.index(packed.len());
                packed[at] ^= 1 << bit;
                codec.unpack(&packed, &mut vec![0; text.len()]);
                codec.unpack(&packed[..at], &mut vec![0; text.len()]);
            }
        }
    }

    #[test]
    fn numbers_name_codecs() {
        for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
            assert_eq!(Codec::of_number(codec.number().into()), Some(codec));
        }
        assert_eq!(Codec::of_number(3), None);
    }
}
