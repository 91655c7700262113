//! Coordinators as their users see them: addresses to ask at.

use std::ffi::OsStr;

use crate::{Ended, Place, Worker, gristmill, until};

/// One coordinator or a group of them, at one or several addresses.
pub struct Service<'p> {
    pub(crate) place: &'p Place,
    pub(crate) address: String,
}

impl<'p> Service<'p> {
    /// Where it is: an address, or several with commas between them.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Starts a worker.
    pub fn worker(&self, slots: u32) -> Worker {
        Worker::start(self.place, &self.address, slots)
    }

    /// Starts several workers.
    pub fn workers(&self, count: usize, slots: u32) -> Vec<Worker> {
        (0..count).map(|_| self.worker(slots)).collect()
    }

    /// Waits until so many workers have joined and not left. A job that comes before may find one alone, which is given more than others.
    pub fn until_workers(&self, count: usize) {
        let listed = || self.ask(["workers"]).done().stdout().lines().count();
        until(&format!("{count} workers to be listed"), || (listed() == count).then_some(()));
    }

    /// Asks something: `gristmill WORDS --coordinator ADDRESS`.
    pub fn ask<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Ended {
        let mut command = self.place.command(gristmill());
        command.args(words).args(["--coordinator", &self.address]);
        self.place.start("ask", command).wait()
    }

    /// Writes a key of the store.
    pub fn put(&self, key: &str, value: &str) -> Ended {
        self.ask(["kv", "put", key, value])
    }

    /// The value of a key of the store, which must be there.
    pub fn get(&self, key: &str) -> String {
        self.ask(["kv", "get", key]).done().stdout()
    }

    /// The status of a job, as its JSON document.
    pub fn job(&self, id: &str) -> serde_json::Value {
        self.ask(["job", id, "--json"]).json()
    }

    /// Waits until something holds of the status of a job.
    pub fn until_job(&self, id: &str, what: &str, mut holds: impl FnMut(&serde_json::Value) -> bool) {
        until(&format!("job {id}: {what}"), || holds(&self.job(id)).then_some(()));
    }

    /// Waits until a job is over, and wants it done; its status.
    pub fn until_done(&self, id: &str) -> serde_json::Value {
        self.until_state(id, "done")
    }

    /// Waits until a job is over, and wants it in this state; its status.
    pub fn until_state(&self, id: &str, state: &str) -> serde_json::Value {
        let is_over = |status: &serde_json::Value| {
            ["done", "failed", "cancelled"].iter().any(|over| status["state"] == *over)
        };
        let status = until(&format!("job {id} to be over"), || Some(self.job(id)).filter(is_over));
        assert_eq!(status["state"], state, "{status}");
        status
    }
}
