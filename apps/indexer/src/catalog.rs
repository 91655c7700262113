//! The documents of one word, gathered from the lists of names that its values are.
//!
//! The same few lists come again and again, so one that is known is not taken apart again, and names are numbers until they are written.

use crate::lists;
use gristmill_sdk::{DecodeError, ToText, partition_of};
use std::collections::HashMap;
use std::sync::Arc;

/// So many lists are remembered …
const LISTS: u32 = 512;
/// … of those that are no longer than this.
const LIST_BYTES_MAX: usize = 512;
/// When the names that earlier words had hold so much, all is forgotten.
const NAMES_BYTES_MAX: usize = 256 << 10;

/// The documents of the word at hand.
#[derive(Default)]
pub(crate) struct Catalog {
    names: Names,
    /// Each in the place that its hash tells.
    known: Vec<Known>,
    found: Found,
}

/// Documents of a word, by the numbers of their names.
#[derive(Default)]
struct Found {
    numbers: Vec<u32>,
    /// They are not in the order of their names, or not each once.
    is_mixed: bool,
}

/// A list, and its names by their numbers.
#[derive(Clone, Default)]
struct Known {
    list: Box<[u8]>,
    numbers: Box<[u32]>,
}

/// Names, numbered in the order in which they were met.
#[derive(Default)]
struct Names {
    names: Vec<Arc<[u8]>>,
    numbers: HashMap<Arc<[u8]>, u32>,
    bytes: usize,
}

impl Catalog {
    /// Begins with the next word.
    pub(crate) fn begin(&mut self) {
        if self.names.bytes > NAMES_BYTES_MAX {
            *self = Self::default();
        }
        self.found.numbers.clear();
        self.found.is_mixed = false;
    }

    /// Adds the documents of a list.
    pub(crate) fn add(&mut self, list: &[u8]) -> Result<(), DecodeError> {
        self.known.resize(LISTS as usize, Known::default());
        let known = &mut self.known[partition_of(list, LISTS) as usize];
        if *known.list == *list {
            self.found.append(&known.numbers, &self.names);
            return Ok(());
        }
        let numbers = self.names.numbers_of(list)?;
        self.found.append(&numbers, &self.names);
        if list.len() <= LIST_BYTES_MAX {
            *known = Known { list: list.into(), numbers: numbers.into() };
        }
        Ok(())
    }

    /// How many documents there are, and their names, sorted.
    pub(crate) fn found(&mut self) -> (usize, impl ToText + '_) {
        let (found, names) = (&mut self.found, &self.names.names);
        if found.is_mixed {
            // Stable, for it is quick where some sorted lists follow one another.
            found.numbers.sort_by(|a, b| names[*a as usize].cmp(&names[*b as usize]));
            found.numbers.dedup();
        }
        (found.numbers.len(), Listed { numbers: &found.numbers, names })
    }
}

impl Found {
    /// Adds numbers, which are in the order of their names.
    fn append(&mut self, numbers: &[u32], names: &Names) {
        let [first, rest @ ..] = numbers else { return };
        match self.numbers.last() {
            // A document that two maps had a part of.
            Some(last) if last == first => return self.numbers.extend_from_slice(rest),
            Some(last) => self.is_mixed |= names.names[*last as usize] > names.names[*first as usize],
            None => {}
        }
        self.numbers.extend_from_slice(numbers);
    }
}

impl Names {
    fn numbers_of(&mut self, list: &[u8]) -> Result<Vec<u32>, DecodeError> {
        let mut numbers = Vec::new();
        lists::each(list, |name| numbers.push(self.number_of(name)))?;
        Ok(numbers)
    }

    fn number_of(&mut self, name: &[u8]) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let (number, name) = (self.names.len() as u32, Arc::<[u8]>::from(name));
        self.bytes += name.len();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }
}

struct Listed<'c> {
    numbers: &'c [u32],
    names: &'c [Arc<[u8]>],
}

impl ToText for Listed<'_> {
    fn to_text(&self, out: &mut Vec<u8>) {
        for (at, number) in self.numbers.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&self.names[*number as usize]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogued(catalog: &mut Catalog, lists: &[&[&str]]) -> String {
        catalog.begin();
        for names in lists {
            let mut list = Vec::new();
            lists::put(names.iter().map(|name| name.as_bytes()), &mut list);
            catalog.add(&list).unwrap();
        }
        let mut text = Vec::new();
        catalog.found().to_text(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn names_are_sorted_and_once_whatever_lists_they_come_in() {
        let mut catalog = Catalog::default();
        for _ in 0..2 {
            assert_eq!(catalogued(&mut catalog, &[&["a", "b"], &["b", "c"]]), "3 a,b,c");
            assert_eq!(catalogued(&mut catalog, &[&["c"]]), "1 c");
            assert_eq!(catalogued(&mut catalog, &[&["b", "d"], &["a", "b"], &["c", "d"]]), "4 a,b,c,d");
            assert_eq!(catalogued(&mut catalog, &[&["", "a"], &[""]]), "2 ,a");
        }
    }

    #[test]
    fn what_does_not_fit_is_forgotten_and_met_again() {
        let mut catalog = Catalog::default();
        let names: Vec<_> = (0..4 * LISTS).map(|n| format!("{n:0600}")).collect();
        for name in names.iter().chain(&names) {
            assert_eq!(catalogued(&mut catalog, &[&[name, "x"]]), format!("2 {name},x"));
        }
        assert!(catalog.names.bytes <= 2 * NAMES_BYTES_MAX);
    }
}
