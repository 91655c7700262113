//! The order of keys, mostly decided by their first eight bytes without looking at the key itself.

use std::cmp::Ordering;

/// What is known of a key in eight bytes and its length: enough to order it unless both keys are longer and agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) prefix: u64,
    pub(super) key_bytes: u32,
}

impl Head {
    /// Compares as the keys do; `rests` gives what follows the first eight bytes of both, when that is needed.
    #[inline]
    pub(super) fn order<'a>(&self, other: &Self, rests: impl FnOnce() -> (&'a [u8], &'a [u8])) -> Ordering {
        self.prefix.cmp(&other.prefix).then_with(|| {
            if self.key_bytes.min(other.key_bytes) <= 8 {
                // The prefix is padded with zeros, so here the shorter key is the beginning of the longer one.
                return self.key_bytes.cmp(&other.key_bytes);
            }
            let (mine, others) = rests();
            mine.cmp(others)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::prefix;
    use proptest::prelude::*;

    fn head(key: &[u8]) -> Head {
        Head { prefix: prefix(key), key_bytes: key.len() as u32 }
    }

    proptest! {
        #[test]
        fn heads_order_as_keys_do(
            a in proptest::collection::vec(0_u8..3, 0..12),
            b in proptest::collection::vec(0_u8..3, 0..12),
        ) {
            prop_assert_eq!(head(&a).order(&head(&b), || (&a[8..], &b[8..])), a.cmp(&b));
        }
    }
}
