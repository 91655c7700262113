//! Pairs and groups as they cross the boundary. Lengths are LEB128, least significant bits first, at most ten bytes.

/// The most bytes that one length takes.
pub const LENGTH_BYTES_MAX: usize = 10;

/// Appends `length`.
#[inline]
pub fn put_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// Writes two lengths, for which there is room; gives how many bytes they took.
#[inline]
pub(crate) fn write_lengths(out: &mut [u8], first: usize, second: usize) -> usize {
    if first < 0x80 && second < 0x80 {
        out[..2].copy_from_slice(&[first as u8, second as u8]);
        return 2;
    }
    let at = write_length(out, first);
    at + write_length(&mut out[at..], second)
}

fn write_length(out: &mut [u8], mut length: usize) -> usize {
    let mut at = 0;
    while length >= 0x80 {
        out[at] = length as u8 | 0x80;
        length >>= 7;
        at += 1;
    }
    out[at] = length as u8;
    at + 1
}

/// How many bytes [`put_length`] appends.
#[inline]
pub fn length_bytes(length: usize) -> usize {
    if length < 0x80 { 1 } else { (usize::BITS - length.leading_zeros()).div_ceil(7) as usize }
}

/// Takes a length off the front of `bytes`; `None`, with `bytes` as it was, when there is none.
#[inline]
pub fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(first as usize);
    }
    take_long_length(bytes)
}

fn take_long_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0_u64;
    for (i, &byte) in bytes.iter().take(LENGTH_BYTES_MAX).enumerate() {
        let group = u64::from(byte & 0x7f);
        if i == LENGTH_BYTES_MAX - 1 && group > 1 {
            return None;
        }
        length |= group << (7 * i);
        if byte < 0x80 {
            *bytes = &bytes[i + 1..];
            return usize::try_from(length).ok();
        }
    }
    None
}

/// Takes so many bytes off the front of `bytes`; `None`, with `bytes` as it was, when there are fewer.
#[inline]
pub fn take_bytes<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

/// Takes one pair (key length, value length, key, value) off the front of `bytes`: its key and value.
#[inline]
pub fn take_pair<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut rest = *bytes;
    let key_bytes = take_length(&mut rest)?;
    let value_bytes = take_length(&mut rest)?;
    let key = take_bytes(&mut rest, key_bytes)?;
    let value = take_bytes(&mut rest, value_bytes)?;
    *bytes = rest;
    Some((key, value))
}

/// A key with values, as it lies in a batch of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// The key.
    pub key: &'a [u8],
    /// How many values are here.
    pub count: u64,
    /// The values, each behind its length.
    pub values: &'a [u8],
}

/// Appends a group.
pub fn put_group(out: &mut Vec<u8>, group: &Group<'_>) {
    put_length(out, group.key.len());
    out.extend_from_slice(group.key);
    put_length(out, group.count as usize);
    put_length(out, group.values.len());
    out.extend_from_slice(group.values);
}

/// Takes one group off the front of `bytes`; `None`, with `bytes` as it was, when there is no whole one.
#[inline]
pub fn take_group<'a>(bytes: &mut &'a [u8]) -> Option<Group<'a>> {
    let mut rest = *bytes;
    let key_bytes = take_length(&mut rest)?;
    let key = take_bytes(&mut rest, key_bytes)?;
    let count = take_length(&mut rest)? as u64;
    let values_bytes = take_length(&mut rest)?;
    let values = take_bytes(&mut rest, values_bytes)?;
    *bytes = rest;
    Some(Group { key, count, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lengths_come_back(length: usize, tail: Vec<u8>) {
            let mut bytes = Vec::new();
            put_length(&mut bytes, length);
            prop_assert_eq!(bytes.len(), length_bytes(length));
            let mut twice = [0; 2 * LENGTH_BYTES_MAX];
            let written = write_lengths(&mut twice, length, length);
            prop_assert_eq!(&twice[..written], [&bytes[..], &bytes[..]].concat());
            prop_assert!(bytes.len() <= LENGTH_BYTES_MAX);
            bytes.extend(&tail);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_length(&mut rest), Some(length));
            prop_assert_eq!(rest, tail.as_slice());
        }

        #[test]
        fn groups_come_back(key: Vec<u8>, count: usize, values: Vec<u8>, tail: Vec<u8>) {
            let group = Group { key: &key, count: count as u64, values: &values };
            let mut bytes = Vec::new();
            put_group(&mut bytes, &group);
            bytes.extend(&tail);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_group(&mut rest), Some(group));
            prop_assert_eq!(rest, tail.as_slice());
        }

        #[test]
        fn any_bytes_are_a_group_or_are_left_alone(bytes: Vec<u8>) {
            let mut rest = bytes.as_slice();
            if take_group(&mut rest).is_none() {
                prop_assert_eq!(rest, bytes.as_slice());
            }
        }

        #[test]
        fn any_bytes_are_a_pair_or_are_left_alone(bytes: Vec<u8>) {
            let mut rest = bytes.as_slice();
            if take_pair(&mut rest).is_none() {
                prop_assert_eq!(rest, bytes.as_slice());
            }
        }
    }

    #[test]
    fn a_length_beyond_64_bits_is_refused() {
        let mut bytes: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(take_length(&mut bytes), None);
        assert_eq!(bytes.len(), 10);
        assert_eq!(take_length(&mut [0x80; 10].as_slice()), None);
    }
}
