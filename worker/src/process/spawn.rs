//! Starts the child with no more than it needs: a clean environment, three descriptors, a directory and a process group of its own.

use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gristmill_sdk::SIMD_VARIABLE;

use crate::config::SlotCommand;

/// What is handed on from the agent's environment: how text and time look, and which instructions are to be used. Everything else stays
/// behind.
pub(super) const HANDED_ON: [&str; 5] = ["LANG", "LC_ALL", "LC_CTYPE", "TZ", SIMD_VARIABLE];

/// A child with the agent's ends of its channels.
pub(super) struct Started {
    pub(super) child: Child,
    /// Both directions of the control channel.
    pub(super) control: UnixStream,
    /// Standard output and error together, so that lines stay in the order they were written.
    pub(super) output: PipeReader,
}

pub(super) fn spawn(command: &SlotCommand, home: &Path) -> io::Result<Started> {
    // What this process opens itself is closed in children anyway; this is for what its own parent left open.
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let (control, slot_end) = UnixStream::pair()?;
    let (output, stdout) = io::pipe()?;
    let stderr = stdout.try_clone()?;
    let mut child = Command::new(&command.program);
    child
        .args(&command.args)
        .env_clear()
        .envs(HANDED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        // A user's mistake is told by its message; a backtrace of a plugin would only hide it.
        .env("RUST_BACKTRACE", "0")
        .env("TMPDIR", home)
        .current_dir(home)
        // An interrupt from the terminal is the agent's business, and a kill must reach what the plugin has started.
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(slot_end)))
        .stdout(stdout)
        .stderr(stderr);
    let child = child.spawn()?;
    Ok(Started { child, control, output })
}
