//! The first sixteen bytes of a key, by which most keys are told apart, hashed and ordered without looking at the rest.

/// How many bytes of a key a front holds.
pub(super) const FRONT_BYTES: usize = 16;

/// The first sixteen bytes of a key, zeros behind a shorter one, as two numbers of this machine which in memory stand as the bytes do.
///
/// Of a key that is longer, only the first eight are kept when it is put into the table; where the key lies takes the place of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Front {
    first: u64,
    second: u64,
}

impl Front {
    #[inline(always)]
    pub(super) fn of(key: &[u8]) -> Self {
        load(key)
    }

    /// The first eight bytes as they stand in memory.
    #[inline(always)]
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The bytes.
    #[inline(always)]
    pub(super) fn bytes(&self) -> &[u8; FRONT_BYTES] {
        // SAFETY: two numbers without anything between or behind them are sixteen bytes.
        unsafe { &*std::ptr::from_ref(self).cast() }
    }

    /// The first eight bytes as a number that compares as they do.
    #[inline(always)]
    pub(super) fn first_ordered(&self) -> u64 {
        u64::from_be(self.first)
    }

    /// The last eight bytes as a number that compares as they do.
    #[inline(always)]
    pub(super) fn second_ordered(&self) -> u64 {
        u64::from_be(self.second)
    }

    /// The second half as a number that is no part of a key.
    #[inline]
    pub(super) fn place(&self) -> u64 {
        self.second
    }

    /// With that number in the second half.
    #[inline]
    pub(super) fn with_place(self, place: u64) -> Self {
        Self { second: place, ..self }
    }
}

#[inline]
fn padded(key: &[u8]) -> Front {
    let half = |from: usize| {
        let mut bytes = [0; 8];
        let rest = key.get(from..).unwrap_or_default();
        let length = rest.len().min(8);
        bytes[..length].copy_from_slice(&rest[..length]);
        u64::from_ne_bytes(bytes)
    };
    Front { first: half(0), second: half(8) }
}

/// Loads sixteen bytes in one piece and blanks those that do not belong to the key: no branch depends on its length.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
fn load(key: &[u8]) -> Front {
    use std::arch::asm;
    use std::arch::x86_64::{__m128i, _mm_and_si128, _mm_cvtsi128_si64, _mm_load_si128, _mm_unpackhi_epi64};

    const PAGE_BYTES: usize = 4096;
    #[repr(align(16))]
    struct Masks([[u8; FRONT_BYTES]; FRONT_BYTES + 1]);
    static MASKS: Masks = Masks(masks());

    let crosses_page = key.as_ptr().addr() % PAGE_BYTES > PAGE_BYTES - FRONT_BYTES;
    if key.is_empty() || (crosses_page && key.len() < FRONT_BYTES) {
        return padded(key);
    }
    // SAFETY: the key's first byte lies in the same page as the fifteen behind it, or they all belong to the key, so the load cannot
    // fault. What it finds beyond the key is blanked before anything depends on it; that the compiler does not see the load keeps it from
    // drawing conclusions. The masks are aligned; SSE2 is part of x86-64.
    unsafe {
        let loaded: __m128i;
        asm!("movdqu {}, [{}]", out(xmm_reg) loaded, in(reg) key.as_ptr(), options(pure, readonly, nostack, preserves_flags));
        let mask = MASKS.0.get_unchecked(key.len().min(FRONT_BYTES));
        let kept = _mm_and_si128(loaded, _mm_load_si128(mask.as_ptr().cast()));
        let first = _mm_cvtsi128_si64(kept) as u64;
        Front { first, second: _mm_cvtsi128_si64(_mm_unpackhi_epi64(kept, kept)) as u64 }
    }
}

