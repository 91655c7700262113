//! Writing to the standard streams, where the other end may go away at any time.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

use crate::failure::{Failure, Outcome};

/// Prints a result. A reader that has closed its end (`| head`) wants no more, which is no error; a full disk is one.
pub(crate) fn result(text: &str) -> Outcome {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("write to standard output").map_err(Failure::failed)
        }
        _ => Ok(()),
    }
}

/// Prints a line for people on standard error; the newline is added.
pub(crate) fn error(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
