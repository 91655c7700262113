//! A gate at which attempts wait until the test opens it.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// A folder. Who waits leaves a file in it; a file `open` lets everyone through.
pub(crate) struct Gate {
    folder: PathBuf,
}

impl Gate {
    pub(crate) fn new(folder: &str) -> Self {
        Self { folder: folder.into() }
    }

    /// Waits until the gate is open, or gone with the test that made it.
    pub(crate) fn pass(&self) {
        // One process may come several times, with one attempt after the other.
        let mark = |time| self.folder.join(format!("waiting-{}-{time}", std::process::id()));
        let marked = (0..1000).any(|time| fs::File::create_new(mark(time)).is_ok());
        while marked && self.folder.exists() && !self.folder.join("open").exists() {
            thread::sleep(Duration::from_millis(5));
        }
    }
}
