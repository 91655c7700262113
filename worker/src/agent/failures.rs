//! What a user is told about a slot that ended in the middle of an attempt.

use std::os::unix::process::ExitStatusExt;

use gristmill_model::{FailureCause, TaskFailure};
use rustix::process::Signal;

use crate::process::DeathCause;
use crate::slot::allowance_bytes;

/// What the Rust runtime prints when memory is refused.
const OUT_OF_MEMORY: &[u8] = b"memory allocation of ";

/// Nothing tells these apart.
const KILLED_BY: &str = ", by somebody or by the system when memory was short";

const SIGNALS: [(Signal, &str); 13] = [
    (Signal::HUP, "SIGHUP"),
    (Signal::INT, "SIGINT"),
    (Signal::QUIT, "SIGQUIT"),
    (Signal::ILL, "SIGILL"),
    (Signal::TRAP, "SIGTRAP"),
    (Signal::ABORT, "SIGABRT"),
    (Signal::BUS, "SIGBUS"),
    (Signal::FPE, "SIGFPE"),
    (Signal::KILL, "SIGKILL"),
    (Signal::SEGV, "SIGSEGV"),
    (Signal::PIPE, "SIGPIPE"),
    (Signal::ALARM, "SIGALRM"),
    (Signal::TERM, "SIGTERM"),
];

/// A failure by the machine's fault.
pub(super) fn machine(message: String) -> TaskFailure {
    TaskFailure { cause: FailureCause::Machine, message, location: None }
}

/// A failure by the plugin file's fault.
pub(super) fn plugin(message: String) -> TaskFailure {
    TaskFailure { cause: FailureCause::Plugin, message, location: None }
}

/// The failure of an attempt whose slot died of `cause`, having printed `log`.
pub(super) fn of_death(cause: &DeathCause, log: &[u8], memory_bytes: u64) -> TaskFailure {
    let kind = match cause {
        DeathCause::NotStarted(_) => FailureCause::Machine,
        DeathCause::BrokeChannel(_) => FailureCause::Plugin,
        DeathCause::Exited(status) => match (status.code(), status.signal()) {
            (Some(code), _) => FailureCause::Exit(code),
            (None, Some(signal)) => FailureCause::Signal(signal),
            (None, None) => FailureCause::Machine,
        },
    };
    let mut message = match cause {
        DeathCause::Exited(status) => {
            let by = if status.signal() == Some(Signal::KILL.as_raw()) { KILLED_BY } else { "" };
            format!("the slot {} during the attempt{by}", describe(cause))
        }
        _ => format!("the slot {}", describe(cause)),
    };
    if log.windows(OUT_OF_MEMORY.len()).any(|window| window == OUT_OF_MEMORY) {
        message.push_str(&format!(
            ": it ran out of memory; with --memory at {} MiB a slot may hold {} MiB, so raise --memory or hold less at once",
            memory_bytes >> 20,
            allowance_bytes(memory_bytes) >> 20
        ));
    }
    TaskFailure { cause: kind, message, location: None }
}

/// How a process ended, to follow "the slot".
pub(super) fn describe(cause: &DeathCause) -> String {
    match cause {
        DeathCause::NotStarted(error) => format!("could not be started: {error}"),
        DeathCause::BrokeChannel(error) => format!("wrote on the channel to its agent: {error}"),
        DeathCause::Exited(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exited with status {code}"),
            (None, Some(signal)) => format!("was killed by {}", signal_name(signal)),
            (None, None) => format!("ended with {status}"),
        },
    }
}

fn signal_name(raw: i32) -> String {
    match SIGNALS.iter().find(|(signal, _)| signal.as_raw() == raw) {
        Some((_, name)) => format!("{name} (signal {raw})"),
        None => format!("signal {raw}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::ExitStatus;

    fn exited(raw: i32) -> DeathCause {
        DeathCause::Exited(ExitStatus::from_raw(raw))
    }

    #[test]
    fn status_and_signal_are_named() {
        let failure = of_death(&exited(1 << 8), b"", 0);
        assert_eq!(failure.cause, FailureCause::Exit(1));
        assert_eq!(failure.message, "the slot exited with status 1 during the attempt");
        let failure = of_death(&exited(11), b"", 0);
        assert_eq!(failure.cause, FailureCause::Signal(11));
        assert_eq!(failure.message, "the slot was killed by SIGSEGV (signal 11) during the attempt");
        assert_eq!(describe(&exited(40)), "was killed by signal 40");
        assert!(of_death(&exited(9), b"", 0).message.ends_with("by the system when memory was short"));
    }

    #[test]
    fn one_that_ran_out_of_memory_is_told_the_cure() {
        let log = b"so far so good\nmemory allocation of 4096 bytes failed\n";
        let failure = of_death(&exited(6), log, 64 << 20);
        assert!(
            failure.message.contains("--memory at 64 MiB a slot may hold 768 MiB"),
            "{}",
            failure.message
        );
        assert!(!failure.message.contains('\n'));
    }
}
