//! When to say that the worker lives: often while somebody waits to hear how far it is, less often while it has nothing to do.

use std::time::Duration;

use gristmill_protocol::Registered;
use tokio::time::Instant;

/// What a coordinator may ask for.
const PACE_MIN: Duration = Duration::from_millis(10);
const PACE_MAX: Duration = Duration::from_secs(60);
/// Beats in the time in which an attempt has to make progress, at least.
const BEATS_IN_PATIENCE: u32 = 4;

/// When the heartbeats of one registration are due.
pub(super) struct Beats {
    busy: Duration,
    idle: Duration,
    /// When one was due last; `None` before the first.
    last: Option<Instant>,
}

impl Beats {
    pub(super) fn new(registered: &Registered) -> Self {
        let pace = |ms| Duration::from_millis(ms).clamp(PACE_MIN, PACE_MAX);
        let busy = pace(registered.heartbeat_ms);
        Self { busy, idle: pace(registered.idle_heartbeat_ms).max(busy), last: None }
    }

    /// When the next is due, where an attempt that is here may be without progress for `patience`. It counts from the last at the pace of
    /// now, so a worker that gets something to do need not wait until its slow pace would have it speak.
    pub(super) fn next(&self, is_idle: bool, patience: Option<Duration>) -> Instant {
        let pace = if is_idle { self.idle } else { self.busy };
        // Progress that is told no more often than it is wanted comes too late.
        let pace = patience.map_or(pace, |patience| pace.min((patience / BEATS_IN_PATIENCE).max(PACE_MIN)));
        self.last.map_or_else(Instant::now, |last| last + pace)
    }

    /// One is due now.
    pub(super) fn beaten(&mut self) {
        self.last = Some(Instant::now());
    }
}
