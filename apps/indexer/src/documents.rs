//! The documents in which a word was seen.

use crate::lists;
use crate::long::{self, List};
use crate::names::{self, numbers};
use gristmill_sdk::{Bytes, Codec, DecodeError, Encode, Reader, ToText};

/// A set of documents, in as few bytes as a count: there is one in every slot of the table.
///
/// ```text
/// 0 …                      by the bits of their numbers in this process, all below 63
/// 1 1 …           number   one with a higher number
/// 1 0 16ths       handle   any others, in a list, and sixteenths of the bytes that it takes
/// ```
#[derive(Debug)]
pub struct Documents(u64);

/// Numbers that a set of bits has.
const FEW: u32 = 63;
const NOT_FEW: u64 = 1 << 63;
const ONE: u64 = 1 << 62;
/// In what a list's memory is counted.
const UNIT_BYTES: usize = 16;
const UNITS_MAX: usize = (1 << 30) - 1;

enum Kind {
    Few(u64),
    One(u32),
    Long(u32),
}

impl Documents {
    /// The document that has this number in this process.
    #[inline]
    pub(crate) fn of_number(number: u32) -> Self {
        if number < FEW { Self(1 << number) } else { Self(NOT_FEW | ONE | u64::from(number)) }
    }

    fn of_list(list: List) -> Self {
        let (handle, bytes) = long::keep(list);
        Self(long_bits(handle, bytes))
    }

    /// Adds those of `next`.
    #[inline(always)]
    pub(crate) fn append(&mut self, next: Self) {
        if (self.0 | next.0) & NOT_FEW == 0 {
            self.0 |= next.0;
        } else {
            self.append_any(next);
        }
    }

    #[cold]
    fn append_any(&mut self, next: Self) {
        match (self.kind(), next.kind()) {
            (Kind::One(last), Kind::One(number)) if last == number => return,
            (Kind::Long(handle), Kind::One(number)) => {
                if let Some(bytes) = long::push(handle, number) {
                    self.0 = long_bits(handle, bytes);
                    return;
                }
            }
            _ => {}
        }
        let documents = std::mem::replace(self, Self(0)).into_list();
        *self = Self::of_list(match (documents, next.into_list()) {
            (List::Numbers(mut numbers), List::Numbers(others)) => {
                numbers.extend(others);
                List::Numbers(numbers)
            }
            // All lists of names were looked through when they came.
            (documents, others) => {
                List::Names(lists::union(&names_of(documents), &names_of(others)).unwrap_or_default())
            }
        });
    }

    #[inline]
    fn kind(&self) -> Kind {
        match (self.0 & NOT_FEW, self.0 & ONE) {
            (0, _) => Kind::Few(self.0),
            (_, 0) => Kind::Long(self.0 as u32),
            _ => Kind::One(self.0 as u32),
        }
    }

    fn into_list(mut self) -> List {
        let kind = self.kind();
        // Its list is not its own any more.
        self.0 = 0;
        match kind {
            Kind::Few(set) => List::Numbers(numbers(set).collect()),
            Kind::One(number) => List::Numbers(vec![number]),
            Kind::Long(handle) => long::take(handle),
        }
    }

    fn of_names(list: Vec<u8>) -> Result<Self, DecodeError> {
        lists::each(&list, |_| {})?;
        Ok(Self::of_list(List::Names(list)))
    }
}

/// As a list of names.
fn names_of(list: List) -> Vec<u8> {
    match list {
        List::Names(list) => list,
        List::Numbers(numbers) => {
            let mut list = Vec::new();
            names::put_sorted(numbers, &mut list);
            list
        }
    }
}

fn long_bits(handle: u32, bytes: usize) -> u64 {
    let units = bytes.div_ceil(UNIT_BYTES).min(UNITS_MAX);
    NOT_FEW | (units as u64) << 32 | u64::from(handle)
}

impl Drop for Documents {
    #[inline]
    fn drop(&mut self) {
        if let Kind::Long(handle) = self.kind() {
            drop(long::take(handle));
        }
    }
}

/// As a list of names.
impl Encode for Documents {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut list = Vec::new();
        self.encode_last(&mut list);
        Encode::<Bytes>::encode(list.as_slice(), out);
    }

    #[inline]
    fn encode_last(&self, out: &mut Vec<u8>) {
        match self.kind() {
            Kind::Few(set) => names::put_list(set, out),
            Kind::One(number) => names::put_sorted([number], out),
            Kind::Long(handle) => long::with(handle, |list| match list {
                List::Names(list) => out.extend_from_slice(list),
                List::Numbers(numbers) => names::put_sorted(numbers.iter().copied(), out),
            }),
        }
    }
}

impl Codec for Documents {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::of_names(Bytes::decode(from)?.0)
    }

    fn decode_last(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::of_names(from.rest())
    }

    #[inline(always)]
    fn heap_bytes(&self) -> usize {
        match self.kind() {
            Kind::Few(_) | Kind::One(_) => 0,
            Kind::Long(_) => (self.0 >> 32) as usize % (UNITS_MAX + 1) * UNIT_BYTES,
        }
    }

    const HEAP_IS_SOON_COUNTED: bool = true;
}

impl ToText for Documents {
    fn to_text(&self, out: &mut Vec<u8>) {
        let mut list = Vec::new();
        self.encode_last(&mut list);
        let mut names = Vec::new();
        // It was encoded just now.
        let _ = lists::each(&list, |name| names.push(Bytes::from(name)));
        names.to_text(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Document;

    fn text(documents: &Documents) -> String {
        let mut text = Vec::new();
        documents.to_text(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn documents_are_a_set_however_they_are_told() {
        let documents: Vec<_> = (0..200).rev().map(|n| Document::new(format!("{n:03}").as_bytes())).collect();
        let of = |at: usize| Documents::of_number(documents[at].number());
        let mut all = of(0);
        (0..200).for_each(|at| all.append(of(at)));
        assert_eq!(of(0).heap_bytes(), 0);
        assert!((500..3200).contains(&all.heap_bytes()), "{}", all.heap_bytes());
        [199, 5, 150].into_iter().for_each(|at| all.append(of(at)));
        let names: Vec<_> = (0..200).map(|n| format!("{n:03}")).collect();
        assert_eq!(text(&all), names.join(","));

        let mut encoded = Vec::new();
        all.encode_last(&mut encoded);
        let mut decoded = Documents::decode_last(&mut Reader::new(&encoded)).unwrap();
        assert_eq!(text(&decoded), names.join(","));
        decoded.append(of(7));
        assert_eq!(text(&decoded), names.join(","));

        let mut encoded = Vec::new();
        of(3).encode(&mut encoded);
        of(4).encode(&mut encoded);
        let mut reader = Reader::new(&encoded);
        let (one, other) = (Documents::decode(&mut reader).unwrap(), Documents::decode(&mut reader).unwrap());
        assert_eq!((text(&one), text(&other), reader.left()), ("196".into(), "195".into(), 0));
    }
}
