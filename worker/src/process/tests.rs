//! Slot processes played by shell scripts: what matters here is how they are started, listened to, killed and buried.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use gristmill_model::{JobId, Params, PathBytes, TaskId};
use gristmill_protocol::limits::LOG_BYTES_MAX;
use tempfile::TempDir;

use super::*;
use crate::frames::{BeginWork, FROM_SLOT_BYTES_MAX, FromSlot};

/// Only reached when something is wrong.
const DEADLINE: Duration = Duration::from_secs(60);

struct Played {
    process: Option<SlotProcess>,
    events: Receiver<ProcessEvent>,
    dir: TempDir,
}

fn play(script: &str) -> Played {
    let dir = tempfile::tempdir().unwrap();
    let (sender, events) = channel();
    let command = SlotCommand { program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] };
    let tell = move |_, event| drop(sender.send(event));
    let process = SlotProcess::start(ProcessId(1), command, dir.path().join("home"), tell).unwrap();
    Played { process: Some(process), events, dir }
}

impl Played {
    fn next(&self) -> ProcessEvent {
        self.events.recv_timeout(DEADLINE).unwrap()
    }

    fn death(&self) -> Death {
        loop {
            if let ProcessEvent::Died(death) = self.next() {
                return death;
            }
        }
    }

    fn begin(&self) -> Arc<LatestProgress> {
        let begin = Begin {
            attempt: TaskId::map(JobId(1), 0).attempt(0),
            plugin: PathBytes::default(),
            params: Arc::new(Params::new()),
            memory_bytes: 0,
            product: PathBytes::default(),
            progress_ms: 1,
            work: BeginWork::Reduce { partition: 0 },
        };
        self.process.as_ref().unwrap().begin(begin).unwrap()
    }

    fn printed(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        wait_for(|| path.exists());
        fs::read_to_string(path).unwrap()
    }
}

