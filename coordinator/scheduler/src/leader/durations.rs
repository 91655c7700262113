//! How long winners of a stage took: enough to tell who is slow among its peers.

/// Steps within each doubling: medians are right to one part in eight.
const STEPS_LOG2: u32 = 3;

/// What a task costs beside its bytes, in bytes: so tiny tasks say little about large ones.
const TASK_BYTES: u64 = 1 << 20;

/// What finished tasks of one stage took, as it is and in proportion to what they had to read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations {
    took: Histogram,
    /// Milliseconds for each `TASK_BYTES`, times 1024.
    pace: Histogram,
}

/// What is typical of a stage's tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Typical {
    /// Half of them take no longer.
    pub(crate) median_ms: u64,
    /// Nine in ten take no longer.
    pub(crate) most_ms: u64,
}

impl Durations {
    /// A task that had so much to read took so long.
    pub(crate) fn add(&mut self, ms: u64, bytes: u64) {
        self.took.add(ms);
        self.pace.add(scaled(ms, 1024 * TASK_BYTES, weight(bytes)));
    }

    /// How long a task that has so much to read takes, if its peers tell: as long as they do, and longer if it is larger than they were.
    pub(crate) fn typical(&self, bytes: u64) -> Option<Typical> {
        let quantile_ms = |percent| {
            let paced = scaled(self.pace.quantile(percent)?, weight(bytes), 1024 * TASK_BYTES);
            Some(paced.max(self.took.quantile(percent)?))
        };
        Some(Typical { median_ms: quantile_ms(50)?, most_ms: quantile_ms(90)? })
    }
}

fn weight(bytes: u64) -> u64 {
    bytes.saturating_add(TASK_BYTES)
}

fn scaled(value: u64, by: u64, of: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(by) / u128::from(of.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// A histogram with logarithmic steps; small and of fixed cost however many tasks a stage has.
#[derive(Clone, Debug, Default)]
struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

impl Histogram {
    fn add(&mut self, value: u64) {
        let step = step_of(value);
        if self.counts.len() <= step {
            self.counts.resize(step + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(step) {
            *count = count.saturating_add(1);
            self.total += 1;
        }
    }

    /// What at most `percent` of them exceed, rounded up to a step; `None` when there are none.
    fn quantile(&self, percent: u64) -> Option<u64> {
        if self.total == 0 {
            return None;
        }
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut sum = 0;
        let step = self.counts.iter().position(|count| {
            sum += u64::from(*count);
            sum >= rank
        });
        step.map(end_of)
    }
}

fn step_of(value: u64) -> usize {
    let log2 = value.max(1).ilog2();
    let step = if log2 < STEPS_LOG2 {
        value
    } else {
        let within = (value >> (log2 - STEPS_LOG2)) - (1 << STEPS_LOG2);
        (u64::from(log2 - STEPS_LOG2 + 1) << STEPS_LOG2) + within
    };
    usize::try_from(step).unwrap_or(usize::MAX)
}

/// The largest value that falls into the step.
fn end_of(step: usize) -> u64 {
    let step = step as u64;
    let doubling = step >> STEPS_LOG2;
    let within = step & ((1 << STEPS_LOG2) - 1);
    if doubling == 0 {
        return within;
    }
    let next = u128::from((1 << STEPS_LOG2) + within + 1) << (doubling - 1);
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_within_an_eighth_below_the_end_of_its_step() {
        for ms in (0..5_000).chain([1 << 20, (1 << 20) + 1, 1 << 40, u64::MAX - 1, u64::MAX]) {
            let end = end_of(step_of(ms));
            assert!(end >= ms && end - ms <= ms / 8, "{ms} falls into a step that ends at {end}");
        }
    }

    #[test]
    fn quantiles_count_from_the_smallest() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(50), None);
        for value in [1, 2, 3, 4, 7] {
            histogram.add(value);
        }
        assert_eq!(histogram.quantile(50), Some(3));
        assert_eq!(histogram.quantile(90), Some(7));
    }

    #[test]
    fn a_large_task_may_take_longer_than_its_small_peers_and_a_small_one_as_long_as_large_ones() {
        let mib = |mib: u64| mib << 20;
        let mut durations = Durations::default();
        (0..10).for_each(|_| durations.add(1_000, mib(31)));
        let large = durations.typical(mib(319)).unwrap();
        assert!((10_000..11_500).contains(&large.median_ms), "{large:?}");
        assert!((1_000..1_130).contains(&durations.typical(mib(1)).unwrap().median_ms));
        let mut tiny = Durations::default();
        tiny.add(2, 10);
        assert!((2..4).contains(&tiny.typical(10).unwrap().most_ms), "{tiny:?}");
        assert_eq!(Durations::default().typical(5), None);
        durations.add(u64::MAX, u64::MAX);
        durations.typical(u64::MAX).unwrap();
    }
}
