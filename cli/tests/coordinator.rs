//! Coordinator, worker and questions, as processes of their own.
#![expect(clippy::unwrap_used, reason = "what helps a test is as strict as the test")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::{command, gristmill, nothing_left};

struct Running(Child);

impl Running {
    fn start(directory: &Path, arguments: &[&str]) -> (Self, BufReader<std::process::ChildStdout>) {
        let mut child = command(directory).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        (Self(child), stdout)
    }

    fn terminate(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_coordinator_says_where_it_listens_answers_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (coordinator, mut stdout) = Running::start(place.path(), &["coordinator", "--listen", "127.0.0.1:0"]);
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let address = line.strip_prefix("listening ").unwrap().trim().to_owned();
    assert_eq!(gristmill(place.path(), ["jobs", "--coordinator", &address]).is(0).stdout, "");
    let jobs = gristmill(place.path(), ["jobs", "--coordinator", &address, "--json"]).is(0);
    assert_eq!(jobs.stdout, "{\"jobs\":[]}\n");
    assert_eq!(gristmill(place.path(), ["workers", "--coordinator", &address]).is(0).stdout, "");
    for question in [&["job", "j9"][..], &["cancel", "j9"], &["explain", "j9"], &["logs", "j9"]] {
        let arguments = question.iter().copied().chain(["--coordinator", &address]);
        gristmill(place.path(), arguments).is(2).says("there is no job j9");
    }
    gristmill(place.path(), ["logs", "j1", "j2.m0", "--coordinator", &address])
        .is(2)
        .says("not a task of j1");
    assert_eq!(coordinator.terminate(), Some(0));
    nothing_left(place.path());
}

#[test]
fn a_worker_that_is_told_to_stop_ends_well_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (coordinator, mut stdout) = Running::start(place.path(), &["coordinator", "--listen", "127.0.0.1:0"]);
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let address = line.strip_prefix("listening ").unwrap().trim().to_owned();
    let (worker, _) = Running::start(
        place.path(),
        &["worker", "--coordinator", &address, "--slots", "1", "--name", "miller"],
    );
    while !gristmill(place.path(), ["workers", "--coordinator", &address])
        .is(0)
        .stdout
        .contains("name=miller slots=1")
    {
        std::thread::yield_now();
    }
    assert_eq!(worker.terminate(), Some(0));
    assert_eq!(coordinator.terminate(), Some(0));
}
