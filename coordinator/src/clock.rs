//! The time that the scheduler is handed: never goes back, whatever the system's clock does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gristmill_model::Timestamp;
use tokio::time::Instant;

/// Wall time at the start, moved on by a monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    began: Instant,
    began_at: Timestamp,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the one look at a clock that may jump")]
    pub(crate) fn start() -> Self {
        Self::begin(SystemTime::now())
    }

    fn begin(wall: SystemTime) -> Self {
        let since_epoch = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let began_at = Timestamp::default() + since_epoch;
        Self { began: Instant::now(), began_at }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.began_at + self.began.elapsed()
    }

    /// When the clock will show `at`.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        // Whole milliseconds are handed out, so waking at the exact instant could be a fraction early by the clock's own reading.
        self.began + (at - self.began_at) + Duration::from_millis(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_passes_evenly_whatever_the_system_takes_it_for() {
        let hour = Duration::from_secs(3600);
        for wall in [UNIX_EPOCH - hour, UNIX_EPOCH, UNIX_EPOCH + hour * 24 * 365 * 200] {
            let clock = Clock::begin(wall);
            let began = clock.now();
            tokio::time::sleep(hour).await;
            assert_eq!(clock.now() - began, hour, "from {wall:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_has_passed_when_its_instant_has() {
        let clock = Clock::start();
        tokio::time::sleep(Duration::from_micros(1_234_567)).await;
        let at = clock.now() + Duration::from_secs(3);
        tokio::time::sleep_until(clock.instant(at)).await;
        assert!(clock.now() >= at && clock.now() - at <= Duration::from_millis(2));
    }
}
