//! The names of the documents of a map attempt, as small numbers: a value is made for each occurrence of a word, and comparing two numbers
//! costs nothing. A number is good as long as its [`Document`] lives.

use std::sync::{PoisonError, RwLock};

static NAMES: RwLock<Names> = RwLock::new(Names { names: Vec::new(), free: Vec::new() });

struct Names {
    /// By number.
    names: Vec<Box<[u8]>>,
    /// Numbers that nobody uses.
    free: Vec<u32>,
}

/// A document that has a number.
#[derive(Debug)]
pub(crate) struct Document(u32);

impl Document {
    pub(crate) fn new(name: &[u8]) -> Self {
        let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = names.free.pop()
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
        with_names(&[self.0], |names| names == [name])
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = names.names.get_mut(self.0 as usize) {
            *place = Box::default();
            names.free.push(self.0);
        }
    }
}

/// Gives the names of these numbers.
pub(crate) fn with_names<T>(numbers: &[u32], take: impl FnOnce(&[&[u8]]) -> T) -> T {
    let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
    let name = |number: &u32| names.names.get(*number as usize).map(|name| &**name).unwrap_or_default();
    match numbers {
        [one] => take(&[name(one)]),
        many => take(&many.iter().map(name).collect::<Vec<_>>()),
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
        let numbers: Vec<_> = many.iter().map(Document::number).collect();
        assert!(with_names(&numbers, |names| names.len() == 100 && names[7] == [7]));
    }
}