fn wait_for(condition: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn is_alive(pid: &str) -> bool {
    // A zombie has no command line.
    fs::read(Path::new("/proc").join(pid).join("cmdline")).is_ok_and(|line| !line.is_empty())
}

fn octal(frame: &[u8]) -> String {
    frame.iter().map(|byte| format!("\\{byte:03o}")).collect()
}

fn status(death: &Death) -> (Option<i32>, Option<i32>) {
    use std::os::unix::process::ExitStatusExt;
    match &death.cause {
        DeathCause::Exited(status) => (status.code(), status.signal()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_that_is_missing_is_a_death() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, events) = channel();
    let command = SlotCommand { program: "/nonexistent/slot".into(), args: Vec::new() };
    let home = dir.path().join("home");
    let tell = move |_, event| drop(sender.send(event));
    let process = SlotProcess::start(ProcessId(1), command, home.clone(), tell).unwrap();
    match events.recv_timeout(DEADLINE).unwrap() {
        ProcessEvent::Died(Death { cause: DeathCause::NotStarted(error), .. }) => {
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        other => panic!("{other:?}"),
    }
    process.into_keeper().unwrap().join().unwrap();
    assert!(!home.exists());
}

#[test]
fn status_and_last_words_are_told_and_the_home_removed() {
    let mut played = play("echo to stdout; echo to stderr >&2; touch junk; exit 3");
    let death = played.death();
    assert_eq!(status(&death), (Some(3), None));
    assert_eq!(death.log, b"to stdout\nto stderr\n");
    played.process.take().unwrap().into_keeper().unwrap().join().unwrap();
    assert!(!played.dir.path().join("home").exists());
}

#[test]
fn a_child_has_a_clean_environment_three_descriptors_and_a_home() {
    // As a parent of ours may have left it to us.
    let left_open = fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&left_open, rustix::io::FdFlags::empty()).unwrap();
    let played = play("env; echo; pwd; ls /proc/$$/fd");
    let log = String::from_utf8(played.death().log).unwrap();
    let (environment, rest) = log.split_once("\n\n").unwrap();
    let mut names: Vec<_> = environment.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.retain(|name| !spawn::HANDED_ON.contains(name));
    // The shell adds its own.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["RUST_BACKTRACE", "TMPDIR"]);
    let home = played.dir.path().join("home");
    assert!(environment.contains(&format!("TMPDIR={}", home.display())));
    let mut lines = rest.lines();
    assert_eq!(lines.next().map(Path::new), Some(home.as_path()));
    // 10 is where a shell keeps a script's standard input, if it does.
    let descriptors: Vec<_> = lines.filter(|fd| *fd != "10").collect();
    assert_eq!(descriptors, ["0", "1", "2"]);
}

#[test]
fn one_that_prints_megabytes_is_neither_blocked_nor_kept() {
    let played = play("head -c 5000000 /dev/zero; echo the end; exit 0");
    let death = played.death();
    assert_eq!(status(&death), (Some(0), None));
    assert!(death.log.len() <= LOG_BYTES_MAX);
    assert!(death.log.ends_with(b"the end\n"));
    let left_out = 5_000_008 - (LOG_BYTES_MAX - 64);
    let note = format!("\n[... {left_out} bytes left out ...]\n");
    assert!(death.log.windows(note.len()).any(|window| window == note.as_bytes()));
}

#[test]
fn a_grandchild_that_holds_the_pipes_open_holds_up_nobody_and_dies_with_its_parent() {
    let played = play("sleep 1000 & echo $! > ../pid.new; mv ../pid.new ../pid; exit 5");
    assert_eq!(status(&played.death()), (Some(5), None));
    let pid = played.printed("pid");
    wait_for(|| !is_alive(pid.trim()));
}

#[test]
fn a_grandchild_in_a_session_of_its_own_holds_up_nobody() {
    let played = play("setsid sleep 1000 & echo $! > ../pid.new; mv ../pid.new ../pid; exit 5");
    assert_eq!(status(&played.death()), (Some(5), None));
    let pid = played.printed("pid");
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

#[test]
fn one_that_is_stopped_can_be_killed() {
    let mut played = play("kill -STOP $$; exit 1");
    let process = played.process.take().unwrap();
    process.kill();
    assert_eq!(status(&played.death()), (None, Some(9)));
}

#[test]
fn dropping_a_process_kills_it() {
    let mut played = play("echo $$ > ../pid.new; mv ../pid.new ../pid; sleep 1000");
    let pid = played.printed("pid");
    drop(played.process.take());
    assert_eq!(status(&played.death()), (None, Some(9)));
    assert!(!is_alive(pid.trim()));
}

#[test]
fn one_that_writes_rubbish_on_its_channel_is_killed_for_it() {
    let played = play("printf '\\377\\377\\377\\377' >&0; sleep 1000");
    let expected = FrameError::TooLarge { bytes: u32::MAX as usize, max: FROM_SLOT_BYTES_MAX };
    match played.death().cause {
        DeathCause::BrokeChannel(error) => assert_eq!(error, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_end_without_a_beginning_is_rubbish() {
    let ended = encode(&FromSlot::Ended(Box::new(Outcome::Cancelled)), 100).unwrap();
    let played = play(&format!("printf '{}' >&0; sleep 1000", octal(&ended)));
    assert!(matches!(played.death().cause, DeathCause::BrokeChannel(FrameError::Unreadable)));
}

#[test]
fn one_that_closes_its_channel_is_of_no_use() {
    let played = play("exec sleep 1000 < /dev/null");
    assert_eq!(status(&played.death()), (None, Some(9)));
}

#[test]
fn what_was_printed_before_an_end_is_in_its_log_and_nothing_from_before_its_beginning() {
    let ready = octal(&encode(&FromSlot::Ready, 100).unwrap());
    let progress = octal(&encode(&FromSlot::Progress { ticks: 7, bytes_in: 8 }, 100).unwrap());
    let ended = octal(&encode(&FromSlot::Ended(Box::new(Outcome::Cancelled)), 100).unwrap());
    // Reads until the beginning has come: a hello, then a frame that is longer.
    let played = play(&format!(
        "echo before; printf '{ready}' >&0; dd bs=1 count=20 of=/dev/null 2>/dev/null; printf '{progress}' >&0; \
         head -c 60000 /dev/zero; echo after; printf '{ended}' >&0; sleep 1000"
    ));
    assert!(matches!(played.next(), ProcessEvent::Ready));
    let progress = played.begin();
    match played.next() {
        ProcessEvent::Ended { outcome, log } => {
            assert_eq!(outcome, Outcome::Cancelled);
            assert!(log.ends_with(b"after\n"));
            assert!(log.starts_with(b"\0"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(progress.get(), (7, 8));
}

#[test]
fn an_end_said_just_before_death_counts() {
    let ready = octal(&encode(&FromSlot::Ready, 100).unwrap());
    let ended = octal(&encode(&FromSlot::Ended(Box::new(Outcome::Cancelled)), 100).unwrap());
    let played = play(&format!(
        "printf '{ready}' >&0; dd bs=1 count=20 of=/dev/null 2>/dev/null; printf '{ended}' >&0; kill -9 $$"
    ));
    assert!(matches!(played.next(), ProcessEvent::Ready));
    played.begin();
    assert!(matches!(played.next(), ProcessEvent::Ended { .. }));
    assert_eq!(status(&played.death()), (None, Some(9)));
}

#[test]
fn much_can_be_sent_to_one_that_reads_slowly_or_not_at_all() {
    let played = play("dd bs=1 count=300000 of=/dev/null 2>/dev/null; exit 4");
    let segment = gristmill_model::Segment {
        attempt: TaskId::map(JobId(1), 0).attempt(0),
        worker: gristmill_model::WorkerId(1),
        path: PathBytes(vec![b'x'; 100]),
    };
    let page = ToSlot::Segments(vec![segment; 4096]);
    let sender = played.process.as_ref().unwrap().sender();
    (0..5).for_each(|_| sender.send(&page).unwrap());
    assert_eq!(status(&played.death()), (Some(4), None));
}
