//! How names travel from map to reduce: sorted, each as the number of bytes that it shares with the one before, and the rest behind its length.

use gristmill_sdk::{DecodeError, wire};
use std::cmp::Ordering;

/// Appends names, which are sorted.
pub(crate) fn put<'n>(names: impl IntoIterator<Item = &'n [u8]>, out: &mut Vec<u8>) {
    let mut before: &[u8] = &[];
    for name in names {
        let shared = name.iter().zip(before).take_while(|(a, b)| a == b).count();
        let rest = &name[shared..];
        wire::put_length(out, shared);
        wire::put_length(out, rest.len());
        out.extend_from_slice(rest);
        before = name;
    }
}

/// Gives each of the names that [`put`] has written.
pub(crate) fn each(mut encoded: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), DecodeError> {
    let (mut name, mut is_first) = (Vec::new(), true);
    while !encoded.is_empty() {
        let shared = wire::take_length(&mut encoded).ok_or(DecodeError::Short)?;
        let length = wire::take_length(&mut encoded).ok_or(DecodeError::Short)?;
        let rest = wire::take_bytes(&mut encoded, length).ok_or(DecodeError::Short)?;
        let kept =
            name.get(shared..).ok_or(DecodeError::Malformed("number of shared bytes", shared as u8))?;
        if !is_first && kept.cmp(rest) != Ordering::Less {
            return Err(DecodeError::Malformed("order of names, at length", length as u8));
        }
        name.truncate(shared);
        name.extend_from_slice(rest);
        is_first = false;
        take(&name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(encoded: &[u8]) -> Result<Vec<Vec<u8>>, DecodeError> {
        let mut names = Vec::new();
        each(encoded, |name| names.push(name.to_vec()))?;
        Ok(names)
    }

    #[test]
    fn names_come_back_and_what_they_share_is_there_once() {
        let long = [b'x'; 300];
        let names: [&[u8]; 5] = [b"", b"docs/a.txt", b"docs/a.txt\0", b"docs/b.txt", &long];
        let mut encoded = Vec::new();
        put(names, &mut encoded);
        assert_eq!(taken(&encoded).unwrap(), names);
        assert_eq!(encoded.len(), names.concat().len() - 10 - 5 + 5 * 2 + 1);
        assert_eq!(taken(&[]), Ok(vec![]));
    }

    #[test]
    fn damaged_lists_are_errors() {
        let mut encoded = Vec::new();
        put([&b"docs/a.txt"[..], b"docs/b.txt"], &mut encoded);
        for end in (1..encoded.len()).filter(|end| *end != 12) {
            assert_eq!(taken(&encoded[..end]), Err(DecodeError::Short), "{end}");
        }
        assert!(matches!(taken(&[0, 1, b'a', 2, 1, b'b']), Err(DecodeError::Malformed(..))));
        assert!(matches!(taken(&[0, 1, b'b', 0, 1, b'a']), Err(DecodeError::Malformed(..))));
        assert!(matches!(taken(&[0, 1, b'b', 1, 0]), Err(DecodeError::Malformed(..))));
        assert_eq!(taken(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f]), Err(DecodeError::Short));
    }
}
