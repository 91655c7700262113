//! The slot process: loads a plugin and runs one attempt at a time. No network, no async runtime.
//!
//! Three threads: this one runs the attempts, so that the plugin has the main thread and its stack; one reads what the agent says,
//! and ends the process when the agent is gone, whatever the plugin is doing; one tells how far the attempt is.

mod attempt;
mod enter;
mod limits;
mod progress;
mod usage;

pub(crate) use limits::allowance_bytes;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use gristmill_model::Segment;

use crate::frames::{
    Begin, FROM_SLOT_BYTES_MAX, FrameError, FromSlot, TO_SLOT_BYTES_MAX, ToSlot, encode, read,
};

/// Runs attempts for the agent that started this process, until that ends it. The control channel is standard input.
///
/// Nothing else may have touched standard input, and no other thread may run.
#[must_use]
pub fn slot_main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // The agent keeps what is printed here with the attempt.
            let _ = writeln!(std::io::stderr(), "slot: {problem}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    gristmill_dataplane::return_long_buffers();
    let mut control = enter::take_control()?;
    enter::bind_to_agent(&mut control)?;
    let home = std::env::current_dir().map_err(|error| format!("no current directory: {error}"))?;
    let agent = ToAgent::new(control.try_clone().map_err(|error| format!("control channel: {error}"))?);
    let work = listen(control)?;
    gristmill_dataplane::release_start_up_pages();
    agent.send(&FromSlot::Ready);
    let mut runner = attempt::Runner::new(home);
    let mut segments = Vec::new();
    for message in work {
        match message {
            Work::Segments(page) => segments.extend(page),
            Work::Begin(begin) => {
                let outcome = runner.run(*begin, std::mem::take(&mut segments), &agent);
                agent.end(outcome);
            }
        }
    }
    Ok(())
}

enum Work {
    Segments(Vec<Segment>),
    Begin(Box<Begin>),
}

/// Starts the thread that reads from the agent. It must run while the plugin does: it is how a slot learns, stuck as it may be, that its
/// agent is gone.
fn listen(mut control: UnixStream) -> Result<mpsc::Receiver<Work>, String> {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::Builder::new().name("control".to_owned()).stack_size(256 << 10);
    let listener = move || {
        loop {
            let work = match read(&mut control, TO_SLOT_BYTES_MAX) {
                Ok(Some(ToSlot::Segments(page))) => Work::Segments(page),
                Ok(Some(ToSlot::Begin(begin))) => Work::Begin(begin),
                Ok(Some(ToSlot::Hello { .. }) | None) | Err(_) => enter::die(),
            };
            if sender.send(work).is_err() {
                enter::die();
            }
        }
    };
    thread.spawn(listener).map_err(|error| format!("thread: {error}"))?;
    Ok(receiver)
}

/// The way to the agent. What cannot be sent is dropped: without an agent the process is about to end.
#[derive(Clone)]
struct ToAgent {
    control: Arc<Mutex<UnixStream>>,
}

impl ToAgent {
    fn new(control: UnixStream) -> Self {
        Self { control: Arc::new(Mutex::new(control)) }
    }

    fn send(&self, message: &FromSlot) {
        let _ = self.try_send(message);
    }

    fn try_send(&self, message: &FromSlot) -> Result<(), FrameError> {
        let frame = encode(message, FROM_SLOT_BYTES_MAX)?;
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = control.write_all(&frame);
        Ok(())
    }

    fn end(&self, outcome: gristmill_model::Outcome) {
        if let Err(error) = self.try_send(&FromSlot::Ended(Box::new(outcome))) {
            self.send(&FromSlot::Ended(Box::new(attempt::unreportable(&error))));
        }
    }
}
