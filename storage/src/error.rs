//! What can go wrong with files, with the operation and the path.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Asking what a path is.
    Stat,
    /// Listing a directory.
    List,
    /// Opening a file.
    Open,
    /// Reading a file.
    Read,
    /// Making a directory.
    CreateDirectory,
    /// Writing a file.
    Write,
    /// Renaming a file to this path.
    Rename,
    /// Making a file or directory durable.
    Sync,
    /// Removing a file or directory.
    Remove,
    /// Locking a directory.
    Lock,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stat => "look up",
            Self::List => "list",
            Self::Open => "open",
            Self::Read => "read",
            Self::CreateDirectory => "create directory",
            Self::Write => "write",
            Self::Rename => "rename a staged file to",
            Self::Sync => "sync",
            Self::Remove => "remove",
            Self::Lock => "lock",
        })
    }
}

/// Why an operation on files failed. Paths print quoted and escaped, so that odd ones stay on one line.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The system refused.
    #[error("cannot {operation} {path:?}: {source}")]
    Io {
        /// What was being done.
        operation: Operation,
        /// To what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// No input was named.
    #[error("no inputs were named; name files, globs or directories")]
    NoInputs,
    /// A named input is not there.
    #[error("input {0:?} does not exist")]
    InputMissing(PathBuf),
    /// A named input is a pipe, a device or a socket.
    #[error("input {0:?} is neither a regular file nor a directory")]
    InputNotAFile(PathBuf),
    /// A named directory has nothing to read.
    #[error("directory {0:?} holds no input files (names that begin with `.` or `_` are not inputs)")]
    DirectoryWithoutFiles(PathBuf),
    /// A glob matches nothing.
    #[error("nothing matches {0:?}")]
    NothingMatches(PathBuf),
    /// A glob that is none.
    #[error("{pattern:?} is not a glob: {reason}")]
    BadPattern {
        /// As it was given.
        pattern: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The output would mix with what is there.
    #[error(
        "output directory {directory:?} exists and is not empty (it holds {found:?}); choose another or add --overwrite"
    )]
    OutputExists {
        /// The directory.
        directory: PathBuf,
        /// Something that it holds.
        found: OsString,
    },
    /// The output directory's name is taken by something else.
    #[error("output {0:?} exists and is not a directory")]
    OutputNotADirectory(PathBuf),
    /// Another process has the output directory at this moment.
    #[error(
        "another job is writing its output to {0:?} at this moment; try again, or choose another directory"
    )]
    OutputBusy(PathBuf),
    /// A file that was to be committed is neither staged nor in its place.
    #[error("staged output {staged:?} is gone, and {target:?} is not its commit")]
    StagedMissing {
        /// Where it was.
        staged: PathBuf,
        /// Where it was to go.
        target: PathBuf,
    },
    /// A file that was to be committed is not what was reported.
    #[error("output {path:?} has {found} bytes where {expected} were written")]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// What its attempt wrote.
        expected: u64,
        /// What is there.
        found: u64,
    },
}

impl StorageError {
    /// Wraps the system's reason; made to be used with `map_err`.
    pub(crate) fn io(operation: Operation, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }

    /// The system's reason, if that is what it was.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Io { source, .. } => Some(source.kind()),
            _ => None,
        }
    }
}
