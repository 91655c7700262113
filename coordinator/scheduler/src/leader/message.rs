//! What users are told when a job fails. Bounded, and free of control characters: the app chose the words.

use gristmill_model::{LostRun, Report, TaskFailure, TaskId, WorkerId};

/// Bytes of a message.
const MESSAGE_BYTES_MAX: usize = 4_096;
/// Bytes of the app's own one-line message.
const LINE_BYTES_MAX: usize = 1_024;
/// Bytes and lines of what it printed last.
const TAIL_BYTES_MAX: usize = 2_048;
const TAIL_LINES_MAX: usize = 12;

/// Why an attempt failed: where, cause, message, place in the input, last lines of what the app printed.
pub(crate) fn of_failure(report: &Report, failure: &TaskFailure, worker: &str) -> String {
    let attempt = report.attempt;
    let line = bounded(&clean(&failure.message), LINE_BYTES_MAX);
    let mut message = format!("{attempt} on {}: {}: {line}", clean(worker), failure.cause);
    if let Some(location) = &failure.location {
        message.push_str(&format!("\n  at {}", bounded(&location.to_string(), LINE_BYTES_MAX)));
    }
    let tail = tail(&report.log.0);
    if !tail.is_empty() {
        message.push_str("\n  it last printed:");
        tail.iter().for_each(|line| message.push_str(&format!("\n    {line}")));
    }
    bounded(&message, MESSAGE_BYTES_MAX)
}

/// Why a job failed: a task has used up its attempts.
pub(crate) fn of_job(task: TaskId, failures: u32, first: &str) -> String {
    match failures {
        0 | 1 => format!("task {task} failed: {first}"),
        _ => format!("task {task} failed {failures} times; first: {first}"),
    }
}

/// Why a job failed: a task got nowhere.
pub(crate) fn of_setbacks(task: TaskId, setbacks: u32, last: &str) -> String {
    format!("task {task} was given up {setbacks} times without an error of its own; last: {}", clip(last))
}

pub(crate) fn of_lost_run(run: &LostRun, holder: WorkerId) -> String {
    format!("the run of {} on {holder} could not be read: {}", run.attempt, clip(&run.reason))
}

/// Why a job failed: its output could not be made visible.
pub(crate) fn of_commit(tries: u32, message: &str) -> String {
    format!("the output could not be committed (tried {tries} times): {}", clip(message))
}

/// One clean line of bounded length.
pub(crate) fn clip(message: &str) -> String {
    bounded(&clean(message), LINE_BYTES_MAX)
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Cut at a character's border, with a sign that it was.
fn bounded(text: &str, bytes_max: usize) -> String {
    const CUT: &str = "…";
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes_max.saturating_sub(CUT.len()));
    format!("{}{CUT}", &text[..end])
}

fn tail(log: &[u8]) -> Vec<String> {
    let from = log.len().saturating_sub(TAIL_BYTES_MAX);
    let text = String::from_utf8_lossy(&log[from..]);
    let lines: Vec<_> = text.lines().map(clean).filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES_MAX)..].to_vec()
}
