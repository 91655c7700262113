//! A process with a deadline, whose output goes to files.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::until::{DEADLINE, within};
use crate::{Ended, Place, procfs, until};

/// A running process. It leads a process group, as a shell's job does; whatever is left of it is killed when it is dropped.
pub struct Process {
    child: Child,
    what: String,
    stdout: PathBuf,
    stderr: PathBuf,
    deadline: Instant,
    output: PathBuf,
}

impl Process {
    /// Starts `command` with its output in files of `place`; `what` names it in messages.
    pub(crate) fn start(place: &Place, what: &str, mut command: Command) -> Self {
        let (stdout, stderr) = place.log_files(what);
        command.stdin(Stdio::null());
        command.stdout(File::create(&stdout).expect("a log can be created"));
        command.stderr(File::create(&stderr).expect("a log can be created"));
        command.process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("start {what} ({command:?}): {error}"));
        let deadline = Instant::now() + DEADLINE;
        Self { child, what: what.to_owned(), stdout, stderr, deadline, output: PathBuf::new() }
    }

    /// The same process, known to write its job's output there.
    pub(crate) fn writing_to(mut self, output: PathBuf) -> Self {
        self.output = output;
        self
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal: to this process alone.
    pub fn signal(&self, signal: Signal) {
        kill_process(pid(self.id()), signal).unwrap_or_else(|error| panic!("signal {}: {error}", self.what));
    }

    /// Sends a signal to its whole process group, as a terminal does for Ctrl-C.
    pub fn signal_group(&self, signal: Signal) {
        let sent = kill_process_group(pid(self.id()), signal);
        sent.unwrap_or_else(|error| panic!("signal the group of {}: {error}", self.what));
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("a child can be waited for");
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.status().is_none()
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Waits for its end; fails the test when that does not come in time.
    pub fn wait(mut self) -> Ended {
        let limit = self.deadline.saturating_duration_since(Instant::now());
        let Some(status) = within(limit, || self.status()) else {
            let tree = self.tree();
            self.kill_tree();
            panic!("{} did not end within {DEADLINE:?}\n{tree}{}", self.what, self.said());
        };
        Ended {
            what: self.what.clone(),
            status,
            stdout: fs::read(&self.stdout).unwrap_or_default(),
            stderr: self.stderr(),
            output: self.output.clone(),
        }
    }

    /// Waits until `probe` sees what it looks for; fails when the process ends before that.
    pub fn until<T>(&mut self, what: &str, mut probe: impl FnMut(&Self) -> Option<T>) -> T {
        until(&format!("{} to show {what}", self.what), || {
            let found = probe(self);
            // The probe comes first: a process may do what is looked for and end.
            let ended = found.is_none() && !self.is_running();
            assert!(!ended || probe(self).is_some(), "{} ended before {what}\n{}", self.what, self.said());
            found
        })
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    fn tree(&self) -> String {
        let tree = std::iter::once(self.id()).chain(procfs::descendants(self.id()));
        tree.map(|pid| format!("  still there: {pid} {}\n", procfs::command_line(pid))).collect()
    }

    fn kill_tree(&mut self) {
        for descendant in procfs::descendants(self.id()) {
            kill_process(pid(descendant), Signal::KILL).ok();
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }

    fn said(&self) -> String {
        format!("stdout: {}\nstderr: {}", self.stdout(), self.stderr())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill_tree();
        }
    }
}

/// Sends a signal to a process that a test knows of, such as a slot.
pub fn signal(id: u32, signal: Signal) {
    kill_process(pid(id), signal).unwrap_or_else(|error| panic!("signal process {id}: {error}"));
}

/// Sends a signal to a process that may end at any time; whether it was there.
pub fn signal_if_there(id: u32, signal: Signal) -> bool {
    kill_process(pid(id), signal).is_ok()
}

pub(crate) fn pid(id: u32) -> Pid {
    i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id is positive")
}

fn text(path: &PathBuf) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
