//! Keys and values as people read them.

use crate::{Bytes, Descending};
use std::io::Write;

/// How something stands in a line of output: text and bytes as they are, numbers in decimal, tuples with spaces
/// between their fields, lists with commas, `None` as nothing.
pub trait ToText {
    /// Appends the text.
    fn to_text(&self, out: &mut Vec<u8>);

    /// The text, if it lies in memory as it is: a long one is then written without a copy.
    #[inline]
    fn lend(&self) -> Option<&[u8]> {
        None
    }
}

impl<T: ?Sized + ToText> ToText for &T {
    #[inline]
    fn lend(&self) -> Option<&[u8]> {
        (**self).lend()
    }

    #[inline]
    fn to_text(&self, out: &mut Vec<u8>) {
        (**self).to_text(out);
    }
}

impl ToText for [u8] {
    #[inline]
    fn lend(&self) -> Option<&[u8]> {
        Some(self)
    }

    #[inline]
    fn to_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<const N: usize> ToText for [u8; N] {
    #[inline]
    fn lend(&self) -> Option<&[u8]> {
        Some(self)
    }

    #[inline]
    fn to_text(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl ToText for str {
    #[inline]
    fn lend(&self) -> Option<&[u8]> {
        Some(self.as_bytes())
    }

    #[inline]
    fn to_text(&self, out: &mut Vec<u8>) {
        self.as_bytes().to_text(out);
    }
}

impl ToText for String {
    #[inline]
    fn lend(&self) -> Option<&[u8]> {
        Some(self.as_bytes())
    }

    #[inline]
    fn to_text(&self, out: &mut Vec<u8>) {
        self.as_bytes().to_text(out);
    }
}

impl ToText for Bytes {
    #[inline]
    fn lend(&self) -> Option<&[u8]> {
        Some(&self.0)
    }

    #[inline]
    fn to_text(&self, out: &mut Vec<u8>) {
        self.0.as_slice().to_text(out);
    }
}

macro_rules! displayed {
    ($($type:ident)*) => {$(
        impl ToText for $type {
            #[inline]
            fn to_text(&self, out: &mut Vec<u8>) {
                // Writing to a vector cannot fail.
                let _ = write!(out, "{self}");
            }
        }
    )*};
}

displayed!(u128 i8 i16 i32 i64 i128 isize f32 f64 bool char);

macro_rules! decimal {
    ($($type:ident)*) => {$(
        impl ToText for $type {
            #[inline]
            fn to_text(&self, out: &mut Vec<u8>) {
                put_decimal(*self as u64, out);
            }
        }
    )*};
}

decimal!(u8 u16 u32 u64 usize);

/// Counts stand in most lines of output, and formatting them takes several times as long as this.
fn put_decimal(mut number: u64, out: &mut Vec<u8>) {
    const DIGITS_MAX: usize = 20;
    let mut digits = [0; DIGITS_MAX];
    let mut begin = DIGITS_MAX;
    loop {
        begin -= 1;
        digits[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[begin..]);
}

impl ToText for () {
    #[inline]
    fn to_text(&self, _: &mut Vec<u8>) {}
}

impl<T: ToText> ToText for Option<T> {
    fn to_text(&self, out: &mut Vec<u8>) {
        if let Some(value) = self {
            value.to_text(out);
        }
    }
}

impl<T: ToText> ToText for Vec<T> {
    fn to_text(&self, out: &mut Vec<u8>) {
        for (i, element) in self.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            element.to_text(out);
        }
    }
}

impl<T: ToText> ToText for Descending<T> {
    #[inline]
    fn to_text(&self, out: &mut Vec<u8>) {
        self.0.to_text(out);
    }
}

macro_rules! tuples {
    ($(($first:ident $($rest:ident)*))*) => {$(
        impl<$first: ToText $(, $rest: ToText)*> ToText for ($first, $($rest,)*) {
            #[expect(non_snake_case, reason = "each field is bound under the name of its type")]
            fn to_text(&self, out: &mut Vec<u8>) {
                let ($first, $($rest,)*) = self;
                $first.to_text(out);
                $(
                    out.push(b' ');
                    $rest.to_text(out);
                )*
            }
        }
    )*};
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) }

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_read_as_they_are_displayed(number: u64, shift in 0_u32..64, small: u8) {
            for number in [number >> shift, u64::MAX, 0] {
                let mut out = Vec::new();
                (number, small).to_text(&mut out);
                prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{number} {small}"));
            }
        }
    }

    #[test]
    fn compound_values_read_naturally() {
        let mut out = Vec::new();
        ("the", (3_u64, -1.5_f64), vec![Some('a'), None, Some('b')], Descending(true)).to_text(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "the 3 -1.5 a,,b true");
    }
}
