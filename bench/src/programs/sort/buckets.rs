//! Ranges of keys by their first two bytes, of about equal size.

use std::ops::Range;

use super::RECORD;

const BUCKETS: u64 = 4096;
const VALUES: usize = 1 << 16;

/// How many records begin with which two bytes.
pub(super) struct Histogram(Vec<u32>);

fn value(record: &[u8; RECORD]) -> usize {
    usize::from(u16::from_be_bytes([record[0], record[1]]))
}

impl Histogram {
    pub(super) fn of(records: &[[u8; RECORD]]) -> Self {
        let mut counts = vec![0; VALUES];
        for record in records {
            counts[value(record)] += 1;
        }
        Self(counts)
    }
}

/// Which bucket each value belongs to.
pub(super) struct Buckets {
    of_value: Vec<u16>,
    sizes: Vec<u64>,
}

impl Buckets {
    pub(super) fn new(histograms: &[Histogram]) -> Self {
        let count =
            |value: usize| histograms.iter().map(|histogram| u64::from(histogram.0[value])).sum::<u64>();
        let enough = (0..VALUES).map(count).sum::<u64>().div_ceil(BUCKETS);
        let mut of_value = Vec::with_capacity(VALUES);
        let mut sizes = vec![0];
        let mut bucket = 0;
        for value in 0..VALUES {
            if sizes[bucket] >= enough && sizes[bucket] > 0 {
                sizes.push(0);
                bucket += 1;
            }
            of_value.push(bucket as u16);
            sizes[bucket] += count(value);
        }
        Self { of_value, sizes }
    }

    pub(super) fn of(&self, record: &[u8; RECORD]) -> usize {
        usize::from(self.of_value[value(record)])
    }

    /// Where each bucket begins among the entries of one thread, and where the last one ends.
    pub(super) fn begins(&self, histogram: &Histogram) -> Vec<usize> {
        let mut begins = vec![0; self.sizes.len() + 1];
        for (&bucket, &count) in self.of_value.iter().zip(&histogram.0) {
            begins[usize::from(bucket) + 1] += count as usize;
        }
        for at in 1..begins.len() {
            begins[at] += begins[at - 1];
        }
        begins
    }

    /// The buckets of one of `parts` outputs of about equal size.
    pub(super) fn share(&self, number: usize, parts: usize) -> Range<usize> {
        let all: u64 = self.sizes.iter().sum();
        let cut = |number: usize| {
            if number == parts {
                return self.sizes.len();
            }
            let mut before = 0;
            self.sizes
                .iter()
                .position(|size| {
                    before += size;
                    before > all * number as u64 / parts as u64
                })
                .unwrap_or(self.sizes.len())
        };
        let begin = if number == 0 { 0 } else { cut(number) };
        begin..cut(number + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_hold_every_bucket_once_whatever_the_keys() {
        for step in [0_u32, 1, 7, 65_537] {
            let records: Vec<[u8; RECORD]> = (0..50_000_u32)
                .map(|n| {
                    let mut record = [0; RECORD];
                    record[..4].copy_from_slice(&(n * step).to_be_bytes());
                    record
                })
                .collect();
            let buckets = Buckets::new(&[Histogram::of(&records)]);
            for parts in [1, 2, 3, 5] {
                let shares: Vec<usize> = (0..parts).flat_map(|number| buckets.share(number, parts)).collect();
                assert_eq!(shares, (0..buckets.sizes.len()).collect::<Vec<_>>());
            }
        }
    }
}
