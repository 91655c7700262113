//! What a worker is started with, and how it ends.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use gristmill_protocol::{CallError, Endpoint};

/// How to start a slot: a program that calls [`slot_main`](crate::slot_main), normally this very executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotCommand {
    /// The executable, absolute: a slot starts in a directory of its own.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// What a worker is started with.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// What it calls itself, for people.
    pub name: String,
    /// How many attempts it runs at once; at least 1.
    pub slots: u32,
    /// Where it keeps runs, plugins and scratch files. Made if missing; several workers may share it.
    pub work_dir: PathBuf,
    /// How to start a slot.
    pub slot_command: SlotCommand,
    /// Where its coordinator is.
    pub endpoint: Endpoint,
    /// How long to look for a coordinator that does not answer; `None` for ever.
    pub reconnect: Option<Duration>,
}

/// Why a worker ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The coordinator has nothing more to do.
    Finished,
    /// It was to be drained, and is not needed any more.
    Drained,
    /// It was told to stop.
    Shutdown,
}

/// Why a worker ended badly.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It was to have no slot.
    #[error("a worker needs at least one slot")]
    NoSlots,
    /// Its directory cannot be used.
    #[error("work directory {}: {what}", path.display())]
    WorkDir {
        /// The path that failed.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Others could put plugins of theirs where this worker looks for its own.
    #[error("{} belongs to somebody else or others may write to it; choose another --work-dir", path.display())]
    WorkDirShared {
        /// The path.
        path: PathBuf,
    },
    /// Slots do not start.
    #[error("slots do not start with {}: {problem}", program.display())]
    SlotStart {
        /// The program.
        program: PathBuf,
        /// How the last one ended, and what it printed.
        problem: String,
    },
    /// The coordinator will not have this worker.
    #[error("the coordinator refuses this worker")]
    Refused(#[source] CallError),
    /// The coordinator did not answer for as long as was allowed.
    #[error("no answer from the coordinator for {} s", waited.as_secs())]
    CoordinatorLost {
        /// How long.
        waited: Duration,
        /// The last error.
        source: CallError,
    },
}
