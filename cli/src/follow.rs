//! Follows a job to its end: shows progress, cancels it when asked to stop.

use std::time::{Duration, Instant};

use gristmill_coordinator::Summary;
use gristmill_model::{JobId, JobPhase, JobStatus};
use gristmill_protocol::Client;

use crate::failure::{Exit, Failure, Outcome};
use crate::inspect::{call_failed, now};
use crate::output;
use crate::render::{self, Progress};
use crate::signal::Stop;

/// Longest pause between two looks at a job that changes all the time.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Waits for the end of a job and gives back its last status. A signal cancels it; a second one gives up at once.
pub(crate) async fn follow(
    client: &Client,
    job: JobId,
    stop: &mut Stop,
    progress: &mut Progress,
) -> Outcome<JobStatus> {
    let started = Instant::now();
    let mut watch = client.watch(job);
    let mut cancelled = false;
    loop {
        tokio::select! {
            status = watch.next() => {
                let Some(status) = status.map_err(call_failed)? else {
                    return Err(Failure::failed(anyhow::anyhow!("{job} ended without a word")));
                };
                progress.show(&status);
                if status.phase.is_final() {
                    return Ok(status);
                }
            }
            () = stop.next() => {
                if cancelled {
                    return Err(Failure::failed(anyhow::anyhow!("stopped before {job} was cancelled")));
                }
                cancelled = true;
                progress.say(&format!("gristmill: cancelling {job}; interrupt again to stop at once"));
                client.cancel(job).await.map_err(call_failed)?;
            }
        }
        // A twentieth of the time that the job has run is lost at most, and the coordinator is not asked without end.
        let pause = (started.elapsed() / 20).min(PAUSE_MAX);
        if pause > Duration::from_millis(2) && !cancelled {
            tokio::time::sleep(pause).await;
        }
    }
}

/// Tells how a job ended, and with which exit status the command has to.
pub(crate) fn tell(status: &JobStatus, as_json: bool) -> Outcome {
    let summary = Summary::of(status, now());
    output::result(&if as_json { render::json(&summary) } else { render::summary(&summary) })?;
    let error = match &status.phase {
        JobPhase::Failed(reason) => anyhow::anyhow!("{} failed: {reason}", status.id),
        JobPhase::Cancelled => anyhow::anyhow!("{} was cancelled", status.id),
        JobPhase::Sampling
        | JobPhase::Mapping
        | JobPhase::Reducing
        | JobPhase::Committing
        | JobPhase::Done => return Ok(()),
    };
    Err(Failure { exit: Exit::Failed, error, hint: None })
}
