//! How a command can fail: the exit status, one line for people, and what to do about it.

use std::fmt;

/// What the process tells its caller. Scripts rest on these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The job failed or was cancelled, or the command could not do its work.
    Failed = 1,
    /// Wrong usage or input; nothing was started.
    Usage = 2,
    /// No coordinator answers.
    NoCoordinator = 3,
}

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit status.
    pub exit: Exit,
    /// What went wrong, with what; causes are printed after it.
    pub error: anyhow::Error,
    /// What to do, where that is not plain from the error.
    pub hint: Option<String>,
}

impl Failure {
    /// The user asked for something that cannot be: nothing was started.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into(), hint: None }
    }

    /// The same, from a sentence.
    pub(crate) fn wrong(message: impl fmt::Display) -> Self {
        Self::usage(anyhow::anyhow!("{message}"))
    }

    /// The work itself failed.
    pub(crate) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Failed, error: error.into(), hint: None }
    }

    /// Adds what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    /// The error with its causes on one line, then the hint on the next. A cause that its parent's message repeats is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.error.to_string();
        for cause in self.error.chain().skip(1) {
            let cause = cause.to_string();
            if !line.contains(&cause) {
                line.push_str(": ");
                line.push_str(&cause);
            }
        }
        write!(f, "gristmill: error: {line}")?;
        if let Some(hint) = &self.hint {
            write!(f, "\ngristmill: hint: {hint}")?;
        }
        Ok(())
    }
}

/// What a command gives back.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_follow_on_one_line_and_none_is_told_twice() {
        let cause: Result<(), _> = Err(std::io::Error::other("disk is on fire"));
        let error = cause.context("read a.txt: disk is on fire").context("list inputs").unwrap_err();
        let failure = Failure::usage(error).hint("call somebody");
        assert_eq!(
            failure.to_string(),
            "gristmill: error: list inputs: read a.txt: disk is on fire\ngristmill: hint: call somebody"
        );
    }
}
