//! How names travel from map to reduce: sorted, each as the number of bytes that it shares with the one before, and the rest behind its length.

use gristmill_sdk::{DecodeError, wire};
use std::cmp::Ordering;

/// Appends names, which are sorted.
pub(crate) fn put<'n>(names: impl IntoIterator<Item = &'n [u8]>, out: &mut Vec<u8>) {
    let mut before: &[u8] = &[];
    for name in names {
        put_name(before, name, out);
        before = name;
    }
}

#[inline]
fn put_name(before: &[u8], name: &[u8], out: &mut Vec<u8>) {
    let shared = shared_bytes(before, name);
    let rest = &name[shared..];
    wire::put_length(out, shared);
    wire::put_length(out, rest.len());
    out.extend_from_slice(rest);
}

/// Names in one directory share most of their bytes, so eight are looked at at once.
fn shared_bytes(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 8;
    let eights = a.chunks_exact(STEP).zip(b.chunks_exact(STEP)).take_while(|(a, b)| a == b).count();
    let begin = STEP * eights;
    begin + a[begin..].iter().zip(&b[begin..]).take_while(|(a, b)| a == b).count()
}

/// Gives each of the names that [`put`] has written.
pub(crate) fn each(list: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), DecodeError> {
    let mut names = Names::new(list);
    while names.advance()? {
        take(&names.name);
    }
    Ok(())
}

/// The list of all names in two lists.
pub(crate) fn union(a: &[u8], b: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let (mut a, mut b) = (Names::new(a), Names::new(b));
    let (mut list, mut before) = (Vec::new(), Vec::new());
    let (mut in_a, mut in_b) = (a.advance()?, b.advance()?);
    while in_a || in_b {
        let order = match (in_a, in_b) {
            (true, true) => a.name.cmp(&b.name),
            (true, false) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let from = if order.is_le() { &mut a } else { &mut b };
        put_name(&before, &from.name, &mut list);
        before.clone_from(&from.name);
        if order.is_le() {
            in_a = a.advance()?;
        }
        if order.is_ge() {
            in_b = b.advance()?;
        }
    }
    Ok(list)
}

/// Goes through a list.
struct Names<'l> {
    left: &'l [u8],
    name: Vec<u8>,
    is_first: bool,
}

impl<'l> Names<'l> {
    fn new(list: &'l [u8]) -> Self {
        Self { left: list, name: Vec::new(), is_first: true }
    }

    /// Goes to the next name; says whether there is one.
    fn advance(&mut self) -> Result<bool, DecodeError> {
        if self.left.is_empty() {
            return Ok(false);
        }
        let shared = wire::take_length(&mut self.left).ok_or(DecodeError::Short)?;
        let length = wire::take_length(&mut self.left).ok_or(DecodeError::Short)?;
        let rest = wire::take_bytes(&mut self.left, length).ok_or(DecodeError::Short)?;
        let Some(replaced) = self.name.get(shared..) else {
            return Err(DecodeError::Malformed("number of shared bytes", shared as u8));
        };
        if !self.is_first && replaced.cmp(rest) != Ordering::Less {
            return Err(DecodeError::Malformed("order of names, at length", length as u8));
        }
        self.name.truncate(shared);
        self.name.extend_from_slice(rest);
        self.is_first = false;
        Ok(true)
    }
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
    fn a_union_has_each_name_once() {
        let list = |names: &[&'static [u8]]| {
            let mut list = Vec::new();
            put(names.iter().copied(), &mut list);
            list
        };
        let (a, b): (&[&[u8]], &[&[u8]]) = (&[b"", b"ab", b"b"], &[b"aa", b"ab", b"abc", b"c"]);
        let both = list(&[b"", b"aa", b"ab", b"abc", b"b", b"c"]);
        assert_eq!(union(&list(a), &list(b)), Ok(both.clone()));
        assert_eq!(union(&list(b), &list(a)), Ok(both.clone()));
        assert_eq!(union(&both, &list(&[])), Ok(both));
        assert_eq!(union(&list(a), &[1]), Err(DecodeError::Short));
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
