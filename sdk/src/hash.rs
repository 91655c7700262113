//! The hash of encoded keys: which partition a key belongs to, and where it stands in the map-side table.
//!
//! It never changes within an ABI version, since all workers must agree on it. With `fold(a, b)` as the exclusive-or of
//! the two halves of the 128-bit product, and words read big-endian:
//!
//! ```text
//! up to 16 bytes    a = first 8 bytes, padded with zeros; b = last 8 bytes, or 0 if there are at most 8
//! longer            state = A; for each 16 bytes that have more after them: state = fold(first word ^ state, second word ^ C)
//!                   a = first word of the last 16 bytes ^ state; b = second word of them
//! hash              fold(fold(a ^ A, b ^ B) ^ length, C)
//! partition         (upper 32 bits of hash * partitions) >> 32
//! ```

const A: u64 = 0x9e37_79b9_7f4a_7c15;
const B: u64 = 0xc2b2_ae3d_27d4_eb4f;
const C: u64 = 0xd6e8_feb8_6659_fd93;

#[inline]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(&eight) => u64::from_be_bytes(eight),
        None => 0,
    }
}

/// The first eight bytes, padded with zeros: compares as the bytes do, as far as it goes.
#[inline]
pub(crate) fn prefix(key: &[u8]) -> u64 {
    let length = key.len();
    match (key.first_chunk(), key.last_chunk()) {
        (Some(&first), Some(&last)) if length < 8 => {
            // The two halves overlap, in equal bytes.
            let (first, last) = (u32::from_be_bytes(first), u32::from_be_bytes(last));
            u64::from(first) << 32 | u64::from(last) << (8 * (8 - length))
        }
        (Some(_), _) => word(key, 0),
        _ => key.iter().zip([56, 48, 40]).fold(0, |sum, (&byte, shift)| sum | u64::from(byte) << shift),
    }
}

/// The upper half of the hash of a key whose [`prefix`] is known.
#[inline]
pub(crate) fn hash_with_prefix(key: &[u8], prefix: u64) -> u32 {
    let (a, b) = match key.len() {
        0..=8 => (prefix, 0),
        length @ 9..=16 => (prefix, word(key, length - 8)),
        _ => long_words(key),
    };
    (fold(fold(a ^ A, b ^ B) ^ key.len() as u64, C) >> 32) as u32
}

fn long_words(key: &[u8]) -> (u64, u64) {
    let last = key.len() - 16;
    let state = (0..last).step_by(16).fold(A, |state, at| fold(word(key, at) ^ state, word(key, at + 8) ^ C));
    (word(key, last) ^ state, word(key, last + 8))
}

/// Which of `partitions` a hash belongs to.
#[inline]
pub(crate) fn partition_of_hash(hash: u32, partitions: u32) -> u32 {
    ((u64::from(hash) * u64::from(partitions)) >> 32) as u32
}

/// The partition of an encoded key when the app has no `partition` of its own; 0 when there are none.
///
/// The same for every worker and release of one ABI version: the hash is written down at the head of this file.
#[inline]
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    partition_of_hash(hash_with_prefix(key, prefix(key)), partitions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn partitions_are_the_same_in_every_release() {
        let keys: [&[u8]; 8] =
            [b"", b"a", b"the", b"whale", b"leviathan", b"0123456789abcdef", b"0123456789abcdefg", &[0; 100]];
        let golden = keys.map(|key| partition_of(key, 1 << 31));
        assert_eq!(
            golden,
            [
                696_285_997,
                724_347_734,
                1_727_383_268,
                1_155_495_146,
                735_633_139,
                326_891_064,
                885_228_216,
                1_638_027_839
            ]
        );
    }

    #[test]
    fn without_partitions_every_key_is_in_the_first() {
        assert_eq!(partition_of(b"key", 0), 0);
    }

    #[test]
    fn kin_spread_evenly() {
        let numbers = (0..80_000_u64).map(|n| n.to_be_bytes().to_vec());
        let words = (0..80_000_u64).map(|n| format!("chapter-{n}-of-a-long-name").into_bytes());
        let shorts = (0..80_000_u64).map(|n| n.to_string().into_bytes());
        for keys in [numbers.collect::<Vec<_>>(), words.collect(), shorts.collect()] {
            let mut sizes = [0_u32; 16];
            keys.iter().for_each(|key| sizes[partition_of(key, 16) as usize] += 1);
            // 5000 each; the standard deviation is about 68.
            assert!(sizes.iter().all(|size| (4_600..5_400).contains(size)), "{sizes:?}");
        }
    }

    proptest! {
        #[test]
        fn a_prefix_is_the_first_eight_bytes(key in proptest::collection::vec(any::<u8>(), 0..20)) {
            let mut padded = [0; 8];
            let length = key.len().min(8);
            padded[..length].copy_from_slice(&key[..length]);
            prop_assert_eq!(prefix(&key), u64::from_be_bytes(padded));
        }

        #[test]
        fn every_byte_counts(key in proptest::collection::vec(any::<u8>(), 1..70), at: proptest::sample::Index) {
            let mut other = key.clone();
            *at.get_mut(&mut other) ^= 0x10;
            prop_assert_ne!(
                hash_with_prefix(&key, prefix(&key)),
                hash_with_prefix(&other, prefix(&other))
            );
        }

        #[test]
        fn a_partition_is_below_their_number(key: Vec<u8>, partitions in 1_u32..) {
            prop_assert!(partition_of(&key, partitions) < partitions);
        }
    }
}
