//! Encoded pairs and values in memory that is addressed by offsets; the encoding itself is the boundary's.

use std::ops::Range;

use gristmill_sdk::wire;

/// Where the parts of an encoded pair lie.
#[derive(Clone, Debug)]
pub(crate) struct PairAt {
    pub(crate) key: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// Appends a pair.
pub(crate) fn put_pair(into: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    wire::put_length(into, key.len());
    wire::put_length(into, value.len());
    into.extend_from_slice(key);
    into.extend_from_slice(value);
}

/// Appends a value.
pub(crate) fn put_value(into: &mut Vec<u8>, value: &[u8]) {
    wire::put_length(into, value.len());
    into.extend_from_slice(value);
}

/// Where the parts of the pair at `at` lie; `None` if there is no whole pair.
#[inline]
pub(crate) fn pair_at(bytes: &[u8], at: usize) -> Option<PairAt> {
    let mut rest = bytes.get(at..)?;
    let (key, value) = wire::take_pair(&mut rest)?;
    let end = bytes.len() - rest.len();
    let middle = end - value.len();
    Some(PairAt { key: middle - key.len()..middle, value: middle..end })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pairs_are_found_where_they_are(pairs: Vec<(Vec<u8>, Vec<u8>)>) {
            let mut bytes = Vec::new();
            pairs.iter().for_each(|(key, value)| put_pair(&mut bytes, key, value));
            let mut at = 0;
            for (key, value) in &pairs {
                let pair = pair_at(&bytes, at).unwrap();
                prop_assert_eq!(&bytes[pair.key], key);
                at = pair.value.end;
                prop_assert_eq!(&bytes[pair.value], value);
            }
            prop_assert_eq!(at, bytes.len());
            prop_assert!(pair_at(&bytes, at).is_none());
        }

        #[test]
        fn any_bytes_are_a_pair_inside_them_or_none(bytes: Vec<u8>, at in 0_usize..40) {
            if let Some(pair) = pair_at(&bytes, at) {
                prop_assert!(at < pair.key.start && pair.key.end == pair.value.start && pair.value.end <= bytes.len());
            }
        }
    }
}
