//! The `gristmill` command: reads the arguments, does one thing, says how it went.
//!
//! `gristmill slot` and `gristmill look` are not for people: they are child processes in which plugins are run or looked at, and
//! start before anything else is set up.
#![forbid(unsafe_code)]

mod apart;
mod app;
mod arguments;
mod check;
mod completions;
mod coordinator;
mod embedded;
mod failure;
mod follow;
mod inputs;
mod inspect;
mod job;
mod kv;
mod members;
mod new;
mod output;
mod place;
mod render;
mod repair;
mod run;
mod sequential;
mod signal;
mod state_dir;
mod submit;
mod worker;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use gristmill_sdk::{SIMD_LEVELS, SIMD_VARIABLE};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

use crate::arguments::Command;
use crate::failure::{Failure, Outcome};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    match words.next() {
        Some(first) if first == "slot" => return gristmill_worker::slot_main(),
        Some(first) if first == apart::COMMAND => {
            return apart::answer(words.next().as_deref().map(Path::new));
        }
        _ => {}
    }
    let command = match arguments::read(std::env::args_os()) {
        Ok(read) => read.command,
        Err(status) => return ExitCode::from(status),
    };
    start_log(matches!(command, Command::Coordinator(_) | Command::Worker(_)));
    match check_environment().and_then(|()| perform(command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::error(&failure.to_string());
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// A variable that is misspelt would be silently without effect.
fn check_environment() -> Outcome {
    match std::env::var_os(SIMD_VARIABLE) {
        Some(asked) if !SIMD_LEVELS.iter().any(|level| asked == **level) => Err(Failure::wrong(
            format_args!("{SIMD_VARIABLE} is `{}`; it can be {}", asked.display(), SIMD_LEVELS.join(", ")),
        )),
        _ => Ok(()),
    }
}

fn perform(command: Command) -> Outcome {
    match command {
        Command::Run(arguments) if arguments.sequential => sequential::sequential(&arguments),
        Command::Run(arguments) => wait_for(threads(), run::run(arguments)),
        Command::Coordinator(arguments) => wait_for(threads(), coordinator::coordinator(arguments)),
        Command::Worker(arguments) => wait_for(threads(), worker::worker(arguments)),
        Command::Submit(arguments) => wait_for(one_thread(), submit::submit(arguments)),
        Command::Jobs(arguments) => wait_for(one_thread(), inspect::jobs(&arguments)),
        Command::Job(arguments) => wait_for(one_thread(), inspect::job(&arguments)),
        Command::Cancel(arguments) => wait_for(one_thread(), inspect::cancel(&arguments)),
        Command::Explain(arguments) => wait_for(one_thread(), inspect::explain(&arguments)),
        Command::Logs(arguments) => wait_for(one_thread(), inspect::logs(&arguments)),
        Command::Workers(arguments) => wait_for(one_thread(), inspect::workers(&arguments)),
        Command::Repair(arguments) => repair::repair(&arguments),
        Command::Drain(arguments) => wait_for(one_thread(), inspect::drain(&arguments)),
        Command::History(arguments) => wait_for(one_thread(), inspect::history(&arguments)),
        Command::Members(arguments) => wait_for(one_thread(), members::members(arguments)),
        Command::Kv(arguments) => wait_for(one_thread(), kv::kv(arguments.command)),
        Command::New(arguments) => new::new(&arguments),
        Command::Check(arguments) => wait_for(threads(), check::check(arguments)),
        Command::Completions { shell } => completions::completions(shell),
    }
}

fn one_thread() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A loop that decides and an agent that answers heartbeats must not wait for one another's files.
fn threads() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// A thread that still waits for a disk, or for a name server, must not hold up the end of the process.
fn wait_for(runtime: io::Result<Runtime>, work: impl Future<Output = Outcome>) -> Outcome {
    raise_file_limit();
    let runtime = runtime.context("start the async runtime").map_err(Failure::failed)?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::ZERO);
    outcome
}

/// As many open files as the system allows: a coordinator has two connections of each worker, a merge many runs.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// What happens inside, for those who ask (`GRISTMILL_LOG=debug`), and what is amiss in a service that nobody sits before.
fn start_log(service: bool) {
    let asked = std::env::var_os("GRISTMILL_LOG").map(|filter| filter.to_string_lossy().into_owned());
    // What goes wrong with a peer or the disk is told by us, once; these tell it ten times a second.
    if let Some(filter) = asked.or(service.then(|| "warn,openraft=off,tarpc=off".to_owned())) {
        let filter = EnvFilter::builder().parse_lossy(filter);
        let colours = io::stderr().is_terminal();
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours).init();
    }
}
