//! What the app can be asked to do.

use std::str::FromStr;

/// The values of `--arg do=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Count words.
    #[default]
    Nothing,
    /// Return an error, after last words on standard error.
    Error,
    /// Panic, after the same last words.
    Panic,
    /// Exit with status 7, after the same last words.
    Exit,
    /// Exit with status 0.
    ExitZero,
    /// Die of SIGABRT.
    Abort,
    /// Die of SIGSEGV.
    Segfault,
    /// Call itself until the stack is full.
    Overflow,
    /// Do nothing, for ever.
    Hang,
    /// Wait at the gate.
    Wait,
    /// Print a line to each standard stream.
    Say,
    /// Print megabytes.
    Print,
    /// Take memory for ever.
    Allocate,
    /// Emit keys of a megabyte.
    HugeKeys,
    /// Emit values of 64 megabytes.
    HugeValues,
    /// In reduce: take one value of each key.
    TakeOne,
    /// In reduce: take no value of any key.
    TakeNone,
    /// In reduce: take so many values as the key has bytes.
    StopEarly,
    /// In reduce: write every value.
    Echo,
    /// In reduce: write a thousand lines for one key.
    WriteMore,
    /// Put a key into a partition that does not exist.
    BadPartition,
    /// Close every file that the process has, the standard streams included.
    CloseFiles,
    /// Emit something else in every process.
    Vary,
    /// Count the troubles.
    Count,
    /// Count the troubles, and return an error.
    CountAndFail,
}

impl FromStr for Deed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "nothing" => Self::Nothing,
            "error" => Self::Error,
            "panic" => Self::Panic,
            "exit" => Self::Exit,
            "exit-0" => Self::ExitZero,
            "abort" => Self::Abort,
            "segfault" => Self::Segfault,
            "overflow" => Self::Overflow,
            "hang" => Self::Hang,
            "wait" => Self::Wait,
            "say" => Self::Say,
            "print" => Self::Print,
            "allocate" => Self::Allocate,
            "huge-keys" => Self::HugeKeys,
            "huge-values" => Self::HugeValues,
            "take-one" => Self::TakeOne,
            "take-none" => Self::TakeNone,
            "stop-early" => Self::StopEarly,
            "echo" => Self::Echo,
            "write-more" => Self::WriteMore,
            "bad-partition" => Self::BadPartition,
            "close-files" => Self::CloseFiles,
            "vary" => Self::Vary,
            "count" => Self::Count,
            "count-and-fail" => Self::CountAndFail,
            _ => return Err("this app cannot do that".to_owned()),
        })
    }
}
