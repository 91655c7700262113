//! One line, or one JSON object, for each job, worker, explanation and log.
//!
//! Keys of `--json` are stable: add to them, never rename.

use std::fmt::Write;

use gristmill_coordinator::Summary;
use gristmill_model::{AttemptLog, Explanation, JobId, MemberStatus, Timestamp, WorkerStatus};
use serde::Serialize;
use serde_json::{Value, json};

use super::human;
use super::summary::one_line;

/// Something of which there are many, told twice: for people and for scripts.
pub(crate) struct Listed {
    /// Lines of `key value`, each ended by a newline.
    pub text: String,
    /// The same as a JSON object.
    pub json: Value,
}

/// A job in one line.
impl From<&Summary> for Listed {
    fn from(summary: &Summary) -> Self {
        let text = format!(
            "{} {} app={} maps={}/{} reduces={}/{} seconds={:.3} output={}\n",
            summary.job.as_deref().unwrap_or("-"),
            summary.state,
            one_line(&summary.app),
            summary.maps.done,
            summary.maps.total,
            summary.reduces.done,
            summary.reduces.total,
            summary.seconds,
            summary.output,
        );
        Self { text, json: value(summary) }
    }
}

/// A worker in one line.
pub(crate) fn worker(status: &WorkerStatus) -> Listed {
    let running: Vec<String> = status.running.iter().map(ToString::to_string).collect();
    let text = format!(
        "{} name={} slots={} running={} failures={} silent={}{}\n",
        status.id,
        one_line(&status.name),
        status.slots,
        if running.is_empty() { "-".to_owned() } else { running.join(",") },
        status.failures,
        human::seconds(status.silent_ms),
        if status.draining { " draining=yes" } else { "" },
    );
    let json = json!({
        "worker": status.id.to_string(),
        "name": status.name,
        "slots": status.slots,
        "running": running,
        "failures": status.failures,
        "silent_seconds": in_seconds(status.silent_ms),
        "draining": status.draining,
    });
    Listed { text, json }
}

/// A member of a group of coordinators in one line.
pub(crate) fn member(status: &MemberStatus, leader: Option<u64>) -> Listed {
    let leads = leader == Some(status.id);
    let text = format!(
        "{} address={} role={} leader={} behind={} silent={}\n",
        status.id,
        one_line(&status.address),
        if status.votes { "voter" } else { "learner" },
        if leads { "yes" } else { "no" },
        status.behind.map_or_else(|| "-".to_owned(), |behind| behind.to_string()),
        status.silent_ms.map_or_else(|| "-".to_owned(), human::seconds),
    );
    let json = json!({
        "id": status.id,
        "address": status.address,
        "votes": status.votes,
        "leads": leads,
        "behind": status.behind,
        "silent_seconds": status.silent_ms.map(in_seconds),
    });
    Listed { text, json }
}

/// What a job or task waits for, in one line.
pub(crate) fn explanation(job: JobId, explanation: &Explanation, now: Timestamp) -> Listed {
    let subject = explanation.task.map_or_else(|| job.to_string(), |task| task.to_string());
    let deadline = explanation.deadline.map(|deadline| deadline - now);
    let mut text = format!("{subject} {}", one_line(&explanation.text));
    if let Some(deadline) = deadline {
        let _ = write!(text, " (within {})", human::wait(deadline));
    }
    text.push('\n');
    let json = json!({
        "id": subject,
        "text": explanation.text,
        "deadline_seconds": deadline.map(|deadline| deadline.as_secs_f64()),
    });
    Listed { text, json }
}

/// What an attempt printed: each line behind the attempt's id, and before them where it ran and how it ended.
pub(crate) fn attempt_log(log: &AttemptLog) -> Listed {
    let printed = String::from_utf8_lossy(&log.log.0);
    let mut text = format!("{} [{} on {}]\n", log.attempt, one_line(&log.outcome), log.worker);
    for line in printed.lines() {
        let _ = writeln!(text, "{} {}", log.attempt, one_line(line));
    }
    let json = json!({
        "attempt": log.attempt.to_string(),
        "worker": log.worker.to_string(),
        "outcome": log.outcome,
        "log": printed,
    });
    Listed { text, json }
}

