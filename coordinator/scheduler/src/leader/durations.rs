//! How long winners of a stage took: enough to tell who is slow among its peers.

/// Steps within each doubling: medians are right to one part in eight.
const STEPS_LOG2: u32 = 3;

/// A histogram of milliseconds with logarithmic steps; small and of fixed cost however many tasks a stage has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations {
    counts: Vec<u32>,
    total: u64,
}

impl Durations {
    pub(crate) fn add(&mut self, ms: u64) {
        let step = step_of(ms);
        if self.counts.len() <= step {
            self.counts.resize(step + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(step) {
            *count = count.saturating_add(1);
            self.total += 1;
        }
    }

    /// What at most `percent` of them exceed, rounded up to a step; `None` when there are none.
    pub(crate) fn quantile_ms(&self, percent: u64) -> Option<u64> {
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

fn step_of(ms: u64) -> usize {
    let log2 = ms.max(1).ilog2();
    let step = if log2 < STEPS_LOG2 {
        ms
    } else {
        let within = (ms >> (log2 - STEPS_LOG2)) - (1 << STEPS_LOG2);
        (u64::from(log2 - STEPS_LOG2 + 1) << STEPS_LOG2) + within
    };
    usize::try_from(step).unwrap_or(usize::MAX)
}

/// The largest number of milliseconds that falls into the step.
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
        let mut durations = Durations::default();
        assert_eq!(durations.quantile_ms(50), None);
        for ms in [1, 2, 3, 4, 7] {
            durations.add(ms);
        }
        assert_eq!(durations.quantile_ms(50), Some(3));
        assert_eq!(durations.quantile_ms(90), Some(7));
    }
}
