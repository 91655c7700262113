//! When to say that the worker lives: often while somebody waits to hear how far it is, less often while it has nothing to do.

use std::time::Duration;

use gristmill_protocol::Registered;
use tokio::time::Instant;

/// What a coordinator may ask for.
const PACE_MIN: Duration = Duration::from_millis(10);
const PACE_MAX: Duration = Duration::from_secs(60);

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

    /// When the next is due. It counts from the last at the pace of now, so a worker that gets something to do need not wait until its
    /// slow pace would have it speak.
    pub(super) fn next(&self, is_idle: bool) -> Instant {
        let pace = if is_idle { self.idle } else { self.busy };
        self.last.map_or_else(Instant::now, |last| last + pace)
    }

    /// One is due now.
    pub(super) fn beaten(&mut self) {
        self.last = Some(Instant::now());
    }
}
