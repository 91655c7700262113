//! Chooses the codec of a run's blocks by what writing and packing cost here and now.
//!
//! Where files go to memory first, writing a byte costs a fraction of a nanosecond and no codec is worth its time; where the disk holds the
//! writer up, packing pays. Only the stored bytes depend on the choice, never the pairs.

use std::time::{Duration, Instant};

use super::codec::Codec;

/// How many bytes are written before the cost of writing is believed.
const BYTES_MIN: u64 = 4 << 20;

/// After so many bytes what was measured counts half.
const BYTES_MAX: u64 = 32 << 20;

/// How many bytes are written between two trials.
const BYTES_BETWEEN_TRIALS: u64 = 16 << 20;

/// Below this no codec can win, so none is tried.
const TRIAL_NS_PER_BYTE_MIN: f64 = 0.8;

/// A codec must be so much cheaper than none, for trials are noisy.
const ADVANTAGE: f64 = 0.8;

/// The codec of the blocks of one run.
pub(crate) struct Choice {
    codec: Codec,
    fixed: bool,
    bytes: u64,
    time: Duration,
    bytes_to_trial: u64,
}

/// What packing and unpacking a byte took, and how many bytes were left of it.
#[derive(Clone, Copy, Debug)]
struct Trial {
    codec: Codec,
    ns_per_byte: f64,
    ratio: f64,
}

impl Choice {
    /// Measures, and begins with no codec.
    pub(crate) fn measured() -> Self {
        Self { codec: Codec::None, fixed: false, bytes: 0, time: Duration::ZERO, bytes_to_trial: BYTES_MIN }
    }

    /// Always this codec.
    #[cfg(any(test, feature = "bench"))]
    pub(crate) fn fixed(codec: Codec) -> Self {
        Self { codec, fixed: true, ..Self::measured() }
    }

    /// The codec for this payload.
    pub(super) fn codec(&mut self, payload: &[u8]) -> Codec {
        if !self.fixed && self.bytes_to_trial == 0 {
            self.bytes_to_trial = BYTES_BETWEEN_TRIALS;
            self.codec = self.choose(payload);
        }
        self.codec
    }

    /// So many bytes were written in so much time.
    pub(super) fn wrote(&mut self, bytes: usize, time: Duration) {
        self.bytes_to_trial = self.bytes_to_trial.saturating_sub(bytes as u64);
        self.bytes += bytes as u64;
        self.time += time;
        if self.bytes > BYTES_MAX {
            self.bytes /= 2;
            self.time /= 2;
        }
    }

    fn choose(&self, payload: &[u8]) -> Codec {
        let write_ns_per_byte = self.time.as_nanos() as f64 / self.bytes.max(1) as f64;
        if write_ns_per_byte < TRIAL_NS_PER_BYTE_MIN || payload.is_empty() {
            return Codec::None;
        }
        let trials = [Codec::Lz4, Codec::Zstd].map(|codec| try_out(codec, payload));
        cheapest(write_ns_per_byte, trials)
    }
}

fn try_out(codec: Codec, payload: &[u8]) -> Trial {
    let mut packed = Vec::new();
    let mut unpacked = vec![0; payload.len()];
    let begun = Instant::now();
    let is_shorter = codec.pack(payload, &mut packed).unwrap_or(false);
    codec.unpack(&packed, &mut unpacked);
    let ns_per_byte = begun.elapsed().as_nanos() as f64 / payload.len().max(1) as f64;
    let ratio = if is_shorter { packed.len() as f64 / payload.len() as f64 } else { 1.0 };
    Trial { codec, ns_per_byte, ratio }
}

/// The codec with which a byte costs least, none unless another is clearly cheaper.
fn cheapest(write_ns_per_byte: f64, trials: [Trial; 2]) -> Codec {
    let mut best = (Codec::None, write_ns_per_byte * ADVANTAGE);
    for trial in trials {
        let cost = trial.ns_per_byte + trial.ratio * write_ns_per_byte;
        if cost < best.1 {
            best = (trial.codec, cost);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was measured of text on this kind of machine.
    const TEXT: [Trial; 2] = [
        Trial { codec: Codec::Lz4, ns_per_byte: 2.0, ratio: 0.5 },
        Trial { codec: Codec::Zstd, ns_per_byte: 4.0, ratio: 0.35 },
    ];

    #[test]
    fn the_slower_the_disk_the_more_is_packed() {
        let chosen = |megabytes_per_second: f64| cheapest(1000.0 / megabytes_per_second, TEXT);
        assert_eq!([3000.0, 400.0].map(chosen), [Codec::None; 2]);
        assert_eq!([120.0, 90.0].map(chosen), [Codec::Lz4; 2]);
        assert_eq!([50.0, 5.0].map(chosen), [Codec::Zstd; 2]);
    }

    #[test]
    fn what_does_not_shrink_is_never_packed() {
        let random = TEXT.map(|trial| Trial { ratio: 1.0, ..trial });
        assert_eq!(cheapest(1000.0, random), Codec::None);
    }

    #[test]
    fn nothing_is_tried_before_enough_was_written_and_the_choice_follows_the_disk() {
        let payload = b"the same again and again ".repeat(4000);
        let mut choice = Choice::measured();
        choice.wrote(1 << 20, Duration::from_secs(1000));
        assert_eq!(choice.codec(&payload), Codec::None, "too little is known");
        choice.wrote(4 << 20, Duration::from_secs(5000));
        assert_ne!(choice.codec(&payload), Codec::None, "a disk that takes minutes for a megabyte");
        for _ in 0..400 {
            choice.wrote(1 << 20, Duration::from_micros(100));
        }
        assert_eq!(choice.codec(&payload), Codec::None, "a disk as fast as memory");
    }

    #[test]
    fn a_fixed_codec_stays() {
        let mut choice = Choice::fixed(Codec::Zstd);
        choice.wrote(64 << 20, Duration::ZERO);
        assert_eq!(choice.codec(b"x"), Codec::Zstd);
    }
}
