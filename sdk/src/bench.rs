//! What benches and fuzz targets see of the insides; no part of the crate's face.

use crate::collect::{RunSink, TypedCollector};
use crate::scan::{Kind, Level, Scan};
use crate::{Codec, DecodeError, Encode, Split};
use std::cell::Cell;

/// The collector of a plugin, which knows the type of values.
pub struct Folding<V>(TypedCollector<V>);

impl<V: Codec> Folding<V> {
    pub fn new(memory_bytes: u64) -> Self {
        Self(TypedCollector::new(memory_bytes))
    }

    /// One that looks after so many pairs whether combining pays, so that few show all that it does.
    pub fn with_window(memory_bytes: u64, window: usize) -> Self {
        Self(TypedCollector::with_window(memory_bytes, window))
    }

    /// Takes a pair of an app that combines.
    #[inline(always)]
    pub fn fold<S>(
        &mut self,
        key: &[u8],
        value: V,
        combine: impl Fn(&mut V, V) + Copy,
        sink: &mut S,
    ) -> Result<(), S::Error>
    where
        S: RunSink<Error: From<DecodeError>>,
    {
        self.0.fold(key, value, combine, sink)
    }

    /// Takes a pair of an app that does not combine.
    #[inline(always)]
    pub fn keep<E, S>(&mut self, key: &[u8], value: &E, sink: &mut S) -> Result<(), S::Error>
    where
        E: ?Sized + Encode<V>,
        S: RunSink<Error: From<DecodeError>>,
    {
        self.0.keep(key, value, sink)
    }

    /// Hands over what is left.
    pub fn finish<S>(
        &mut self,
        combine: Option<impl Fn(&mut V, V) + Copy>,
        sink: &mut S,
    ) -> Result<(), S::Error>
    where
        S: RunSink<Error: From<DecodeError>>,
    {
        self.0.finish(combine, sink)
    }
}

/// Gives `take` a block of text as a map is given it.
pub fn with_split<T>(bytes: &[u8], take: impl FnOnce(&Split<'_>) -> T) -> T {
    take(&Split { document: b"", bytes, offset: 0, record_bytes: 0, consumed: &Cell::new(0) })
}

/// The masks of letters and those of one byte, by each way that this processor knows; the plainest is the last.
pub fn masks(bytes: &[u8], byte: u8) -> Vec<[Vec<u64>; 2]> {
    let masks = |kind, level| {
        let mut scan = Scan::with_level(bytes, kind, level);
        let mut masks = vec![scan.mask()];
        while scan.advance() {
            masks.push(scan.mask());
        }
        masks
    };
    let of = |level| [masks(Kind::Letters, level), masks(Kind::Byte(byte), level)];
    Level::available().into_iter().map(of).collect()
}
