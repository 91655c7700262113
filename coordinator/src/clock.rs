//! The time that the scheduler is handed: never goes back, whatever the system's clock does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gristmill_model::Timestamp;
use tokio::time::Instant;

/// Wall time at the start, moved on by a monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    began: Instant,
    began_at: Timestamp,
    held_back: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let began_at = Timestamp::default() + since_epoch;
        Self { began: Instant::now(), began_at, held_back: Duration::ZERO }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.began_at + self.began.elapsed().saturating_sub(self.held_back)
    }

    /// When the clock will show `at`.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        // Whole milliseconds are handed out, so waking at the exact instant could be a fraction early by the clock's own reading.
        self.began + self.held_back + (at - self.began_at) + Duration::from_millis(1)
    }

    /// So much time passed in which this process was stopped (Ctrl-Z, a debugger): nobody's silence is to be measured by it.
    pub(crate) fn hold_back(&mut self, gap: Duration) {
        self.held_back += gap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_that_was_not_lived_through_does_not_count() {
        let mut clock = Clock::start();
        let begin = clock.now();
        tokio::time::sleep(Duration::from_secs(10)).await;
        clock.hold_back(Duration::from_secs(9));
        assert_eq!(clock.now() - begin, Duration::from_secs(1));
        let at = begin + Duration::from_secs(3);
        tokio::time::sleep_until(clock.instant(at)).await;
        assert_eq!(clock.now() - at, Duration::from_millis(1));
    }
}
