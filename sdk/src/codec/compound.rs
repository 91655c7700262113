//! Types made of other types: options, lists, tuples, reversed order.

use super::{Codec, DecodeError, Encode, Reader, heap_block};
use std::cmp::Ordering;

impl<T, E: Encode<T>> Encode<Option<T>> for Option<E> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.encode(out);
        }
    }

    #[inline]
    fn encode_last(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.encode_last(out);
        }
    }
}

impl<T: Codec> Codec for Option<T> {
    #[inline]
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(if bool::decode(from)? { Some(T::decode(from)?) } else { None })
    }

    #[inline]
    fn decode_last(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if bool::decode(from)? {
            return Ok(Some(T::decode_last(from)?));
        }
        from.end()?;
        Ok(None)
    }

    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, T::heap_bytes)
    }

    const HEAP_IS_SOON_COUNTED: bool = soon_counted::<T>();
}

impl<T, E: Encode<T>> Encode<Vec<T>> for [E] {
    fn encode(&self, out: &mut Vec<u8>) {
        for element in self {
            out.push(1);
            element.encode(out);
        }
        out.push(0);
    }
}

impl<T, E: Encode<T>> Encode<Vec<T>> for Vec<E> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_slice().encode(out);
    }
}

impl<T: Codec> Codec for Vec<T> {
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut list = Self::new();
        while bool::decode(from)? {
            list.push(T::decode(from)?);
        }
        Ok(list)
    }

    fn heap_bytes(&self) -> usize {
        let inside = if std::mem::needs_drop::<T>() { self.iter().map(T::heap_bytes).sum() } else { 0 };
        heap_block(self.capacity() * size_of::<T>()) + inside
    }

    /// What has nothing to drop holds no heap.
    const HEAP_IS_SOON_COUNTED: bool = !std::mem::needs_drop::<T>();
}

/// A value that sorts before smaller ones: as (part of) a key it makes values come in descending order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Descending<T>(pub T);

impl<T: Ord> Ord for Descending<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.cmp(&self.0)
    }
}

impl<T: PartialOrd> PartialOrd for Descending<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        other.0.partial_cmp(&self.0)
    }
}

impl<T, E: Encode<T>> Encode<Descending<T>> for Descending<E> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.0.encode(out);
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

impl<T: Codec> Codec for Descending<T> {
    #[inline]
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.flipped(T::decode).map(Self)
    }

    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    const HEAP_IS_SOON_COUNTED: bool = soon_counted::<T>();
}

const fn soon_counted<T: Codec>() -> bool {
    !std::mem::needs_drop::<T>() || T::HEAP_IS_SOON_COUNTED
}

macro_rules! tuples {
    ($(($($type:ident $form:ident),* ; $last:ident $last_form:ident))*) => {$(
        impl<$($type, $form: Encode<$type>,)* $last, $last_form: Encode<$last>>
            Encode<($($type,)* $last,)> for ($($form,)* $last_form,)
        {
            #[inline]
            #[expect(non_snake_case, reason = "each field is bound under the name of its type")]
            fn encode(&self, out: &mut Vec<u8>) {
                let ($($form,)* $last_form,) = self;
                $($form.encode(out);)*
                $last_form.encode(out);
            }

            #[inline]
            #[expect(non_snake_case, reason = "each field is bound under the name of its type")]
            fn encode_last(&self, out: &mut Vec<u8>) {
                let ($($form,)* $last_form,) = self;
                $($form.encode(out);)*
                $last_form.encode_last(out);
            }
        }

        impl<$($type: Codec,)* $last: Codec> Codec for ($($type,)* $last,) {
            #[inline]
            fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(($($type::decode(from)?,)* $last::decode(from)?,))
            }

            #[inline]
            fn decode_last(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(($($type::decode(from)?,)* $last::decode_last(from)?,))
            }

            #[expect(non_snake_case, reason = "each field is bound under the name of its type")]
            fn heap_bytes(&self) -> usize {
                let ($($type,)* $last,) = self;
                $($type.heap_bytes() +)* $last.heap_bytes()
            }

            const HEAP_IS_SOON_COUNTED: bool = $(soon_counted::<$type>() &&)* soon_counted::<$last>();
        }
    )*};
}

tuples! {
    (; A EA)
    (A EA; B EB)
    (A EA, B EB; C EC)
    (A EA, B EB, C EC; D ED)
    (A EA, B EB, C EC, D ED; E EE)
    (A EA, B EB, C EC, D ED, E EE; F EF)
}
