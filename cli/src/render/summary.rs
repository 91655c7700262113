//! What is told of a job at its end, and by `gristmill job` at any time.
//!
//! The field names are the keys of `--json`, which people script against: add to them, never rename.

use std::collections::BTreeMap;
use std::fmt::Write;

use gristmill_model::{AttemptTally, JobPhase, JobStatus, StageStatus, Timestamp};
use serde::Serialize;

use super::human;

/// A job in figures.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Summary {
    /// The id of the job; none when it ran without a coordinator.
    pub job: Option<String>,
    /// The app's name.
    pub app: String,
    /// `sampling`, `mapping`, `reducing`, `committing`, `done`, `failed` or `cancelled`.
    pub state: &'static str,
    /// Why it failed.
    pub error: Option<String>,
    /// The output directory; what is not UTF-8 or would garble a terminal is escaped.
    pub output: String,
    /// From its submission to its end, or to now.
    pub seconds: f64,
    /// The sample tasks, of an app that wants a total order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<Tasks>,
    /// The map tasks.
    pub maps: Tasks,
    /// The reduce tasks.
    pub reduces: Tasks,
    /// Bytes of input read, after decompression.
    pub bytes_in: u64,
    /// Records of input: lines, fixed-size records, or whole files, as the app wants its input.
    pub records_in: u64,
    /// Pairs that the maps handed to the reduces, after combining.
    pub pairs: u64,
    /// Bytes of the runs that hold these pairs.
    pub bytes_shuffled: u64,
    /// Distinct keys that were reduced.
    pub keys: u64,
    /// Records of output.
    pub records_out: u64,
    /// Bytes of output.
    pub bytes_out: u64,
    /// Runs that were written early because memory was short.
    pub spills: u64,
    /// Most memory that a slot held, in bytes.
    pub memory_peak_bytes: u64,
    /// Attempts by outcome.
    pub attempts: Attempts,
    /// The slowest of the attempts that won.
    pub slowest: Option<Slowest>,
    /// The biggest partition.
    pub biggest_partition: Option<BiggestPartition>,
    /// The app's counters.
    pub counters: BTreeMap<String, i64>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Tasks of a stage.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Tasks {
    /// All of them.
    pub total: u32,
    /// Those that have a winner.
    pub done: u32,
    /// Those with a running attempt.
    pub running: u32,
}

/// Attempts by outcome.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Attempts {
    /// Won their task.
    pub won: u64,
    /// Were good, but another had won.
    pub lost: u64,
    /// Failed by the app's, the input's or the machine's fault.
    pub failed: u64,
    /// Made no progress in time.
    pub timed_out: u64,
    /// Went with their worker.
    pub worker_lost: u64,
    /// Could not read a run.
    pub runs_lost: u64,
    /// Were cancelled.
    pub cancelled: u64,
    /// Of all these: started beside a running attempt because that was slow.
    pub backups: u64,
}

/// The attempt that took longest.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Slowest {
    /// Its id.
    pub attempt: String,
    /// How long it took.
    pub seconds: f64,
}

/// The partition with most bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct BiggestPartition {
    /// Which one.
    pub partition: u32,
    /// Its bytes before it was reduced.
    pub bytes: u64,
}

impl Summary {
    /// Of a job as its coordinator knows it; `now` counts for one that goes on.
    pub(crate) fn of(status: &JobStatus, now: Timestamp) -> Self {
        let map_only = status.reduce.total == 0;
        let (map, reduce) = (&status.map_stats, &status.reduce_stats);
        Self {
            job: Some(status.id.to_string()),
            app: status.app.clone(),
            state: state(&status.phase),
            error: match &status.phase {
                JobPhase::Failed(reason) => Some(reason.clone()),
                _ => None,
            },
            output: status.output.to_string(),
            seconds: (status.ended.unwrap_or(now) - status.submitted).as_secs_f64(),
            samples: (status.sample.total > 0).then(|| status.sample.into()),
            maps: status.map.into(),
            reduces: status.reduce.into(),
            bytes_in: map.bytes_in,
            records_in: map.records_in,
            pairs: map.pairs_out,
            bytes_shuffled: if map_only { 0 } else { map.bytes_out },
            keys: reduce.calls,
            records_out: if map_only { map.records_out } else { reduce.records_out },
            bytes_out: if map_only { map.bytes_out } else { reduce.bytes_out },
            spills: map.spills + reduce.spills,
            memory_peak_bytes: map.peak_bytes.max(reduce.peak_bytes),
            attempts: status.attempts.into(),
            slowest: status.slowest.map(|(attempt, ms)| Slowest {
                attempt: attempt.to_string(),
                seconds: std::time::Duration::from_millis(ms).as_secs_f64(),
            }),
            biggest_partition: status
                .biggest_partition
                .map(|(partition, bytes)| BiggestPartition { partition, bytes }),
            counters: status.counters.clone(),
            warnings: status.warnings.clone(),
        }
    }

