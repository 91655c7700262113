//! Encoded pairs and values in memory that is addressed by offsets; the encoding itself is the boundary's.

use gristmill_sdk::wire;

/// Where the parts of an encoded pair lie: it begins at `start`, its key at `key`, its value at `value`, and it ends at `end`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PairAt {
    pub(crate) start: usize,
    pub(crate) key: usize,
    pub(crate) value: usize,
    pub(crate) end: usize,
}

impl PairAt {
    /// The key, in the bytes in which the pair was found.
    #[inline]
    pub(crate) fn key_in(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.key..self.value).unwrap_or_default()
    }

    /// The value, likewise.
    #[inline]
    pub(crate) fn value_in(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.value..self.end).unwrap_or_default()
    }

    /// The first eight bytes of the key as a number, zeros behind a shorter one.
    #[inline]
    pub(crate) fn prefix_in(self, bytes: &[u8]) -> u64 {
        // Most often the value, or another pair, lies behind a short key, so that eight bytes can be read at once.
        match bytes.get(self.key..).and_then(|rest| rest.first_chunk()) {
            Some(first) => match self.value - self.key {
                length @ 0..8 => u64::from_be_bytes(*first) & !(u64::MAX >> (8 * length)),
                _ => u64::from_be_bytes(*first),
            },
            None => prefix(self.key_in(bytes)),
        }
    }
}

/// The first eight bytes of a key as a number, zeros behind a shorter one.
pub(crate) fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(first)
}

/// Appends a pair.
pub(crate) fn put_pair(into: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    wire::put_length(into, key.len());
    wire::put_length(into, value.len());
    into.extend_from_slice(key);
    into.extend_from_slice(value);
}

/// Appends a value.
#[inline]
pub(crate) fn put_value(into: &mut Vec<u8>, value: &[u8]) {
    wire::put_length(into, value.len());
    into.extend_from_slice(value);
}

/// Where the parts of the pair at `at` lie; `None` if there is no whole pair.
#[inline]
pub(crate) fn pair_at(bytes: &[u8], at: usize) -> Option<PairAt> {
    let rest = bytes.get(at..)?;
    if let [key_length @ 0..0x80, value_length @ 0..0x80, ..] = *rest {
        let key = at + 2;
        let value = key + usize::from(key_length);
        let end = value + usize::from(value_length);
        return (end <= bytes.len()).then_some(PairAt { start: at, key, value, end });
    }
    long_pair_at(bytes, at)
}

fn long_pair_at(bytes: &[u8], at: usize) -> Option<PairAt> {
    lead_at(bytes, at).filter(|pair| pair.end <= bytes.len())
}

/// Where the parts of the pair at `at` lie or would lie, of which all but the value must be there.
pub(crate) fn lead_at(bytes: &[u8], at: usize) -> Option<PairAt> {
    let mut rest = bytes.get(at..)?;
    let (key_bytes, value_bytes) = (wire::take_length(&mut rest)?, wire::take_length(&mut rest)?);
    let key = bytes.len() - rest.len();
    let value = key.checked_add(key_bytes).filter(|&value| value <= bytes.len())?;
    Some(PairAt { start: at, key, value, end: value.checked_add(value_bytes)? })
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
                prop_assert_eq!(pair.key_in(&bytes), key);
                prop_assert_eq!(pair.prefix_in(&bytes), prefix(key));
                prop_assert_eq!(pair.value_in(&bytes), value);
                prop_assert_eq!(pair.start, at);
                at = pair.end;
            }
            prop_assert_eq!(at, bytes.len());
            prop_assert!(pair_at(&bytes, at).is_none());
        }

        #[test]
        fn any_bytes_are_a_pair_inside_them_or_none(bytes: Vec<u8>, at in 0_usize..40) {
            if let Some(pair) = pair_at(&bytes, at) {
                prop_assert!(at < pair.key && pair.key <= pair.value && pair.value <= pair.end && pair.end <= bytes.len());
            }
        }

        #[test]
        fn prefixes_sort_as_their_keys(a: Vec<u8>, b: Vec<u8>) {
            if prefix(&a) != prefix(&b) {
                prop_assert_eq!(prefix(&a).cmp(&prefix(&b)), a.cmp(&b));
            }
        }
    }
}
