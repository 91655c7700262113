//! Writing to the standard streams, where the other end may go away at any time.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

use crate::failure::{Failure, Outcome};

/// Prints a result. A reader that has closed its end (`| head`) wants no more, which is no error; a full disk is one.
pub(crate) fn result(text: &str) -> Outcome {
    bytes(text.as_bytes())
}

/// Prints bytes as they are; otherwise like [`result`].
pub(crate) fn bytes(bytes: &[u8]) -> Outcome {
    wanted(bytes).map(drop)
}

/// Prints a part of a result that may go on for ever, and says whether anybody still wants it.
pub(crate) fn wanted(bytes: &[u8]) -> Outcome<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("write to standard output").map_err(Failure::failed),
    }
}

/// Prints a line for people on standard error; the newline is added.
pub(crate) fn error(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
