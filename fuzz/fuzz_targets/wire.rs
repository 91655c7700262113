//! What goes over the plugin boundary: any bytes are a length, pair, group, bounds or value, or are left alone; what was encoded comes
//! back; encodings sort as their values do.
#![no_main]

use std::cmp::Ordering;
use std::fmt::Debug;

use gristmill_sdk::bounds::KeyRanges;
use gristmill_sdk::wire::{Group, put_group, put_length, take_group, take_length, take_pair};
use gristmill_sdk::{Bytes, Codec, Descending, Reader};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

type Fields = (u8, i16, u32, i64, u128, char);
type Texts = (String, Vec<u8>, Option<String>, Vec<Vec<u8>>, bool, i128);

#[derive(Arbitrary, Debug)]
enum Case {
    Bytes { bytes: Vec<u8>, partitions: u32, key: Vec<u8> },
    Group { key: Vec<u8>, count: u32, values: Vec<u8>, tail: Vec<u8> },
    Bounds { bounds: Vec<Vec<u8>>, key: Vec<u8> },
    Fields(Fields, Fields),
    Texts(Texts, Texts),
    Floats(f64, f64),
}

fuzz_target!(|case: Case| match case {
    Case::Bytes { bytes, partitions, key } => any_bytes(&bytes, partitions, &key),
    Case::Group { key, count, values, tail } => group(&key, count, &values, &tail),
    Case::Bounds { bounds, key } => partition(bounds, &key),
    Case::Fields(a, b) => ordered(a, b),
    Case::Texts(a, b) => ordered(owned(a), owned(b)),
    Case::Floats(a, b) => check(&a, &b, f64::total_cmp),
});

fn any_bytes(bytes: &[u8], partitions: u32, key: &[u8]) {
    left_alone(bytes, take_length);
    left_alone(bytes, take_pair);
    left_alone(bytes, take_group);
    if let Ok(ranges) = KeyRanges::decode(bytes, partitions) {
        assert!(ranges.partition_of(key) < partitions.max(1));
    }
    decode::<(u8, i128, f64)>(bytes);
    decode::<(bool, char, ())>(bytes);
    decode::<(String, Bytes, u8)>(bytes);
    decode::<Vec<Option<String>>>(bytes);
    decode::<Vec<Vec<()>>>(bytes);
    decode::<Descending<(Bytes, Descending<Vec<bool>>)>>(bytes);
}

/// What is not there is not taken.
fn left_alone<'b, T>(bytes: &'b [u8], take: impl Fn(&mut &'b [u8]) -> Option<T>) {
    let mut rest = bytes;
    match take(&mut rest) {
        Some(_) => assert!(bytes.ends_with(rest) && rest.len() < bytes.len()),
        None => assert_eq!(rest, bytes),
    }
}

/// No value has two encodings.
fn decode<T: Codec>(bytes: &[u8]) {
    if let Ok(value) = T::decode_last(&mut Reader::new(bytes)) {
        assert_eq!(encoded(&value, T::encode_last), bytes);
    }
    let mut reader = Reader::new(bytes);
    if let Ok(value) = T::decode(&mut reader) {
        assert_eq!(encoded(&value, T::encode), bytes[..bytes.len() - reader.left()]);
    }
}

fn encoded<T>(value: &T, encode: fn(&T, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out);
    out
}

fn group(key: &[u8], count: u32, values: &[u8], tail: &[u8]) {
    let group = Group { key, count: count.into(), values };
    let mut bytes = Vec::new();
    put_group(&mut bytes, &group);
    bytes.extend(tail);
    let mut rest = bytes.as_slice();
    assert_eq!(take_group(&mut rest), Some(group));
    assert_eq!(rest, tail);
}

fn partition(mut bounds: Vec<Vec<u8>>, key: &[u8]) {
    bounds.sort();
    bounds.dedup();
    let mut encoded = Vec::new();
    for bound in &bounds {
        put_length(&mut encoded, bound.len());
        encoded.extend(bound);
    }
    let ranges = KeyRanges::decode(&encoded, bounds.len() as u32 + 1).unwrap();
    let not_above = |key: &[u8]| bounds.iter().filter(|bound| bound.as_slice() <= key).count();
    for key in bounds.iter().map(Vec::as_slice).chain([key]) {
        assert_eq!(ranges.partition_of(key) as usize, not_above(key));
    }
}

fn owned((a, b, c, d, e, f): Texts) -> impl Codec + Ord + Clone + Debug {
    let lists: Vec<Bytes> = d.into_iter().map(Bytes).collect();
    (a, Bytes(b), c.map(Descending), Descending(lists), e, f)
}

fn ordered<T: Codec + Ord + Clone + Debug>(a: T, b: T) {
    check(&a, &b, T::cmp);
    check(&Descending(a), &Descending(b), Descending::<T>::cmp);
}

fn check<T: Codec + Debug>(a: &T, b: &T, order: fn(&T, &T) -> Ordering) {
    for encode in [T::encode, T::encode_last] {
        assert_eq!(encoded(a, encode).cmp(&encoded(b, encode)), order(a, b), "{a:?} and {b:?}");
    }
    let both = [encoded(a, T::encode), encoded(b, T::encode)].concat();
    let mut reader = Reader::new(&both);
    for expected in [a, b] {
        assert!(order(&T::decode(&mut reader).unwrap(), expected).is_eq());
    }
    assert_eq!(reader.left(), 0);
    let last = encoded(a, T::encode_last);
    assert!(order(&T::decode_last(&mut Reader::new(&last)).unwrap(), a).is_eq());
}
