//! The documents in which a word was seen.

use crate::names::with_names;
use gristmill_sdk::{Bytes, Codec, DecodeError, Encode, Reader, ToText, heap_block};

/// Documents, in the order in which they were seen, equal neighbours once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::box_collection, reason = "there is one for every occurrence of a word: it must be small")]
pub enum Documents {
    /// What a map mostly deals with: one document, by its number in this process.
    One(u32),
    /// Several, likewise.
    Several(Box<Vec<u32>>),
    /// By their names: from another process.
    Named(Box<Vec<Bytes>>),
}

impl Documents {
    /// Adds those of `next` at the end.
    #[inline]
    pub(crate) fn append(&mut self, next: Self) {
        match (&mut *self, &next) {
            (Self::One(last), Self::One(number)) if last == number => {}
            (Self::Several(numbers), Self::One(number)) => {
                if numbers.last() != Some(number) {
                    numbers.push(*number);
                }
            }
            _ => self.append_any(next),
        }
    }

    #[cold]
    fn append_any(&mut self, next: Self) {
        if let (Self::One(first), Self::One(second)) = (&*self, &next) {
            *self = Self::Several(Box::new(vec![*first, *second]));
            return;
        }
        let mut names = std::mem::replace(self, Self::Several(Box::default())).into_names();
        let next = next.into_names();
        let is_repeated = names.last().is_some_and(|last| next.first() == Some(last));
        names.extend(next.into_iter().skip(usize::from(is_repeated)));
        *self = Self::Named(Box::new(names));
    }

    /// The names.
    pub(crate) fn into_names(self) -> Vec<Bytes> {
        match self {
            Self::Named(names) => *names,
            Self::One(_) | Self::Several(_) => {
                self.with_names(|names| names.iter().map(|name| Bytes::from(*name)).collect())
            }
        }
    }

    fn with_names<T>(&self, take: impl FnOnce(&[&[u8]]) -> T) -> T {
        match self {
            Self::One(number) => with_names(&[*number], take),
            Self::Several(numbers) => with_names(numbers, take),
            Self::Named(names) => take(&names.iter().map(|name| name.0.as_slice()).collect::<Vec<_>>()),
        }
    }
}

/// As a list of names.
impl Encode for Documents {
    fn encode(&self, out: &mut Vec<u8>) {
        self.with_names(|names| Encode::<Vec<Bytes>>::encode(names, out));
    }
}

impl Codec for Documents {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Codec::decode(from).map(|names| Self::Named(Box::new(names)))
    }

    #[inline]
    fn heap_bytes(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Several(numbers) => {
                heap_block(size_of::<Vec<u32>>()) + heap_block(numbers.capacity() * size_of::<u32>())
            }
            Self::Named(names) => heap_block(size_of::<Vec<Bytes>>()) + names.heap_bytes(),
        }
    }

    /// What is folded is numbers; names, which are counted one by one, come from runs and seldom.
    const HEAP_IS_SOON_COUNTED: bool = true;
}

impl ToText for Documents {
    fn to_text(&self, out: &mut Vec<u8>) {
        self.clone().into_names().to_text(out);
    }
}
