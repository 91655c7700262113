//! Time as the scheduler sees it: handed in, never read.

use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, or since anything else in a simulation. Monotonic as handed to the scheduler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp {
    /// The milliseconds.
    pub ms: u64,
}

impl Timestamp {
    /// `ms` milliseconds after the epoch.
    pub const fn from_ms(ms: u64) -> Self {
        Self { ms }
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self { ms: self.ms.saturating_add(whole_ms(duration)) }
    }
}

impl Sub for Timestamp {
    type Output = Duration;

    /// How long after `earlier`; zero when it is before.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_millis(self.ms.saturating_sub(earlier.ms))
    }
}
