//! A sample attempt: some pieces of the input through the app's own map, and of its pairs an even sample of the keys.
//!
//! Makes no file. What it finds depends on the pieces and the app only, not on the memory of the slot, so that any slot and the sequential
//! oracle find the same.

use gristmill_model::{AttemptStats, Blob, InputMode, SampleResult, SampledKey, TaskFailure};
use gristmill_sdk::wire;

use crate::budget::Budget;
use crate::failure;
use crate::input::{InputBuffer, SplitReader};
use crate::plugin::{Instance, Partitioner, Plugin, Services};
use crate::progress::ProgressCell;
use crate::task::SampleTask;

/// The least memory that a slot may have: as if it had no more, a sample is collected. It is little, so that costs nothing.
const LEAST_MEMORY_BYTES: u64 = 1 << 20;
/// Keys held before they are thinned out, and most bytes of them.
const HELD_KEYS_MAX: usize = 1 << 16;
const HELD_BYTES_MAX: usize = 4 << 20;

/// Runs a sample attempt.
pub fn run_sample(
    plugin: &Plugin,
    task: &SampleTask,
    progress: &ProgressCell,
) -> Result<SampleResult, TaskFailure> {
    let mut instance = Instance::create(plugin, &task.params, progress)?;
    let mut sample = KeySample::default();
    let mode = plugin.info().input_mode;
    let mut stats = map_pieces(&mut instance, mode, task, &mut sample, progress)?;
    stats.pairs_out = sample.pairs;
    Ok(SampleResult { keys: sample.finish(), stats })
}

fn map_pieces(
    instance: &mut Instance<'_>,
    mode: InputMode,
    task: &SampleTask,
    sample: &mut KeySample,
    progress: &ProgressCell,
) -> Result<AttemptStats, TaskFailure> {
    let mut stats = AttemptStats::default();
    let (own, least) = (Budget::new(task.memory_bytes), Budget::new(LEAST_MEMORY_BYTES));
    let mut buffer = InputBuffer::with_sizes(least.input_block_bytes(), own.record_bytes_max());
    instance.map_begin(1, least.plugin_bytes(), &[])?;
    for piece in &task.work.splits {
        let mut reader = SplitReader::open(&piece.split, mode, buffer, progress)?;
        let mut mapped = 0;
        while mapped < piece.bytes_max
            && let Some(block) = reader.next()?
        {
            mapped += block.bytes.len() as u64;
            stats.calls += 1;
            instance.map(&piece.split.document, &block, sample)?;
        }
        stats.bytes_in += mapped;
        buffer = reader.into_buffer();
    }
    drop(buffer);
    instance.map_end(sample)?;
    Ok(stats)
}

/// Keys with the bytes of pairs that each stands for. Thinned out when there are too many, so that those which stay stand for equal shares;
/// a key that is heavier by itself stays in any case.
#[derive(Default)]
struct KeySample {
    bytes: Vec<u8>,
    keys: Vec<Held>,
    pairs: u64,
}

#[derive(Clone, Copy)]
struct Held {
    at: usize,
    length: usize,
    weight: u64,
}

impl KeySample {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.pairs += 1;
        let weight =
            (wire::length_bytes(key.len()) + wire::length_bytes(value.len()) + key.len() + value.len())
                as u64;
        let key = key.get(..SampleResult::KEY_BYTES_MAX).unwrap_or(key);
        if let Some(last) = self.keys.last_mut()
            && self.bytes.get(last.at..) == Some(key)
        {
            last.weight += weight;
            return;
        }
        if self.keys.len() >= HELD_KEYS_MAX || self.bytes.len() + key.len() > HELD_BYTES_MAX {
            self.thin((HELD_KEYS_MAX / 4).min(self.keys.len() / 2).max(1));
        }
        self.keys.push(Held { at: self.bytes.len(), length: key.len(), weight });
        self.bytes.extend_from_slice(key);
    }

    fn finish(mut self) -> Vec<SampledKey> {
        let mut most = SampleResult::KEYS_MAX;
        self.thin(most);
        while self.bytes.len() > SampleResult::BYTES_MAX {
            most = (most.min(self.keys.len()) * 3 / 4).max(1);
            self.thin(most);
        }
        let sampled = |held: &Held| SampledKey { key: Blob(self.key(held).to_vec()), weight: held.weight };
        self.keys.iter().map(sampled).collect()
    }

    fn key(&self, held: &Held) -> &[u8] {
        self.bytes.get(held.at..held.at + held.length).unwrap_or_default()
    }

    /// Sorts, brings equal keys together, and leaves at most `most` of them: those in which a share of all bytes comes to its end.
    fn thin(&mut self, most: usize) {
        let mut held = std::mem::take(&mut self.keys);
        held.sort_by(|a, b| self.key(a).cmp(self.key(b)));
        held.dedup_by(|next, first| {
            let same = self.key(next) == self.key(first);
            first.weight += if same { next.weight } else { 0 };
            same
        });
        let total: u128 = held.iter().map(|held| u128::from(held.weight)).sum();
        let shares = |weight: u128| weight * most as u128 / total.max(1);
        let (mut passed, mut pending) = (0_u128, 0);
        let mut bytes = Vec::new();
        for key in held {
            let before = shares(passed);
            passed += u128::from(key.weight);
            pending += key.weight;
            if shares(passed) > before {
                self.keys.push(Held { at: bytes.len(), weight: std::mem::take(&mut pending), ..key });
                bytes.extend_from_slice(self.key(&key));
            }
        }
        self.bytes = bytes;
    }
}

