//! Bytes of some kind, found 64 at a time: windows of 64 bytes become numbers of 64 bits, one where such a byte stands.
//!
//! Which instructions do that is chosen when the process runs, once: AVX-512, AVX2 or SSE2 on x86-64, NEON on 64-bit ARM, and plain
//! arithmetic elsewhere. All give the same; tests compare them. The environment can ask for less than the processor has, for a debugger
//! that does not know its instructions, or a virtual machine that promises what it has not.

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

pub(crate) use portable::beyond_ascii;

/// The variable of the environment with the best instructions that may be used, one of [`SIMD_LEVELS`]. One that this processor does not
/// have asks for nothing.
pub const SIMD_VARIABLE: &str = "GRISTMILL_SIMD";

/// What [`SIMD_VARIABLE`] can ask for.
pub const SIMD_LEVELS: [&str; 5] = ["avx512", "avx2", "sse2", "neon", "portable"];

/// How many bytes one mask is about.
pub(crate) const WINDOW: usize = 64;

/// How many windows are looked at ahead: enough that the choice of instructions costs nothing beside them.
const AHEAD: usize = 16;

/// Sixty-four bytes, whose masks have the first byte in the lowest bit.
pub(crate) type Window = [u8; WINDOW];

/// One way of making masks. The functions fill as many masks as there are windows; `out` has room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    /// One of [`SIMD_LEVELS`].
    name: &'static str,
    /// Which bytes are ASCII letters; says whether any byte is beyond ASCII.
    letters: unsafe fn(windows: &[Window], out: &mut [u64]) -> bool,
    /// Which bytes are this one.
    equal: unsafe fn(byte: u8, windows: &[Window], out: &mut [u64]),
}

impl Level {
    /// All that this processor can do, the best first.
    pub(crate) fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        levels.extend(x86::levels());
        #[cfg(target_arch = "aarch64")]
        levels.push(neon::LEVEL);
        levels.push(portable::LEVEL);
        levels
    }

    #[inline]
    fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| Self::at_most(std::env::var(SIMD_VARIABLE).ok().as_deref()))
    }

    /// The best that is no better than this one.
    fn at_most(asked: Option<&str>) -> Self {
        let available = Self::available();
        let asked = available.iter().find(|level| Some(level.name) == asked);
        *asked.or(available.first()).unwrap_or(&portable::LEVEL)
    }

    #[inline]
    fn masks(self, kind: Kind, windows: &[Window], out: &mut [u64]) -> bool {
        // SAFETY: a level is made only where the processor has what it needs.
        unsafe {
            match kind {
                Kind::Letters => (self.letters)(windows, out),
                Kind::Byte(byte) => {
                    (self.equal)(byte, windows, out);
                    false
                }
            }
        }
    }
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// ASCII letters.
    Letters,
    /// One byte.
    Byte(u8),
}

/// The masks of some bytes, window by window.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    bytes: &'a [u8],
    kind: Kind,
    level: Level,
    /// Where the current window begins.
    base: usize,
    ahead: [u64; AHEAD],
    /// The window of `ahead` that is the current one.
    at: usize,
}

impl<'a> Scan<'a> {
    /// Stands at the first window.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], kind: Kind) -> Self {
        Self::with_level(bytes, kind, Level::best())
    }

    #[inline]
    pub(crate) fn with_level(bytes: &'a [u8], kind: Kind, level: Level) -> Self {
        let mut scan = Self { bytes, kind, level, base: 0, ahead: [0; AHEAD], at: 0 };
        scan.look_ahead();
        scan
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the current window begins.
    #[inline]
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// The mask of the current window. Bits beyond the last byte are zero, unless that byte is looked for.
    #[inline]
    pub(crate) fn mask(&self) -> u64 {
        self.ahead[self.at]
    }

    /// Goes to the next window, if there is one.
    #[inline]
    pub(crate) fn advance(&mut self) -> bool {
        if self.base + WINDOW >= self.bytes.len() {
            return false;
        }
        self.base += WINDOW;
        self.at += 1;
        if self.at == AHEAD {
            self.at = 0;
            self.look_ahead();
        }
        true
    }

    #[inline(never)]
    fn look_ahead(&mut self) {
        let rest = &self.bytes[self.base..];
        let (windows, tail) = rest.as_chunks::<WINDOW>();
        let windows = &windows[..windows.len().min(AHEAD)];
        let mut beyond = self.level.masks(self.kind, windows, &mut self.ahead);
        if let Some(place) = self.ahead.get_mut(windows.len()..).filter(|place| !place.is_empty())
            && !tail.is_empty()
        {
            let mut padded = [0; WINDOW];
            padded[..tail.len()].copy_from_slice(tail);
            beyond |= self.level.masks(self.kind, &[padded], place);
            place[0] &= u64::MAX >> (WINDOW - tail.len());
        }
        if beyond {
            self.add_other_letters();
        }
    }

    /// Words are of letters of every script, and the fast ways know only those of ASCII.
    #[cold]
    fn add_other_letters(&mut self) {
        for (i, mask) in self.ahead.iter_mut().enumerate() {
            let base = self.base + i * WINDOW;
            if base >= self.bytes.len() {
                return;
            }
            *mask |= crate::words::other_letters(self.bytes, base);
        }
    }
}

