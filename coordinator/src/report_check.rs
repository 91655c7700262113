//! What a worker says of an attempt, bounded and checked before the scheduler sees it.
//!
//! A report that breaks a rule counts as a failure of its attempt: the plugin, or the worker, is at fault.

use std::path::Path;

use gristmill_model::{
    AttemptStats, FailureCause, JobSpec, Outcome, PathBytes, Report, SampleResult, Stage, TaskFailure,
};
use gristmill_protocol::limits::LOG_BYTES_MAX;

/// Longest path of a run: segments of thousands of them go in one answer.
const RUN_PATH_BYTES_MAX: usize = 1024;
/// Longest message.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Most counters of one attempt, and the longest name of one.
const COUNTERS_MAX: usize = 1000;
const COUNTER_BYTES_MAX: usize = 256;
/// Most runs that one report may call lost.
const LOST_RUNS_MAX: usize = 10_000;

/// Makes a report safe. `staging` is where attempts of its job may leave outputs.
pub(crate) fn check(report: &mut Report, spec: &JobSpec, staging: &Path) {
    report.log.0.truncate(LOG_BYTES_MAX + 256);
    let stage = report.attempt.task.stage;
    let broken = match &mut report.outcome {
        Outcome::Mapped(_) if stage != Stage::Map => Err(format!("a {stage} reported a map's result")),
        Outcome::Reduced(_) if stage != Stage::Reduce => Err(format!("a {stage} reported a reduce's result")),
        Outcome::Mapped(map) if spec.reduces == 0 => {
            check_staged(staging, &map.path).and_then(|()| check_stats(&map.stats))
        }
        Outcome::Mapped(map) => {
            check_run(&map.path, map.partitions.len(), spec.reduces).and_then(|()| check_stats(&map.stats))
        }
        Outcome::Reduced(reduce) => {
            check_staged(staging, &reduce.path).and_then(|()| check_stats(&reduce.stats))
        }
        Outcome::Sampled(_) if stage != Stage::Sample => Err(format!("a {stage} reported a sample")),
        Outcome::Sampled(sample) => check_sample(sample).and_then(|()| check_stats(&sample.stats)),
        Outcome::Failed(failure) => {
            cut(&mut failure.message, MESSAGE_BYTES_MAX);
            if let Some(location) = &mut failure.location {
                location.document.0.truncate(MESSAGE_BYTES_MAX);
            }
            Ok(())
        }
        Outcome::RunsLost(runs) => {
            runs.truncate(LOST_RUNS_MAX);
            runs.iter_mut().for_each(|run| cut(&mut run.reason, MESSAGE_BYTES_MAX));
            Ok(())
        }
        Outcome::Cancelled => Ok(()),
    };
    if let Err(message) = broken {
        report.outcome =
            Outcome::Failed(TaskFailure { cause: FailureCause::Plugin, message, location: None });
    }
}

/// How an attempt ended, in a word or two, and whether it failed.
pub(crate) fn outcome(report: &Report) -> (String, bool) {
    match &report.outcome {
        Outcome::Mapped(_) | Outcome::Reduced(_) | Outcome::Sampled(_) => ("done".to_owned(), false),
        Outcome::Failed(failure) => (failure.cause.to_string(), true),
        Outcome::RunsLost(_) => ("runs lost".to_owned(), true),
        Outcome::Cancelled => ("cancelled".to_owned(), false),
    }
}

fn check_staged(staging: &Path, path: &PathBytes) -> Result<(), String> {
    let file = path.to_path();
    // `a/..` has no file name, and one below a subdirectory has another parent.
    let inside = file.parent() == Some(staging) && file.file_name().is_some() && !path.0.contains(&0);
    if inside { Ok(()) } else { Err(format!("the output {path} is not in the job's staging directory")) }
}

fn check_run(path: &PathBytes, partitions: usize, reduces: u32) -> Result<(), String> {
    if path.0.len() > RUN_PATH_BYTES_MAX || !path.to_path().is_absolute() {
        return Err(format!("the run's path must be absolute and have at most {RUN_PATH_BYTES_MAX} bytes"));
    }
    if partitions != reduces as usize {
        return Err(format!("the run has {partitions} partitions where the job has {reduces}"));
    }
    Ok(())
}

fn check_sample(sample: &SampleResult) -> Result<(), String> {
    let (keys, bytes) = (sample.keys.len(), sample.keys.iter().map(|key| key.key.0.len()).sum::<usize>());
    if keys <= SampleResult::KEYS_MAX && bytes <= SampleResult::BYTES_MAX {
        return Ok(());
    }
    Err(format!(
        "the sample has {keys} keys of {bytes} bytes, more than {} or {}",
        SampleResult::KEYS_MAX,
        SampleResult::BYTES_MAX
    ))
}

fn check_stats(stats: &AttemptStats) -> Result<(), String> {
    if stats.counters.len() > COUNTERS_MAX {
        return Err(format!("the app has {} counters, more than {COUNTERS_MAX}", stats.counters.len()));
    }
    match stats.counters.keys().find(|name| name.len() > COUNTER_BYTES_MAX) {
        Some(_) => Err(format!("the name of a counter has more than {COUNTER_BYTES_MAX} bytes")),
        None => Ok(()),
    }
}

fn cut(text: &mut String, bytes_max: usize) {
    text.truncate(text.floor_char_boundary(bytes_max));
}
