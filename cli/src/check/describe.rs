//! Asks a library what it is, in a process of its own: loading a library already runs code of it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, anyhow};
use gristmill_dataplane::Plugin;
use gristmill_model::PluginInfo;

use crate::failure::{Failure, Outcome};
use crate::{output, render, worker};

/// The hidden command by which [`describe`] starts this executable again.
pub(crate) const COMMAND: &str = "describe";

/// What the child does: prints what the library says of itself, or why it is not a plugin.
pub(crate) fn answer(library: Option<&OsStr>) -> ExitCode {
    let Some(library) = library else { return ExitCode::from(2) };
    let described = Plugin::inspect(Path::new(library)).map_err(|error| error.to_string());
    match output::result(&render::json(&described)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What the library says of itself. One that takes its process down when it is loaded is an error like one that is no plugin.
pub(super) fn describe(library: &Path) -> Outcome<PluginInfo> {
    let program = worker::slot_command()?.program;
    let mut command = Command::new(program);
    command.arg(COMMAND).arg(library).stdin(Stdio::null()).stderr(Stdio::inherit());
    let ended = command.output().context("start a process to load the app in").map_err(Failure::failed)?;
    match serde_json::from_slice::<Result<PluginInfo, String>>(&ended.stdout) {
        Ok(described) => described.map_err(Failure::wrong),
        Err(_) => {
            let error = anyhow!("loading {} takes the process down: {}", library.display(), ended.status);
            Err(Failure::failed(error)
                .hint("look for what the library does when it is loaded: constructors, static variables"))
        }
    }
}
