//! The words of one part of all threads' tables, in the order of their bytes.

use std::io;

use super::keys;
use super::tables::{Fold, Tables};

/// Calls `each` with every word of a part and what the threads have of it; `of` takes a thread's number and its value.
///
/// Parts are ranges of hashes; long words, which are rare, are all in the first.
pub(super) fn each_word<F: Fold, O: Copy>(
    tables: &[Tables<F>],
    part: usize,
    of: impl Fn(usize, F::Value) -> O + Copy,
    mut each: impl FnMut(&[u8], &[O]) -> io::Result<()>,
) -> io::Result<()> {
    let parts = tables.len();
    let threads = || tables.iter().enumerate();
    let short = threads().flat_map(|(thread, tables)| {
        let slots = tables.short.part(part, parts);
        slots.map(move |slot| (slot.key.swap_bytes(), of(thread, slot.value)))
    });
    let medium = threads().flat_map(|(thread, tables)| {
        let slots = tables.medium.part(part, parts);
        slots.map(move |slot| (slot.key.swap_bytes(), of(thread, slot.value)))
    });
    let long = threads().filter(|_| part == 0).flat_map(|(thread, tables)| {
        tables.long.iter().map(move |(word, &value)| (word.as_slice(), of(thread, value)))
    });
    let (short, medium, long) = (sorted(short), sorted(medium), sorted(long));
    let (mut short, mut medium, mut long) = (short.as_slice(), medium.as_slice(), long.as_slice());

    let mut word = Vec::new();
    let mut values = Vec::new();
    loop {
        let short_key = short.first().map(|&(key, _)| u128::from(key) << 64);
        let medium_key = medium.first().map(|&(key, _)| key);
        let inline = [short_key, medium_key].into_iter().flatten().min();
        word.clear();
        values.clear();
        if let Some(key) = inline {
            keys::append(&mut word, key);
        }
        match long.first() {
            Some(&(next, _)) if inline.is_none() || next < word.as_slice() => {
                word.clear();
                word.extend_from_slice(next);
                take_group(&mut long, &mut values);
            }
            _ if inline.is_none() => return Ok(()),
            _ if inline == short_key => take_group(&mut short, &mut values),
            _ => take_group(&mut medium, &mut values),
        }
        each(&word, &values)?;
    }
}

fn sorted<K: Ord + Copy, O>(entries: impl Iterator<Item = (K, O)>) -> Vec<(K, O)> {
    let mut entries: Vec<_> = entries.collect();
    entries.sort_unstable_by_key(|entry| entry.0);
    entries
}

/// Moves the values of the first key to `values`.
fn take_group<K: PartialEq, O: Copy>(entries: &mut &[(K, O)], values: &mut Vec<O>) {
    let Some((first, _)) = entries.first() else { return };
    let count = entries.iter().take_while(|(key, _)| key == first).count();
    values.extend(entries[..count].iter().map(|&(_, value)| value));
    *entries = &entries[count..];
}
