//! `gristmill worker`: an agent and its slots, for a coordinator elsewhere.

use std::path::PathBuf;

use anyhow::Context;
use gristmill_protocol::Endpoint;
use gristmill_worker::{SlotCommand, WorkerConfig, WorkerError};

use crate::arguments::WorkerArguments;
use crate::failure::{Exit, Failure, Outcome};
use crate::signal::Stop;

/// Runs until the coordinator has finished or a signal comes.
pub(crate) async fn worker(arguments: WorkerArguments) -> Outcome {
    let config = WorkerConfig {
        name: arguments.name.unwrap_or_else(default_name),
        slots: arguments.slots.unwrap_or_else(processors),
        work_dir: arguments.work_dir.unwrap_or_else(default_work_dir),
        slot_command: slot_command()?,
        endpoint: Endpoint::tcp(&arguments.coordinator.addresses).map_err(Failure::usage)?,
        reconnect: None,
    };
    let mut stop = Stop::listen().map_err(Failure::failed)?;
    let ended = gristmill_worker::run(config, async move { stop.next().await }).await;
    ended.map(drop).map_err(failed)
}

/// Why a worker gave up, as an exit status.
pub(crate) fn failed(error: WorkerError) -> Failure {
    let exit = match error {
        WorkerError::NoSlots | WorkerError::WorkDir { .. } | WorkerError::WorkDirShared { .. } => Exit::Usage,
        WorkerError::CoordinatorLost { .. } => Exit::NoCoordinator,
        _ => Exit::Failed,
    };
    Failure { exit, error: error.into(), hint: None }
}

/// Attempts that the machine can run at once.
pub(crate) fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1))
}

/// This executable, as a slot. `/proc/self/exe` would be another program in a child, so the path is resolved here.
pub(crate) fn slot_command() -> Outcome<SlotCommand> {
    let program = std::env::current_exe().context("find this executable").map_err(Failure::failed)?;
    Ok(SlotCommand { program, args: vec!["slot".into()] })
}

/// What this process is called in lists.
pub(crate) fn default_name() -> String {
    let host = rustix::system::uname();
    format!("{}-{}", host.nodename().to_string_lossy(), std::process::id())
}

/// One for each user, so that nobody finds another's plugins there.
fn default_work_dir() -> PathBuf {
    std::env::temp_dir().join(format!("gristmill-{}", rustix::process::getuid().as_raw()))
}
