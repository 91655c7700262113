//! Waiting for something to become true, with a deadline instead of a guess.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before a test fails. Far above what a loaded machine needs.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// Waits until `probe` gives something; panics with `what` at the deadline.
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, probe).unwrap_or_else(|| panic!("waited {DEADLINE:?} in vain for {what}"))
}

/// Waits until `probe` gives something, at most `limit`.
pub(crate) fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
