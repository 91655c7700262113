//! The thread that looks after one slot process, from its start to its burial.
//!
//! It sleeps in `poll` until the child says something, prints something, can take more, or dies, or until the agent wants
//! something. It never waits for one of these alone: a plugin that prints megabytes, a grandchild that keeps the pipe open
//! and a slot that is stopped hold up nobody.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, mpsc};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use super::log::BoundedLog;
use super::spawn::{Started, spawn};
use super::{Command, Death, DeathCause, LatestProgress, ProcessEvent};
use crate::config::SlotCommand;
use crate::frames::{Decoder, FROM_SLOT_BYTES_MAX, FrameError, FromSlot, TO_SLOT_BYTES_MAX, ToSlot, encode};

/// More than a pipe can hold, so reading this much takes all that was written before.
const PIPE_BYTES_MAX: usize = 1 << 20;
/// Of one read. Most that is read is a short frame or nothing.
const READ_BYTES: usize = 8 << 10;
/// What is taken of the output before everything else is looked after again.
const TURN_BYTES: usize = 64 << 10;
/// Where a death wakes nobody: how long until it is looked for.
const UNWATCHED_DEATH: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Starts a child in `home` and keeps it until it is dead and `home` is gone.
pub(super) fn keep(
    command: &SlotCommand,
    home: &Path,
    commands: &mpsc::Receiver<Command>,
    woken: &UnixStream,
    tell: &dyn Fn(ProcessEvent),
) {
    let death = match start(command, home) {
        Ok(mut keeper) => keeper.run(commands, woken, tell),
        Err(error) => Death { cause: DeathCause::NotStarted(error), log: Vec::new() },
    };
    tell(ProcessEvent::Died(death));
    // What cannot be removed now goes with the agent's own directory.
    let _ = fs::remove_dir_all(home);
}

