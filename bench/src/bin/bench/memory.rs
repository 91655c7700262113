//! Resident memory of a process and all below it, looked at again and again while it runs.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The largest sum seen until `over`. Pages that processes share count for each of them.
pub(crate) fn watch(root: u32, over: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !over.load(Ordering::Relaxed) {
        peak = peak.max(tree(root));
        thread::sleep(BETWEEN_LOOKS);
    }
    peak
}

/// Processes may end while they are looked at: what cannot be read counts nothing.
fn tree(process: u32) -> u64 {
    let mut sum = resident(process);
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return sum };
    for thread in threads.flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        sum += children.split_whitespace().filter_map(|child| child.parse().ok()).map(tree).sum::<u64>();
    }
    sum
}

fn resident(process: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