    /// One line of `key value` for each figure; those that say nothing are left out.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(text, "{key} {value}");
        };
        if let Some(job) = &self.job {
            line("job", job);
        }
        line("app", &self.app);
        line("state", &self.state);
        if let Some(error) = &self.error {
            // The rest (the place, what the app last printed) is told on standard error and in the JSON document.
            line("error", &one_line(error.lines().next().unwrap_or_default()));
        }
        line("output", &self.output);
        line("seconds", &format_args!("{:.3}", self.seconds));
        if let Some(samples) = &self.samples {
            line("samples", &samples.text());
        }
        line("maps", &self.maps.text());
        line("reduces", &self.reduces.text());
        line("records_in", &self.records_in);
        line("bytes_in", &exact_and_human(self.bytes_in));
        if self.reduces.total > 0 {
            line("pairs", &self.pairs);
            line("bytes_shuffled", &exact_and_human(self.bytes_shuffled));
            line("keys", &self.keys);
        }
        line("records_out", &self.records_out);
        line("bytes_out", &exact_and_human(self.bytes_out));
        if self.spills > 0 {
            line("spills", &self.spills);
        }
        if self.memory_peak_bytes > 0 {
            line("memory_peak_bytes", &exact_and_human(self.memory_peak_bytes));
        }
        if self.job.is_some() {
            line("attempts", &self.attempts.text());
        }
        if let Some(slowest) = &self.slowest {
            line("slowest", &format_args!("{} {:.3} s", slowest.attempt, slowest.seconds));
        }
        if let Some(biggest) = &self.biggest_partition {
            let bytes = exact_and_human(biggest.bytes);
            line("biggest_partition", &format_args!("{} {bytes}", biggest.partition));
        }
        for (name, count) in &self.counters {
            line("counter", &format_args!("{} {count}", one_line(name)));
        }
        for warning in &self.warnings {
            line("warning", &one_line(warning));
        }
        text
    }
}

impl Tasks {
    fn text(self) -> String {
        if self.done == self.total { self.total.to_string() } else { format!("{}/{}", self.done, self.total) }
    }
}

impl Attempts {
    /// Attempts that won are always told, the others if there were any.
    fn text(&self) -> String {
        let others = [
            ("lost", self.lost),
            ("failed", self.failed),
            ("timed_out", self.timed_out),
            ("worker_lost", self.worker_lost),
            ("runs_lost", self.runs_lost),
            ("cancelled", self.cancelled),
            ("backups", self.backups),
        ];
        let mut text = format!("won={}", self.won);
        for (name, count) in others.into_iter().filter(|(_, count)| *count > 0) {
            let _ = write!(text, " {name}={count}");
        }
        text
    }
}

impl From<StageStatus> for Tasks {
    fn from(stage: StageStatus) -> Self {
        Self { total: stage.total, done: stage.done, running: stage.running }
    }
}

impl From<AttemptTally> for Attempts {
    fn from(tally: AttemptTally) -> Self {
        let AttemptTally { won, lost, failed, timed_out, worker_lost, runs_lost, cancelled, backups } = tally;
        Self { won, lost, failed, timed_out, worker_lost, runs_lost, cancelled, backups }
    }
}

