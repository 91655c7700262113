//! The summary of a job as lines of text.

use std::fmt::Write;

use gristmill_coordinator::{Attempts, Summary, Tasks};

use super::human;

/// One line of `key value` for each figure; those that say nothing are left out.
pub(crate) fn summary(summary: &Summary) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{key} {value}");
    };
    if let Some(job) = &summary.job {
        line("job", job);
    }
    line("app", &summary.app);
    line("state", &summary.state);
    if let Some(error) = &summary.error {
        // The rest (the place, what the app last printed) is told on standard error and in the JSON document.
        line("error", &one_line(error.lines().next().unwrap_or_default()));
    }
    line("output", &summary.output);
    line("seconds", &format_args!("{:.3}", summary.seconds));
    if let Some(samples) = &summary.samples {
        line("samples", &tasks(*samples));
    }
    line("maps", &tasks(summary.maps));
    line("reduces", &tasks(summary.reduces));
    line("records_in", &summary.records_in);
    line("bytes_in", &exact_and_human(summary.bytes_in));
    if summary.reduces.total > 0 {
        line("pairs", &summary.pairs);
        line("bytes_shuffled", &exact_and_human(summary.bytes_shuffled));
        line("keys", &summary.keys);
    }
    line("records_out", &summary.records_out);
    line("bytes_out", &exact_and_human(summary.bytes_out));
    if summary.spills > 0 {
        line("spills", &summary.spills);
    }
    if summary.memory_peak_bytes > 0 {
        line("memory_peak_bytes", &exact_and_human(summary.memory_peak_bytes));
    }
    if summary.job.is_some() {
        line("attempts", &attempts(&summary.attempts));
    }
    if let Some(slowest) = &summary.slowest {
        line("slowest", &format_args!("{} {:.3} s", slowest.attempt, slowest.seconds));
    }
    if let Some(biggest) = &summary.biggest_partition {
        let bytes = exact_and_human(biggest.bytes);
        line("biggest_partition", &format_args!("{} {bytes}", biggest.partition));
    }
    for (name, count) in &summary.counters {
        line("counter", &format_args!("{} {count}", one_line(name)));
    }
    for warning in &summary.warnings {
        line("warning", &one_line(warning));
    }
    text
}

fn tasks(stage: Tasks) -> String {
    if stage.done == stage.total {
        stage.total.to_string()
    } else {
        format!("{}/{}", stage.done, stage.total)
    }
}

/// Attempts that won are always told, the others if there were any.
fn attempts(tally: &Attempts) -> String {
    let others = [
        ("lost", tally.lost),
        ("failed", tally.failed),
        ("timed_out", tally.timed_out),
        ("worker_lost", tally.worker_lost),
        ("runs_lost", tally.runs_lost),
        ("cancelled", tally.cancelled),
        ("backups", tally.backups),
    ];
    let mut text = format!("won={}", tally.won);
    for (name, count) in others.into_iter().filter(|(_, count)| *count > 0) {
        let _ = write!(text, " {name}={count}");
    }
    text
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
    use gristmill_model::{JobId, JobPhase, TaskId, Timestamp};

    use super::*;
    use crate::render::example;

    #[test]
    fn the_text_of_a_job_that_went_well() {
        let summary = Summary::of(&example::done(), Timestamp::from_ms(0));
        assert_eq!(
            self::summary(&summary),
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
        let text = summary(&Summary::of(&status, status.submitted + std::time::Duration::from_secs(2)));
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
        assert!(!self::summary(&summary).contains("pairs "));
    }

    #[test]
    fn of_a_reason_of_several_lines_the_first_is_told() {
        let mut status = example::done();
        status.id = JobId(1);
        status.slowest = Some((TaskId::reduce(JobId(1), 0).attempt(0), 1));
        status.phase = JobPhase::Failed("j1.m0.a0: panic\nat a.txt".to_owned());
        let text = summary(&Summary::of(&status, Timestamp::from_ms(0)));
        assert!(text.contains("error j1.m0.a0: panic\n") && !text.contains("a.txt"), "{text}");
    }
}
