//! What came of a process.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;

use serde_json::Value;

use crate::Output;

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    pub(crate) what: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) output: PathBuf,
}

impl Ended {
    /// It must have succeeded.
    pub fn done(self) -> Self {
        self.with_status(0)
    }

    /// The job must have failed or been cancelled: status 1.
    pub fn failed(self) -> Self {
        self.with_status(1)
    }

    /// It must have been refused before anything was started: status 2.
    pub fn refused(self) -> Self {
        self.with_status(2)
    }

    /// It must have found no coordinator: status 3.
    pub fn found_no_coordinator(self) -> Self {
        self.with_status(3)
    }

    /// It must have ended without success in one of the orderly ways: refused, or the job failed.
    pub fn unsuccessful(self) -> Self {
        let status = if self.status.code() == Some(2) { 2 } else { 1 };
        self.with_status(status)
    }

    /// Whether it succeeded.
    pub fn is_success(&self) -> bool {
        self.status.success()
    }

    fn with_status(self, status: i32) -> Self {
        assert_eq!(self.status.code(), Some(status), "exit status of {self}");
        assert!(!self.stderr.contains("stack backtrace"), "a backtrace from {self}");
        self
    }

    /// The signal that it died of.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Standard error must hold each of these, whatever the case of letters.
    pub fn says(self, parts: &[&str]) -> Self {
        let said = self.stderr.to_lowercase();
        for part in parts {
            assert!(said.contains(&part.to_lowercase()), "nothing of `{part}` from {self}");
        }
        self
    }

    /// Standard error must be empty.
    pub fn says_nothing(self) -> Self {
        assert!(self.stderr.is_empty(), "something on standard error of {self}");
        self
    }

    /// Standard error.
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    /// Standard output as text.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output, which must be one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}) from {self}"))
    }

    /// Standard output, which must be lines of `key value`.
    pub fn lines(&self) -> BTreeMap<String, String> {
        let text = self.stdout();
        let pairs = text.lines().map(|line| line.split_once(' ').unwrap_or((line, "")));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Whether the output directory holds nothing, or is not there.
    pub fn output_is_untouched(&self) -> bool {
        Output::snapshot(&self.output).is_empty()
    }

    /// The committed output of the job that this process ran, checked against its manifest.
    pub fn output(&self) -> Output {
        Output::committed(&self.output)
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, status, stderr, .. } = self;
        write!(f, "{what}: {status}\nstdout: {}\nstderr: {stderr}", self.stdout())
    }
}
