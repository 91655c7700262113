//! Tells the agent how far an attempt is, from a thread beside it.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use gristmill_dataplane::ProgressCell;

use super::ToAgent;
use crate::frames::FromSlot;

/// Runs `work`, and meanwhile sends the figures of its cell whenever they have changed, at most once in `every`.
pub(super) fn told<T>(every: Duration, agent: &ToAgent, work: impl FnOnce(&ProgressCell) -> T) -> T {
    let cell = ProgressCell::new();
    let (_ends_with_work, ended) = mpsc::channel::<()>();
    let (watched, agent) = (cell.clone(), agent.clone());
    let teller = move || {
        let mut told = (0, 0);
        while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            let now = (watched.ticks(), watched.bytes_in());
            if now != told {
                told = now;
                agent.send(&FromSlot::Progress { ticks: now.0, bytes_in: now.1 });
            }
        }
    };
    // Without the thread the attempt may be taken for hung, but it may also be short.
    if let Err(error) = thread::Builder::new().name("progress".to_owned()).stack_size(128 << 10).spawn(teller)
    {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "slot: no thread to tell the progress: {error}");
    }
    work(&cell)
}
