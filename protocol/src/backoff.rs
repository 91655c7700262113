//! Pauses between tries: growing, bounded, and never the same for two callers.

use std::time::Duration;

use crate::limits::{REDIAL_PAUSE_MAX, SEARCH_PAUSE_MAX};
use crate::redial::CallError;

const FIRST_MS: u64 = 10;

/// How long to wait before the next try. Jittered: many callers of a restarted coordinator must not come back in step.
#[derive(Debug)]
pub struct Backoff {
    next_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next_ms: FIRST_MS }
    }
}

impl Backoff {
    /// The pause after this failure: a group that looks for its leader finds one soon, a dead one may take its time.
    pub fn after(&mut self, error: &CallError) -> Duration {
        self.next(match error {
            CallError::Unreachable { .. } => REDIAL_PAUSE_MAX,
            _ => SEARCH_PAUSE_MAX,
        })
    }

    /// The next pause, at most so long.
    pub(crate) fn next(&mut self, most: Duration) -> Duration {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let full = self.next_ms.min(ms(most)).max(1);
        self.next_ms = (self.next_ms * 2).min(ms(REDIAL_PAUSE_MAX));
        Duration::from_millis(rand::random_range(full.div_ceil(2)..=full))
    }

    /// Whether the last thing that happened was no failure.
    pub fn is_fresh(&self) -> bool {
        self.next_ms == FIRST_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable() -> CallError {
        let source =
            crate::ConnectError::Dial { address: String::new(), source: std::io::ErrorKind::NotFound.into() };
        CallError::Unreachable { endpoint: String::new(), source }
    }

    #[test]
    fn pauses_grow_to_a_bound_that_depends_on_whether_anybody_is_there() {
        let (mut dead, mut leaderless) = (Backoff::default(), Backoff::default());
        assert!(dead.after(&unreachable()) <= Duration::from_millis(10));
        for _ in 0..20 {
            dead.after(&unreachable());
            leaderless.after(&CallError::Leaderless { endpoint: String::new() });
        }
        let pause = dead.after(&unreachable());
        assert!((REDIAL_PAUSE_MAX / 2..=REDIAL_PAUSE_MAX).contains(&pause), "{pause:?}");
        let pause = leaderless.after(&CallError::Leaderless { endpoint: String::new() });
        assert!((SEARCH_PAUSE_MAX / 2..=SEARCH_PAUSE_MAX).contains(&pause), "{pause:?}");
    }
}