/// The word for a phase.
pub(super) fn state(phase: &JobPhase) -> &'static str {
    match phase {
        JobPhase::Sampling => "sampling",
        JobPhase::Mapping => "mapping",
        JobPhase::Reducing => "reducing",
        JobPhase::Committing => "committing",
        JobPhase::Done => "done",
        JobPhase::Failed(_) => "failed",
        JobPhase::Cancelled => "cancelled",
    }
}

/// What an app says may hold anything; a line of `key value` stays one line.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn exact_and_human(count: u64) -> String {
    if count < 1024 { count.to_string() } else { format!("{count} ({})", human::bytes(count)) }
}

#[cfg(test)]
mod tests {
    use gristmill_model::{JobId, TaskId};

    use super::*;
    use crate::render::example;

    #[test]
    fn the_text_of_a_job_that_went_well() {
        let summary = Summary::of(&example::done(), Timestamp::from_ms(0));
        assert_eq!(
            summary.text(),
            "\
job j7
app wc
state done
output /data/out\\n2
seconds 1.214
maps 13
reduces 4
records_in 120345
bytes_in 6578234 (6.3 MiB)
pairs 90210
bytes_shuffled 1048576 (1.0 MiB)
keys 22107
records_out 22107
bytes_out 262144 (256.0 KiB)
spills 2
memory_peak_bytes 33554432 (32.0 MiB)
attempts won=17 failed=1 worker_lost=2 backups=1
slowest j7.m12.a1 0.420 s
biggest_partition 3 300000 (293.0 KiB)
counter bad lines\\t! 3
warning the app is not deterministic
"
        );
    }

    #[test]
    fn the_keys_of_the_json_are_stable() {
        let summary = Summary::of(&example::done(), Timestamp::from_ms(0));
        let json = serde_json::to_string(&summary).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"job":"j7","app":"wc","state":"done","error":null,"output":"/data/out\\n2","seconds":1.214,"#,
                r#""maps":{"total":13,"done":13,"running":0},"reduces":{"total":4,"done":4,"running":0},"#,
                r#""bytes_in":6578234,"records_in":120345,"pairs":90210,"bytes_shuffled":1048576,"keys":22107,"records_out":22107,"#,
                r#""bytes_out":262144,"spills":2,"memory_peak_bytes":33554432,"#,
                r#""attempts":{"won":17,"lost":0,"failed":1,"timed_out":0,"worker_lost":2,"runs_lost":0,"cancelled":0,"#,
                r#""backups":1},"slowest":{"attempt":"j7.m12.a1","seconds":0.42},"#,
                r#""biggest_partition":{"partition":3,"bytes":300000},"counters":{"bad lines\t!":3},"#,
                r#""warnings":["the app is not deterministic"]}"#
            )
        );
    }

    #[test]
    fn a_job_that_goes_on_is_told_as_far_as_it_is() {
        let mut status = example::done();
        status.phase = JobPhase::Mapping;
        status.ended = None;
        status.map.done = 5;
        let text = Summary::of(&status, status.submitted + std::time::Duration::from_secs(2)).text();
        assert!(
            text.contains("state mapping\n")
                && text.contains("maps 5/13\n")
                && text.contains("seconds 2.000\n")
        );
    }

    #[test]
    fn the_output_of_a_map_only_job_is_that_of_its_maps() {
        let mut status = example::done();
        status.reduce.total = 0;
        status.map_stats.records_out = 9;
        let summary = Summary::of(&status, Timestamp::from_ms(0));
        assert_eq!((summary.records_out, summary.bytes_out, summary.bytes_shuffled), (9, 1 << 20, 0));
        assert!(!summary.text().contains("pairs "));
    }

    #[test]
    fn of_a_reason_of_several_lines_the_first_is_told() {
        let mut status = example::done();
        status.id = JobId(1);
        status.slowest = Some((TaskId::reduce(JobId(1), 0).attempt(0), 1));
        status.phase = JobPhase::Failed("j1.m0.a0: panic\nat a.txt".to_owned());
        let text = Summary::of(&status, Timestamp::from_ms(0)).text();
        assert!(text.contains("error j1.m0.a0: panic\n") && !text.contains("a.txt"), "{text}");
    }
}
