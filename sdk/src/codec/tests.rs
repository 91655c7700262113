//! Every codec keeps values and their order, says where it ends, and takes any bytes without a panic.

use super::*;
use proptest::prelude::*;
use std::cmp::Ordering;
use std::fmt::Debug;

fn encoded<T: Codec>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

fn encoded_last<T: Codec>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode_last(&mut out);
    out
}

/// What holds for any two values of any type whose order is `order`.
fn check<T: Codec + Debug>(a: &T, b: &T, order: impl Fn(&T, &T) -> Ordering) {
    let equal = |x: &T, y: &T| order(x, y).is_eq();
    for encode in [encoded::<T>, encoded_last::<T>] {
        assert_eq!(encode(a).cmp(&encode(b)), order(a, b), "{a:?} and {b:?}");
    }
    assert!(equal(&T::decode_last(&mut Reader::new(&encoded_last(a))).unwrap(), a));
    // One after the other: each says where it ends, and the first differing one decides.
    let both = [encoded(a), encoded(b)].concat();
    let mut reader = Reader::new(&both);
    assert!(equal(&T::decode(&mut reader).unwrap(), a) && equal(&T::decode(&mut reader).unwrap(), b));
    assert_eq!(reader.left(), 0);
    let (ab, ba) = (both, [encoded(b), encoded(a)].concat());
    assert_eq!(ab.cmp(&ba), order(a, b), "{a:?} and {b:?}");
    let (short, long) = (encoded(a), encoded(b));
    assert!(equal(a, b) || !long.starts_with(&short), "{a:?} begins {b:?}");
}

fn check_ord<T: Codec + Debug + Ord>(a: T, b: T) {
    check(&a, &b, T::cmp);
    check(&Descending(&a).owned(), &Descending(&b).owned(), |a, b| b.0.cmp(&a.0));
}

impl<T: Codec> Descending<&T> {
    fn owned(&self) -> Descending<T> {
        Descending(T::decode(&mut Reader::new(&encoded(self.0))).unwrap())
    }
}

fn any_bytes<T: Codec>(bytes: &[u8]) {
    if let Ok(value) = T::decode_last(&mut Reader::new(bytes)) {
        assert_eq!(encoded_last(&value), bytes, "two encodings of one value");
    }
    let mut reader = Reader::new(bytes);
    if let Ok(value) = T::decode(&mut reader) {
        assert_eq!(encoded(&value), bytes[..bytes.len() - reader.left()]);
    }
}

/// Strings that share prefixes and hold the bytes that are escaped.
fn tricky() -> impl Strategy<Value = String> {
    "[\u{0}\u{1}a\u{ff}]{0,4}"
}

fn tricky_bytes() -> impl Strategy<Value = Bytes> {
    let byte = prop_oneof![Just(0_u8), Just(1), Just(0xfe), Just(0xff)];
    proptest::collection::vec(byte, 0..4).prop_map(Bytes)
}

/// The same fields, wrapped in each other.
fn turned<A: Ord, B: Ord, C: Ord, D: Ord>((a, b, c, d): (A, B, C, D)) -> impl Codec + Debug + Ord
where
    (Descending<A>, Descending<Descending<B>>, (Descending<C>,), Option<Descending<Option<D>>>, char, i16):
        Codec + Debug,
{
    (Descending(a), Descending(Descending(b)), (Descending(c),), Some(Descending(Some(d))), 'x', -1_i16)
}

