//! `gristmill submit`: gives a job to a running coordinator, and with `--wait` sees it through.

use std::time::Duration;

use crate::arguments::SubmitArguments;
use crate::failure::{Failure, Outcome};
use crate::follow;
use crate::inspect::{call_failed, client};
use crate::job::Job;
use crate::output;
use crate::render::{self, Progress};
use crate::signal::Stop;

/// How long a coordinator that went away during a job is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Submits, and waits if that is wanted.
pub(crate) async fn submit(arguments: SubmitArguments) -> Outcome {
    let client = client(&arguments.coordinator)?;
    let telling = arguments.telling;
    // Before the app is built: a coordinator that is not there is told at once.
    client.info().await.map_err(call_failed)?;
    let mut stop = Stop::listen().map_err(Failure::failed)?;
    let job = Job::find(&arguments.job, telling.quiet, false)?.look(&mut stop).await?;
    let id = job.submit(&client, arguments.job.options(None)).await?;
    if !arguments.wait {
        let text = if telling.json {
            render::json(&serde_json::json!({ "job": id.to_string() }))
        } else {
            format!("job {id}\n")
        };
        return output::result(&text);
    }
    let mut progress = Progress::new(telling.quiet);
    let followed = follow::follow(&client.with_patience(PATIENCE), id, &mut stop, &mut progress).await;
    progress.finish();
    follow::tell(&followed?, telling.json)
}