impl Services for KeySample {
    fn emit(&mut self, _: Partitioner<'_>, key: &[u8], value: &[u8]) -> Result<(), TaskFailure> {
        self.add(key, value);
        Ok(())
    }

    fn run_begin(&mut self) -> Result<(), TaskFailure> {
        Ok(())
    }

    fn run_pairs(&mut self, partition: u32, pairs: u64, mut bytes: &[u8]) -> Result<(), TaskFailure> {
        if partition > 0 {
            return Err(failure::rule(format_args!("partition {partition} was chosen of 1")));
        }
        for _ in 0..pairs {
            let pair = wire::take_pair(&mut bytes);
            let (key, value) =
                pair.ok_or_else(|| failure::rule("`run_pairs` holds fewer pairs than it says"))?;
            self.add(key, value);
        }
        if bytes.is_empty() {
            Ok(())
        } else {
            Err(failure::rule("`run_pairs` holds more pairs than it says"))
        }
    }

    fn run_end(&mut self) -> Result<(), TaskFailure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn sampled(pairs: &[(Vec<u8>, usize)]) -> Vec<SampledKey> {
        let mut sample = KeySample::default();
        pairs.iter().for_each(|(key, value_bytes)| sample.add(key, &vec![0; *value_bytes]));
        sample.finish()
    }

    fn weight(key: &[u8], value_bytes: usize) -> u64 {
        (2 + key.len() + value_bytes) as u64
    }

    proptest! {
        #[test]
        fn a_few_keys_are_all_there_with_their_weights(
            pairs in proptest::collection::vec((proptest::collection::vec(0_u8..3, 0..4), 0_usize..100), 0..50),
        ) {
            let mut expected = BTreeMap::new();
            for (key, value_bytes) in &pairs {
                *expected.entry(key.clone()).or_insert(0) += weight(key, *value_bytes);
            }
            let found: Vec<_> = sampled(&pairs).into_iter().map(|key| (key.key.0, key.weight)).collect();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }

    /// Keys 0 to 299,999 in an order that is not theirs, with one that is as heavy as a third of them.
    #[test]
    fn of_many_keys_an_even_sample_is_left_and_what_is_heavy() {
        let count = 300_000_u64;
        let number = |n: u64| (n * 7_919 % count).to_be_bytes().to_vec();
        let pairs = (0..count).flat_map(|n| {
            let heavy = (n % 3 == 0).then(|| (150_000_u64.to_be_bytes().to_vec(), 0));
            [Some((number(n), 0)), heavy].into_iter().flatten()
        });
        let sample = sampled(&pairs.collect::<Vec<_>>());
        assert!((3_000..=SampleResult::KEYS_MAX).contains(&sample.len()), "{}", sample.len());
        assert!(sample.is_sorted_by(|a, b| a.key.0 < b.key.0));
        let total: u64 = sample.iter().map(|key| key.weight).sum();
        assert_eq!(total, 400_000 * 10);
        let mut passed = 0;
        for key in &sample {
            passed += key.weight;
            let at = u64::from_be_bytes(key.key.0.as_slice().try_into().unwrap());
            let below = 10 * (at + 1) + if at >= 150_000 { 1_000_000 } else { 0 };
            let off = passed.abs_diff(below);
            assert!(off < total / 500, "{passed} at {at}, {below} in truth");
        }
        assert!(sample.iter().any(|key| key.key.0 == 150_000_u64.to_be_bytes() && key.weight >= 1_000_000));
    }

    #[test]
    fn long_keys_are_cut_and_bounded_together() {
        let pairs: Vec<_> =
            (0..5_000_u32).map(|n| ([n.to_be_bytes().as_slice(), &[7; 1000]].concat(), 0)).collect();
        let sample = sampled(&pairs);
        assert!(sample.iter().all(|key| key.key.0.len() == SampleResult::KEY_BYTES_MAX));
        assert!(sample.iter().map(|key| key.key.0.len()).sum::<usize>() <= SampleResult::BYTES_MAX);
        assert!(sample.len() > 500, "{}", sample.len());
    }
}
