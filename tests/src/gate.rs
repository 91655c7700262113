//! A gate in the way of an app: it waits there, in the middle of a task, until the test lets it go on.

use std::fs;
use std::path::PathBuf;

use crate::{Job, Place, until};

/// A line at which `misbehave` does what it was asked to. With a few partitions there is such a key in each.
pub const TROUBLE: &[u8] =
    b"trouble trouble-1 trouble-2 trouble-3 trouble-4 trouble-5 trouble-6 trouble-7 trouble-8 trouble-9\n";

/// What the app `misbehave` with `do=wait` stops at, when it meets the word `trouble`.
pub struct Gate {
    folder: PathBuf,
}

impl Gate {
    /// A closed gate.
    pub fn new(place: &Place) -> Self {
        Self { folder: place.new_folder() }
    }

    /// Puts the gate in the way of a job, in its maps or its reduces. Waiting there is no reason to take an attempt away.
    pub fn holds<'p>(&self, job: Job<'p>, at: &str) -> Job<'p> {
        job.arg("do", "wait").arg("at", at).arg("gate", self.folder.display()).task_timeout("1h")
    }

    /// How many attempts have come to the gate since it was made.
    pub fn waiting(&self) -> usize {
        let files = fs::read_dir(&self.folder).expect("a gate can be listed").flatten();
        files.filter(|file| file.file_name().to_string_lossy().starts_with("waiting-")).count()
    }

    /// Waits until so many attempts have come to the gate.
    pub fn until_waiting(&self, attempts: usize) {
        until(&format!("{attempts} attempts at the gate"), || (self.waiting() >= attempts).then_some(()));
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        fs::write(self.folder.join("open"), "").expect("a gate can be opened");
    }
}