/// A JSON document of one line. Our own plain structures (numbers, text, lists, maps with text as keys) always have a JSON form.
pub(crate) fn json(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string(document).unwrap_or_default();
    text.push('\n');
    text
}

/// As [`json()`], inside a larger document.
fn value(document: &impl Serialize) -> Value {
    serde_json::to_value(document).unwrap_or(Value::Null)
}

fn in_seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use gristmill_model::{Blob, TaskId, WorkerId};

    use super::*;
    use crate::render::example;

    #[test]
    fn a_job_is_one_line() {
        let listed = Listed::from(&Summary::of(&example::done(), Timestamp::from_ms(0)));
        assert_eq!(listed.text, "j7 done app=wc maps=13/13 reduces=4/4 seconds=1.214 output=/data/out\\n2\n");
        assert_eq!(listed.json["state"], "done");
    }

    #[test]
    fn a_worker_is_one_line() {
        let attempt = TaskId::map(JobId(1), 2).attempt(0);
        let status = WorkerStatus {
            id: WorkerId(4),
            name: "box-1".to_owned(),
            slots: 2,
            running: vec![attempt, TaskId::reduce(JobId(1), 0).attempt(1)],
            silent_ms: 1200,
            failures: 3,
            draining: false,
        };
        let draining = WorkerStatus { draining: true, ..status.clone() };
        assert!(worker(&draining).text.ends_with(" silent=1.200 draining=yes\n"));
        let listed = worker(&status);
        assert_eq!(listed.text, "w4 name=box-1 slots=2 running=j1.m2.a0,j1.r0.a1 failures=3 silent=1.200\n");
        assert_eq!(
            listed.json.to_string(),
            r#"{"draining":false,"failures":3,"name":"box-1","running":["j1.m2.a0","j1.r0.a1"],"silent_seconds":1.2,"slots":2,"worker":"w4"}"#
        );
    }

    #[test]
    fn a_member_is_one_line() {
        let status = MemberStatus {
            id: 2,
            address: "127.0.0.1:7072".to_owned(),
            votes: false,
            behind: Some(17),
            silent_ms: Some(65_300),
        };
        let listed = member(&status, Some(1));
        let text = "2 address=127.0.0.1:7072 role=learner leader=no behind=17 silent=65.300\n";
        assert_eq!(listed.text, text);
        assert_eq!(listed.json["silent_seconds"], 65.3);
        let leader = MemberStatus { votes: true, behind: None, silent_ms: None, ..status };
        assert_eq!(
            member(&leader, Some(2)).text,
            "2 address=127.0.0.1:7072 role=voter leader=yes behind=- silent=-\n"
        );
        assert_eq!(member(&leader, Some(2)).json["leads"], true);
        assert!(member(&leader, Some(2)).json["silent_seconds"].is_null());
    }

    #[test]
    fn an_explanation_names_its_subject_and_deadline() {
        let task = TaskId::map(JobId(7), 1);
        let about_task = Explanation {
            task: Some(task),
            text: "runs on w1".to_owned(),
            deadline: Some(Timestamp::from_ms(9_000)),
        };
        let listed = explanation(JobId(7), &about_task, Timestamp::from_ms(1_000));
        assert_eq!(listed.text, "j7.m1 runs on w1 (within 8 s)\n");
        let about_job = Explanation { task: None, text: "waits for workers".to_owned(), deadline: None };
        assert_eq!(explanation(JobId(7), &about_job, Timestamp::from_ms(0)).text, "j7 waits for workers\n");
    }

    #[test]
    fn every_line_of_a_log_carries_its_attempt_and_cannot_garble_a_terminal() {
        let log = AttemptLog {
            attempt: TaskId::map(JobId(7), 1).attempt(2),
            worker: WorkerId(3),
            outcome: "exit 3".to_owned(),
            log: Blob(b"one\n\x1b[2Jtwo\xff\n".to_vec()),
        };
        assert_eq!(
            attempt_log(&log).text,
            "j7.m1.a2 [exit 3 on w3]\nj7.m1.a2 one\nj7.m1.a2 \\u{1b}[2Jtwo\u{fffd}\n"
        );
    }
}
