//! The first steps of a slot: out of the plugin's reach with the control channel, and bound to the agent for life and death.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::process::{Pid, Resource, Rlimit, Signal};
use rustix::process::{getpgrp, getpid, getppid, kill_process, kill_process_group, setrlimit};

use crate::frames::{TO_SLOT_BYTES_MAX, ToSlot, read};

/// Moves the control channel away from standard input, to a descriptor that children of the plugin do not inherit.
pub(super) fn take_control() -> Result<UnixStream, String> {
    let not_ours = || "this is started by a worker, not by hand".to_owned();
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(|_| not_ours())?;
    let control = UnixStream::from(stdin);
    control.peer_addr().map_err(|_| not_ours())?;
    let null = File::open("/dev/null").map_err(|error| format!("/dev/null: {error}"))?;
    rustix::stdio::dup2_stdin(null).map_err(|error| format!("standard input: {error}"))?;
    Ok(control)
}

/// Makes sure that this process does not outlive its agent, from here on.
pub(super) fn bind_to_agent(control: &mut UnixStream) -> Result<(), String> {
    // A core of every crashing attempt would fill the disk.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(|error| format!("core dumps: {error}"))?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("parent-death signal: {error}"))?;
    // The agent may have died before the signal was asked for; then somebody else is the parent by now.
    match read(control, TO_SLOT_BYTES_MAX) {
        Ok(Some(ToSlot::Hello { agent_pid })) if is_parent(agent_pid) => Ok(()),
        Ok(Some(ToSlot::Hello { .. }) | None) => die(),
        Ok(Some(_)) | Err(_) => Err("the agent did not say hello".to_owned()),
    }
}

fn is_parent(pid: u32) -> bool {
    getppid().map(Pid::as_raw_pid).is_some_and(|parent| i64::from(parent) == i64::from(pid))
}

/// Ends this process and what the plugin has started, at once: no destructor, no exit handler of a plugin that may be stuck in the
/// middle of anything.
pub(super) fn die() -> ! {
    if getpgrp() == getpid() {
        let _ = kill_process_group(getpid(), Signal::KILL);
    }
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort()
}
