//! Makes the failures that attempts end with: whose fault, in one line, where.

use std::fmt::Display;
use std::path::Path;

use gristmill_model::{FailureCause, Location, PathBytes, TaskFailure};

use crate::run::RunError;

/// Longest message in characters; the app's own may be of any length.
const MESSAGE_CHARS_MAX: usize = 2000;

/// The plugin did what the boundary forbids.
pub(crate) fn rule(broken: impl Display) -> TaskFailure {
    let message = format!("the plugin broke a rule of the plugin boundary: {broken}");
    TaskFailure { cause: FailureCause::Plugin, message: one_line(&message), location: None }
}

/// The machine would not.
pub(crate) fn machine(doing: &str, path: &Path, error: &std::io::Error) -> TaskFailure {
    let message = format!("cannot {doing} {path:?}: {error}");
    TaskFailure { cause: FailureCause::Machine, message, location: None }
}

/// The input is not what it should be.
pub(crate) fn input(document: &PathBytes, offset: u64, message: String) -> TaskFailure {
    let location = Some(Location { document: document.clone(), offset });
    TaskFailure { cause: FailureCause::Input, message, location }
}

/// Control characters become spaces, and what is too long is cut.
pub(crate) fn one_line(message: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = message.trim().chars().map(clean).take(MESSAGE_CHARS_MAX).collect();
    if message.trim().chars().nth(MESSAGE_CHARS_MAX).is_some() {
        line.push('…');
    }
    line
}

/// A run that this attempt has written itself cannot be read.
pub(crate) fn run(error: &RunError) -> TaskFailure {
    TaskFailure { cause: FailureCause::Machine, message: error.to_string(), location: None }
}

/// What the attempt was given does not fit together.
pub(crate) fn task(error: impl Display) -> TaskFailure {
    TaskFailure { cause: FailureCause::Machine, message: error.to_string(), location: None }
}
