//! What one durable append costs on this disk, by the plainest means.

use std::io::{self, Write};
use std::time::{Duration, Instant};

/// The median of appending and syncing 200 bytes.
pub(crate) fn sync_time(times: usize) -> io::Result<Duration> {
    let mut file = tempfile::tempfile()?;
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        file.write_all(&[7; 200])?;
        file.sync_data()?;
        taken.push(begun.elapsed());
    }
    Ok(median(taken))
}

pub(crate) fn median(mut taken: Vec<Duration>) -> Duration {
    taken.sort();
    taken.get(taken.len() / 2).copied().unwrap_or_default()
}
