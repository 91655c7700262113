//! A slot seen from its agent: a child process that a thread of its own looks after.
//!
//! The keeper thread starts the child, carries frames, gathers what the child prints, notices its death and buries it. It lives
//! as long as its child does, and that matters: Linux sends the parent-death signal when the *thread* that spawned the child
//! ends, so a slot started from a passing thread of an async runtime would be killed at random.

mod keeper;
mod log;
mod spawn;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use gristmill_model::Outcome;

use crate::config::SlotCommand;
use crate::frames::{Begin, FrameError, TO_SLOT_BYTES_MAX, ToSlot, encode};

/// Tells the processes of an agent apart; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProcessId(pub(crate) u64);

/// What happens to a process. At most one `Ended` for each `Begin`, and one `Died` at last.
#[derive(Debug)]
pub(crate) enum ProcessEvent {
    /// It runs and reads assignments.
    Ready,
    /// Its attempt is over.
    Ended { outcome: Outcome, log: Vec<u8> },
    /// It is gone, and so is all it had started.
    Died(Death),
}

/// The end of a process.
#[derive(Debug)]
pub(crate) struct Death {
    pub(crate) cause: DeathCause,
    /// What it had printed since its attempt began.
    pub(crate) log: Vec<u8>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) enum DeathCause {
    /// It could not be started.
    NotStarted(io::Error),
    /// It ended by itself, or was killed.
    Exited(ExitStatus),
    /// It wrote nonsense on its control channel, and was killed for it.
    BrokeChannel(FrameError),
}

/// How far the running attempt is, as the slot last said.
#[derive(Debug, Default)]
pub(crate) struct LatestProgress {
    ticks: AtomicU64,
    bytes_in: AtomicU64,
}

impl LatestProgress {
    /// Ticks and bytes of input.
    pub(crate) fn get(&self) -> (u64, u64) {
        (self.ticks.load(Ordering::Relaxed), self.bytes_in.load(Ordering::Relaxed))
    }

    fn set(&self, ticks: u64, bytes_in: u64) {
        self.ticks.store(ticks, Ordering::Relaxed);
        self.bytes_in.store(bytes_in, Ordering::Relaxed);
    }
}

enum Command {
    Send(Vec<u8>),
    Begin(Vec<u8>, Arc<LatestProgress>),
    Kill,
}

/// A slot process; dropping this kills it.
pub(crate) struct SlotProcess {
    id: ProcessId,
    sender: SlotSender,
    keeper: Option<JoinHandle<()>>,
}

/// Sends frames to a slot process. Frames for one that is gone vanish.
#[derive(Clone)]
pub(crate) struct SlotSender {
    commands: mpsc::Sender<Command>,
    wake: Arc<UnixStream>,
}

impl SlotProcess {
    /// Starts a process that has `home` for itself. Whatever happens, failure to start included, comes through `events`.
    pub(crate) fn start(
        id: ProcessId,
        command: SlotCommand,
        home: PathBuf,
        events: impl Fn(ProcessId, ProcessEvent) + Send + 'static,
    ) -> io::Result<Self> {
        let (commands, receiver) = mpsc::channel();
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let keeper = std::thread::Builder::new()
            .name(format!("keeper-{}", id.0))
            .stack_size(256 << 10)
            .spawn(move || keeper::keep(&command, &home, &receiver, &woken, &|event| events(id, event)))?;
        Ok(Self { id, sender: SlotSender { commands, wake: Arc::new(wake) }, keeper: Some(keeper) })
    }

    pub(crate) fn id(&self) -> ProcessId {
        self.id
    }

    /// For sending frames from elsewhere.
    pub(crate) fn sender(&self) -> SlotSender {
        self.sender.clone()
    }

    /// Begins an attempt; its figures appear in the result.
    pub(crate) fn begin(&self, begin: Begin) -> Result<Arc<LatestProgress>, FrameError> {
        let frame = encode(&ToSlot::Begin(Box::new(begin)), TO_SLOT_BYTES_MAX)?;
        let progress = Arc::new(LatestProgress::default());
        self.sender.give(Command::Begin(frame, progress.clone()));
        Ok(progress)
    }

    /// Kills it, hung or stopped as it may be. Its death is told as any other.
    pub(crate) fn kill(&self) {
        self.sender.give(Command::Kill);
    }

    /// The thread that ends when the process and its directory are gone.
    pub(crate) fn into_keeper(mut self) -> Option<JoinHandle<()>> {
        self.kill();
        self.keeper.take()
    }
}

impl Drop for SlotProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

impl SlotSender {
    /// Sends one frame.
    pub(crate) fn send(&self, message: &ToSlot) -> Result<(), FrameError> {
        self.give(Command::Send(encode(message, TO_SLOT_BYTES_MAX)?));
        Ok(())
    }

    fn give(&self, command: Command) {
        // A keeper that has ended wants nothing, and a full wake channel wakes it all the same.
        let _ = self.commands.send(command);
        let _ = (&*self.wake).write(&[0]);
    }
}
