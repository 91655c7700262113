//! The documents in which a word was seen.

use gristmill_sdk::{Bytes, Codec, DecodeError, Encode, Reader, ToText};
use std::sync::Arc;

/// Names of documents, in the order in which they were seen, equal neighbours once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Documents {
    /// What a map mostly deals with: one document, whose name all its words share.
    One(Arc<[u8]>),
    /// Any number of them.
    Many(Vec<Bytes>),
}

impl Documents {
    /// Adds those of `next` at the end.
    pub(crate) fn append(&mut self, next: Self) {
        if *self == next {
            return;
        }
        let mut names = std::mem::replace(self, Self::Many(Vec::new())).into_names();
        names.extend(next.into_names());
        names.dedup();
        *self = Self::Many(names);
    }

    /// The names.
    pub(crate) fn into_names(self) -> Vec<Bytes> {
        match self {
            Self::One(name) => vec![Bytes::from(&*name)],
            Self::Many(names) => names,
        }
    }
}

/// As a list of names.
impl Encode for Documents {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::One(name) => Encode::<Vec<Bytes>>::encode([&**name].as_slice(), out),
            Self::Many(names) => names.encode(out),
        }
    }
}

impl Codec for Documents {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Codec::decode(from).map(Self::Many)
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Many(names) => names.heap_bytes(),
        }
    }
}

impl ToText for Documents {
    fn to_text(&self, out: &mut Vec<u8>) {
        self.clone().into_names().to_text(out);
    }
}