/// The first eight bytes of a key that has at most so many, zeros behind them, as a number of this machine which in memory stands as the
/// bytes do.
#[inline(always)]
pub(super) fn eight(key: &[u8]) -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let crosses_page = key.as_ptr().addr() % 4096 > 4096 - 8;
        if !key.is_empty() && !crosses_page {
            let loaded: u64;
            // SAFETY: the key's first byte lies in the same page as the seven behind it, so the load cannot fault; as in `load`.
            unsafe {
                std::arch::asm!("mov {}, [{}]", out(reg) loaded, in(reg) key.as_ptr(), options(pure, readonly, nostack, preserves_flags));
            }
            return loaded & (u64::MAX >> (64 - 8 * key.len().min(8)));
        }
    }
    padded(key).first
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
const fn masks() -> [[u8; FRONT_BYTES]; FRONT_BYTES + 1] {
    let mut masks = [[0; FRONT_BYTES]; FRONT_BYTES + 1];
    let mut length = 1;
    while length <= FRONT_BYTES {
        masks[length] = masks[length - 1];
        masks[length][length - 1] = 0xff;
        length += 1;
    }
    masks
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline]
fn load(key: &[u8]) -> Front {
    let half = |from: usize| key.get(from..)?.first_chunk().copied().map(u64::from_ne_bytes);
    match (half(0), half(8)) {
        (Some(first), Some(second)) => Front { first, second },
        _ => padded(key),
    }
}

/// Begins a hash by two numbers that nobody outside the process knows: keys cannot be chosen so that they meet in the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed(u64, u64);

impl Seed {
    pub(super) fn random() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let state = RandomState::new();
        Self(state.hash_one(1), state.hash_one(2))
    }

    /// The hash of a key, whose front this is.
    #[inline(always)]
    pub(super) fn hash(self, front: &Front, key: &[u8]) -> u32 {
        let Front { first, second } = if key.len() <= FRONT_BYTES { *front } else { self.long(key) };
        (crate::hash::fold(first ^ self.0, second ^ self.1) >> 32) as u32
    }

    /// The hash of a key that stands in eight bytes.
    #[inline(always)]
    pub(super) fn hash_eight(self, eight: u64) -> u32 {
        (crate::hash::fold(eight ^ self.0, self.1) >> 32) as u32
    }

    /// Two numbers that depend on every byte of a key of more than [`FRONT_BYTES`].
    #[inline(never)]
    fn long(self, key: &[u8]) -> Front {
        let mut state = self.1 ^ key.len() as u64;
        for piece in key[..key.len() - 1].chunks_exact(FRONT_BYTES) {
            let Front { first, second } = Front::of(piece);
            state = crate::hash::fold(first ^ state, second ^ self.0);
        }
        let last = Front::of(&key[key.len() - FRONT_BYTES..]);
        Front { first: last.first ^ state, ..last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_front_is_the_first_sixteen_bytes(key in proptest::collection::vec(any::<u8>(), 0..40)) {
            let front = Front::of(&key);
            prop_assert_eq!(front, padded(&key));
            let length = key.len().min(FRONT_BYTES);
            prop_assert_eq!(&front.bytes()[..length], &key[..length]);
            prop_assert!(front.bytes()[length..].iter().all(|&byte| byte == 0));
            let short = &key[..key.len().min(8)];
            prop_assert_eq!(eight(short), padded(short).first);
        }

        #[test]
        fn every_byte_counts_in_the_hash(
            key in proptest::collection::vec(any::<u8>(), 1..70), at: proptest::sample::Index, bit in 0_u8..8,
        ) {
            let mut other = key.clone();
            *at.get_mut(&mut other) ^= 1 << bit;
            let seed = Seed(0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f);
            prop_assert_ne!(seed.hash(&Front::of(&key), &key), seed.hash(&Front::of(&other), &other));
        }

        #[test]
        fn halves_order_as_the_bytes_do(a: [u8; 16], b: [u8; 16]) {
            let order = |key: &[u8]| (Front::of(key).first_ordered(), Front::of(key).second_ordered());
            prop_assert_eq!(order(&a).cmp(&order(&b)), a.cmp(&b));
        }
    }

    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn nothing_is_read_behind_the_page_at_whose_end_a_key_lies() {
        super::super::region::with_last_page(|page| {
            page.fill(7);
            for length in 0..40 {
                let key = &page[page.len() - length..];
                assert_eq!(Front::of(key), padded(key));
                assert_eq!(eight(&key[..length.min(8)]), padded(&key[..length.min(8)]).first);
            }
            for short in 0..8 {
                let key = &page[page.len() - short..];
                assert_eq!(eight(key), padded(key).first);
            }
        });
    }

    #[test]
    fn a_place_fits_behind_the_first_half() {
        let front = Front::of(b"0123456789abcdef").with_place(77);
        assert_eq!((front.place(), front.first_ordered()), (77, u64::from_be_bytes(*b"01234567")));
    }
}