/// The places where one byte stands, in order.
#[derive(Clone, Debug)]
pub(crate) struct Places<'a> {
    scan: Scan<'a>,
    /// Those of the current window that were not given yet.
    left: u64,
}

impl<'a> Places<'a> {
    #[inline]
    pub(crate) fn new(byte: u8, bytes: &'a [u8]) -> Self {
        let scan = Scan::new(bytes, Kind::Byte(byte));
        Self { left: scan.mask(), scan }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.scan.bytes
    }
}

impl Iterator for Places<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.left == 0 {
            if !self.scan.advance() {
                return None;
            }
            self.left = self.scan.mask();
        }
        let place = self.scan.base + self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masks(bytes: &[u8], kind: Kind, level: Level) -> Vec<u64> {
        let mut scan = Scan::with_level(bytes, kind, level);
        let mut masks = vec![scan.mask()];
        while scan.advance() {
            masks.push(scan.mask());
        }
        masks
    }

    fn by_definition(bytes: &[u8], is: impl Fn(u8) -> bool) -> Vec<u64> {
        let mask =
            |window: &[u8]| (0..).zip(window).fold(0, |mask, (i, &byte)| mask | u64::from(is(byte)) << i);
        if bytes.is_empty() { vec![0] } else { bytes.chunks(WINDOW).map(mask).collect() }
    }

    proptest! {
        #[test]
        fn every_level_finds_ascii_letters(bytes in proptest::collection::vec(0_u8..0x80, 0..2500)) {
            for level in Level::available() {
                let expected = by_definition(&bytes, |byte| byte.is_ascii_alphabetic());
                prop_assert_eq!(masks(&bytes, Kind::Letters, level), expected, "{:?}", level);
            }
        }

        #[test]
        fn every_level_finds_a_byte(bytes in proptest::collection::vec(any::<u8>(), 0..2500), wanted: u8) {
            for level in Level::available() {
                let expected = by_definition(&bytes, |byte| byte == wanted);
                prop_assert_eq!(masks(&bytes, Kind::Byte(wanted), level), expected, "{:?}", level);
            }
        }

        #[test]
        fn every_level_finds_the_same_in_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let plain = masks(&bytes, Kind::Letters, portable::LEVEL);
            for level in Level::available() {
                prop_assert_eq!(&masks(&bytes, Kind::Letters, level), &plain, "{:?}", level);
            }
        }
    }

    #[test]
    fn the_level_that_is_asked_for_is_taken_where_there_is_one() {
        for level in Level::available() {
            assert!(SIMD_LEVELS.contains(&level.name));
            assert_eq!(Level::at_most(Some(level.name)).name, level.name);
        }
        let best = Level::available()[0].name;
        assert_eq!(Level::at_most(None).name, best);
        assert_eq!(Level::at_most(Some("other")).name, best);
    }

    #[test]
    fn every_byte_is_told_right_by_every_level() {
        for level in Level::available() {
            for byte in 0..=u8::MAX {
                let mut out = [7; 2];
                let beyond = level.masks(Kind::Letters, &[[byte; WINDOW]], &mut out);
                let expected = if byte.is_ascii_alphabetic() { u64::MAX } else { 0 };
                assert_eq!((out, beyond), ([expected, 7], !byte.is_ascii()), "{byte:#04x} {level:?}");
            }
        }
    }
}
