//! The names of the documents of a map attempt, as small numbers: a value is made for each occurrence of a word, and a bit of a word costs
//! nothing to set. A number is good as long as its [`Document`] lives.

use crate::lists;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

static NAMES: Mutex<Names> =
    Mutex::new(Names { names: Vec::new(), free: BTreeSet::new(), lists: Vec::new() });

/// So many lists are remembered …
const LISTS: usize = 1024;
/// … of those that are no longer than this.
const LIST_BYTES_MAX: usize = 1024;

struct Names {
    /// By number.
    names: Vec<Box<[u8]>>,
    /// Numbers that nobody uses.
    free: BTreeSet<u32>,
    /// Sets of numbers and their lists of names, each in the place that [`place_of`] tells: there are few sets, and each has many words.
    lists: Vec<(u64, Box<[u8]>)>,
}

/// A document that has a number.
#[derive(Debug)]
pub(crate) struct Document(u32);

impl Document {
    /// Gives it the lowest number that is free.
    pub(crate) fn new(name: &[u8]) -> Self {
        let mut names = names();
        if let Some(number) = names.free.pop_first()
            && let Some(place) = names.names.get_mut(number as usize)
        {
            *place = name.into();
            return Self(number);
        }
        names.names.push(name.into());
        Self((names.names.len() - 1) as u32)
    }

    pub(crate) fn number(&self) -> u32 {
        self.0
    }

    pub(crate) fn has_name(&self, name: &[u8]) -> bool {
        names().of(self.0) == name
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        let mut names = names();
        if let Some(place) = names.names.get_mut(self.0 as usize) {
            *place = Box::default();
            names.free.insert(self.0);
        }
        names.lists.clear();
    }
}

fn names() -> MutexGuard<'static, Names> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Appends the names of these numbers as a list, whatever order they are in.
pub(crate) fn put_sorted(numbers: impl IntoIterator<Item = u32>, out: &mut Vec<u8>) {
    names().put(numbers, out);
}

/// Appends the names of the numbers whose bits are set, as a list.
pub(crate) fn put_list(set: u64, out: &mut Vec<u8>) {
    let mut names = names();
    let place = place_of(set);
    match names.lists.get(place) {
        Some((known, list)) if *known == set => out.extend_from_slice(list),
        _ => {
            let begin = out.len();
            names.put(numbers(set), out);
            if out.len() - begin <= LIST_BYTES_MAX {
                names.lists.resize_with(LISTS, Default::default);
                names.lists[place] = (set, out[begin..].into());
            }
        }
    }
}

/// The numbers whose bits are set.
pub(crate) fn numbers(mut set: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let number = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (number < u64::BITS).then_some(number)
    })
}

fn place_of(set: u64) -> usize {
    (set.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - LISTS.ilog2())) as usize
}

impl Names {
    fn put(&self, numbers: impl IntoIterator<Item = u32>, out: &mut Vec<u8>) {
        let mut sorted: Vec<_> = numbers.into_iter().map(|number| self.of(number)).collect();
        sorted.sort_unstable();
        sorted.dedup();
        lists::put(sorted, out);
    }

    fn of(&self, number: u32) -> &[u8] {
        self.names.get(number as usize).map(|name| &**name).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_names_as_long_as_their_documents_live() {
        let (a, b) = (Document::new(b"a"), Document::new(b""));
        assert!(a.has_name(b"a") && b.has_name(b"") && a.number() != b.number());
        drop(a);
        let many: Vec<_> = (0..100_u8).map(|n| Document::new(&[n])).collect();
        assert!((0..).zip(&many).all(|(n, document)| document.has_name(&[n])) && b.has_name(b""));
        let (mut list, mut names) = (Vec::new(), Vec::new());
        put_sorted(many.iter().rev().map(Document::number), &mut list);
        lists::each(&list, |name| names.push(name.to_vec())).unwrap();
        assert!(names.len() == 100 && names[7] == [7]);
    }

    #[test]
    fn numbers_are_the_bits_of_a_set() {
        assert_eq!(numbers(0).count(), 0);
        assert_eq!(numbers(1 | 1 << 5 | 1 << 63).collect::<Vec<_>>(), [0, 5, 63]);
        assert_eq!(numbers(u64::MAX).count(), 64);
    }
}