proptest! {
    #[test]
    fn unsigned_numbers(a: (u8, u16, u32, u64, u128), b: (u8, u16, u32, u64, u128)) {
        check_ord(a.0, b.0);
        check_ord(a.1, b.1);
        check_ord(a.2, b.2);
        check_ord(a.3, b.3);
        check_ord(a.4, b.4);
        check_ord(a, b);
    }

    #[test]
    fn signed_numbers(a: (i8, i16, i32, i64, i128), b: (i8, i16, i32, i64, i128)) {
        check_ord(a.0, b.0);
        check_ord(a.1, b.1);
        check_ord(a.2, b.2);
        check_ord(a.3, b.3);
        check_ord(a.4, b.4);
        check_ord(a, b);
    }

    #[test]
    fn floats_in_their_total_order(a: u64, b: u64) {
        let both = |bits: u64| (f64::from_bits(bits), f32::from_bits(bits as u32));
        let (a, b) = (both(a), both(b));
        check(&a.0, &b.0, f64::total_cmp);
        check(&a.1, &b.1, f32::total_cmp);
        check(&a, &b, |a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    }

    #[test]
    fn truth_values_characters_and_nothing(a: (bool, char), b: (bool, char)) {
        check_ord(a.0, b.0);
        check_ord(a.1, b.1);
        check_ord(((), a), ((), b));
    }

    #[test]
    fn text_and_bytes(a in (tricky(), tricky_bytes()), b in (tricky(), tricky_bytes())) {
        check_ord(a.0.clone(), b.0.clone());
        check_ord(a.1.clone(), b.1.clone());
        check_ord(a, b);
    }

    #[test]
    fn options_and_lists(
        a in (proptest::option::of(tricky()), proptest::collection::vec(tricky_bytes(), 0..3)),
        b in (proptest::option::of(tricky()), proptest::collection::vec(tricky_bytes(), 0..3)),
    ) {
        check_ord(a.0.clone(), b.0.clone());
        check_ord(a.1.clone(), b.1.clone());
        check_ord(a, b);
    }

    #[test]
    fn nested_types(
        a in (tricky(), any::<Option<(i8, bool)>>(), proptest::collection::vec(any::<Option<u8>>(), 0..3), tricky()),
        b in (tricky(), any::<Option<(i8, bool)>>(), proptest::collection::vec(any::<Option<u8>>(), 0..3), tricky()),
    ) {
        check_ord(a.clone(), b.clone());
        check_ord(turned(a), turned(b));
    }

    #[test]
    fn damaged_bytes_are_errors(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0_u8..3, 0xfe_u8..], 0..24)) {
        any_bytes::<(u8, i128, f64)>(&bytes);
        any_bytes::<(bool, char, ())>(&bytes);
        any_bytes::<String>(&bytes);
        any_bytes::<(String, Bytes, u8)>(&bytes);
        any_bytes::<Vec<Option<String>>>(&bytes);
        any_bytes::<Vec<Vec<()>>>(&bytes);
        any_bytes::<Descending<(Bytes, Descending<Vec<bool>>)>>(&bytes);
        let _ = <str as Key>::decode_key(&bytes);
    }

    #[test]
    fn what_is_borrowed_encodes_as_what_is_owned(text in tricky(), bytes in tricky_bytes(), number: u32) {
        let owned = (text.clone(), vec![bytes.clone()], Some(number), Descending(text.clone()), bytes.clone());
        let list = [&*bytes];
        let lent = (text.as_str(), list.as_slice(), Some(&number), Descending(text.as_str()), &*bytes);
        let mut out = Vec::new();
        Encode::<(String, Vec<Bytes>, Option<u32>, Descending<String>, Bytes)>::encode_last(&lent, &mut out);
        prop_assert_eq!(out, encoded_last(&owned));
        prop_assert_eq!(Encode::<String>::lend(&text), Some(text.as_bytes()));
        prop_assert_eq!(Encode::<Bytes>::lend(&bytes), Some(&*bytes));
    }
}

#[test]
fn encodings_are_the_same_in_every_release() {
    assert_eq!(encoded(&0x0102_0304_u32), [1, 2, 3, 4]);
    assert_eq!(encoded(&-2_i16), [0x7f, 0xfe]);
    assert_eq!(encoded(&1.0_f32), [0xbf, 0x80, 0, 0]);
    assert_eq!(encoded(&-0.0_f32), [0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(encoded(&(true, 'é', ())), [1, 0, 0, 0xe9]);
    assert_eq!(encoded(&"a\0b".to_owned()), [b'a', 0, 0xff, b'b', 0, 0]);
    assert_eq!(encoded_last(&"a\0b".to_owned()), *b"a\0b");
    assert_eq!(encoded(&(Some(7_u8), None::<u8>)), [1, 7, 0]);
    assert_eq!(encoded(&vec![7_u8, 8]), [1, 7, 1, 8, 0]);
    assert_eq!(encoded_last(&("k".to_owned(), Bytes(vec![0]))), [b'k', 0, 0, 0]);
    assert_eq!(encoded(&Descending("a".to_owned())), [!b'a', 0xff, 0xff]);
}

#[test]
fn not_a_number_is_beyond_infinity() {
    let order = [-f64::NAN, f64::NEG_INFINITY, -1.0, -0.0, 0.0, 1.0, f64::INFINITY, f64::NAN];
    assert!(order.map(|float| encoded(&float)).is_sorted());
}

#[test]
fn only_lists_and_strings_hold_heap() {
    assert_eq!((7_u64, 'x', Some(1.0_f64)).heap_bytes(), 0);
    let list = vec!["abc".to_owned()];
    assert_eq!(
        list.heap_bytes(),
        heap_block(list.capacity() * size_of::<String>()) + heap_block(list[0].capacity())
    );
}

#[test]
fn only_lists_of_what_holds_heap_take_long_to_count() {
    const fn soon<V: Codec>() -> bool {
        V::HEAP_IS_SOON_COUNTED
    }
    assert!(soon::<Vec<(u64, bool)>>() && soon::<(u64, String)>() && soon::<Option<Bytes>>());
    assert!(!soon::<Vec<String>>() && !soon::<Vec<Vec<u8>>>() && !soon::<(u64, Vec<String>)>());
}