fn start(command: &SlotCommand, home: &Path) -> io::Result<Keeper> {
    fs::create_dir(home)?;
    let Started { mut child, control, output } = spawn(command, home)?;
    match watch(&child, &control, &output) {
        Ok(death) => Ok(Keeper::new(child, death, control, output)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// Makes the channels non-blocking, and a descriptor that becomes readable with the child's death where there is such a thing.
fn watch(child: &Child, control: &UnixStream, output: &PipeReader) -> io::Result<Option<OwnedFd>> {
    control.set_nonblocking(true)?;
    fcntl_setfl(output, OFlags::NONBLOCK)?;
    #[cfg(target_os = "linux")]
    let death = {
        use rustix::process::{PidfdFlags, pidfd_open};
        pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok()
    };
    #[cfg(not(target_os = "linux"))]
    let death = None;
    Ok(death)
}

struct Keeper {
    child: Child,
    death: Option<OwnedFd>,
    /// `None` once the child has closed its end.
    control: Option<UnixStream>,
    output: Option<PipeReader>,
    decoder: Decoder,
    outgoing: VecDeque<u8>,
    log: BoundedLog,
    attempt: Option<Arc<LatestProgress>>,
    violation: Option<FrameError>,
    /// The agent has let go of it, so it wants nothing any more.
    abandoned: bool,
}

impl Keeper {
    fn new(child: Child, death: Option<OwnedFd>, control: UnixStream, output: PipeReader) -> Self {
        Self {
            child,
            death,
            control: Some(control),
            output: Some(output),
            decoder: Decoder::new(FROM_SLOT_BYTES_MAX),
            outgoing: VecDeque::new(),
            log: BoundedLog::default(),
            attempt: None,
            violation: None,
            abandoned: false,
        }
    }

    fn run(
        &mut self,
        commands: &mpsc::Receiver<Command>,
        woken: &UnixStream,
        tell: &dyn Fn(ProcessEvent),
    ) -> Death {
        let hello = encode(&ToSlot::Hello { agent_pid: std::process::id() }, TO_SLOT_BYTES_MAX);
        self.outgoing.extend(hello.unwrap_or_default());
        let cause = loop {
            // Death is looked for before the channels are read: what the child said last is then certainly there.
            let dead = self.is_dead();
            self.read_control(tell);
            self.read_output(TURN_BYTES);
            if dead {
                break self.bury();
            }
            self.obey(commands, woken);
            self.write_control();
            if let Err(error) = self.wait(woken) {
                tracing::warn!(%error, "cannot wait for a slot; killing it");
                self.kill();
            }
        };
        self.read_output(PIPE_BYTES_MAX);
        Death { cause, log: self.log.take() }
    }

    /// Sleeps until there is something to do.
    fn wait(&self, woken: &UnixStream) -> io::Result<()> {
        let mut watched = Vec::with_capacity(4);
        // Once it is closed it is always readable.
        watched.extend((!self.abandoned).then(|| PollFd::new(woken, PollFlags::IN)));
        if let Some(control) = &self.control {
            let writing = if self.outgoing.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            watched.push(PollFd::new(control, PollFlags::IN | writing));
        }
        watched.extend(self.output.as_ref().map(|output| PollFd::new(output, PollFlags::IN)));
        watched.extend(self.death.as_ref().map(|death| PollFd::new(death, PollFlags::IN)));
        let timeout = if self.death.is_none() { Some(&UNWATCHED_DEATH) } else { None };
        match poll(&mut watched, timeout) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn obey(&mut self, commands: &mpsc::Receiver<Command>, mut woken: &UnixStream) {
        if self.abandoned {
            return;
        }
        while matches!(woken.read(&mut [0; 64]), Ok(64)) {}
        loop {
            match commands.try_recv() {
                Ok(Command::Send(frame)) => self.outgoing.extend(frame),
                Ok(Command::Begin(frame, progress)) => {
                    // What was printed until now belongs to no attempt, or to one that has been reported.
                    self.read_output(PIPE_BYTES_MAX);
                    self.log.take();
                    self.attempt = Some(progress);
                    self.outgoing.extend(frame);
                }
                Ok(Command::Kill) => return self.kill(),
                Err(mpsc::TryRecvError::Disconnected) => {
                    self.abandoned = true;
                    return self.kill();
                }
                Err(mpsc::TryRecvError::Empty) => return,
            }
        }
    }

    fn read_control(&mut self, tell: &dyn Fn(ProcessEvent)) {
        let mut buffer = [0; READ_BYTES];
        while let Some(control) = &mut self.control {
            match control.read(&mut buffer) {
                Ok(0) => self.close_control(),
                Ok(bytes) => {
                    self.decoder.push(&buffer[..bytes]);
                    self.take_messages(tell);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.close_control(),
            }
        }
    }

    fn take_messages(&mut self, tell: &dyn Fn(ProcessEvent)) {
        loop {
            match self.decoder.next() {
                Ok(None) => return,
                Ok(Some(FromSlot::Ready)) => tell(ProcessEvent::Ready),
                Ok(Some(FromSlot::Progress { ticks, bytes_in })) => {
                    if let Some(progress) = &self.attempt {
                        progress.set(ticks, bytes_in);
                    }
                }
                Ok(Some(FromSlot::Ended(outcome))) => {
                    // An end without a beginning: only a plugin that writes on the channel itself can cause that.
                    if self.attempt.take().is_none() {
                        return self.break_off(FrameError::Unreadable);
                    }
                    self.read_output(PIPE_BYTES_MAX);
                    tell(ProcessEvent::Ended { outcome: *outcome, log: self.log.take() });
                }
                Err(error) => return self.break_off(error),
            }
        }
    }

    fn break_off(&mut self, violation: FrameError) {
        self.violation = Some(violation);
        self.close_control();
    }

    /// A child that cannot be talked to is of no use.
    fn close_control(&mut self) {
        self.control = None;
        self.outgoing.clear();
        self.kill();
    }

    /// Takes what the child has printed, at most about `most` bytes, without waiting for more.
    fn read_output(&mut self, most: usize) {
        let mut buffer = [0; READ_BYTES];
        let mut taken = 0;
        while let Some(output) = &mut self.output
            && taken < most
        {
            match output.read(&mut buffer) {
                Ok(0) => self.output = None,
                Ok(bytes) => {
                    self.log.push(&buffer[..bytes]);
                    taken += bytes;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.output = None,
            }
        }
    }

    fn write_control(&mut self) {
        while let Some(control) = &mut self.control
            && !self.outgoing.is_empty()
        {
            match control.write(self.outgoing.as_slices().0) {
                Ok(bytes) => drop(self.outgoing.drain(..bytes)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // It has closed its end; reading tells.
                Err(_) => self.outgoing.clear(),
            }
        }
    }

    /// Kills the child and what it has started. The child is not yet waited for, so neither number names anybody else.
    fn kill(&self) {
        let pid = Pid::from_child(&self.child);
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = kill_process(pid, Signal::KILL);
    }

    fn is_dead(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let state = waitid(WaitId::Pid(Pid::from_child(&self.child)), options);
        // An error can only mean that there is no such child (any more).
        state.map_or_else(|error| error != rustix::io::Errno::INTR, |state| state.is_some())
    }

    fn bury(&mut self) -> DeathCause {
        self.kill();
        match (self.violation.take(), self.child.wait()) {
            (Some(violation), _) => DeathCause::BrokeChannel(violation),
            (None, Ok(status)) => DeathCause::Exited(status),
            (None, Err(error)) => DeathCause::NotStarted(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_model::Outcome;
    use std::cell::RefCell;
    use std::time::{Duration, Instant};

    #[test]
    fn an_end_takes_along_all_that_was_printed_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let ended = encode(&FromSlot::Ended(Box::new(Outcome::Cancelled)), 100).unwrap();
        let ended: String = ended.iter().map(|byte| format!("\\{byte:03o}")).collect();
        let script = format!("echo the last words; printf '{ended}' >&0; touch ../said; sleep 1000");
        let command = SlotCommand { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] };
        let mut keeper = start(&command, &dir.path().join("home")).unwrap();
        keeper.attempt = Some(Arc::default());
        let begun = Instant::now();
        while !dir.path().join("said").exists() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(2));
        }
        // Nothing has been read until now, and the end is what is read first.
        let told = RefCell::new(Vec::new());
        keeper.read_control(&|event| told.borrow_mut().push(event));
        match &told.borrow()[..] {
            [ProcessEvent::Ended { log, .. }] => assert_eq!(log, b"the last words\n"),
            other => panic!("{other:?}"),
        }
        keeper.bury();
    }
}
