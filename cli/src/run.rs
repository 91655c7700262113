//! `gristmill run`: a job from its arguments to its summary, in one go.

use crate::arguments::RunArguments;
use crate::embedded::Embedded;
use crate::failure::{Failure, Outcome};
use crate::follow;
use crate::job::Job;
use crate::output;
use crate::render::Progress;
use crate::signal::Stop;
use crate::worker;

/// Runs the job to its end.
pub(crate) async fn run(arguments: RunArguments) -> Outcome {
    let slots = arguments.slots.unwrap_or_else(worker::processors);
    if slots == 0 && arguments.listen.is_none() {
        return Err(Failure::wrong("with --slots 0 nothing would ever run")
            .hint("add --listen ADDR so that workers can join, or leave --slots out"));
    }
    let telling = arguments.telling;
    let job = Job::prepare(&arguments.job, telling.quiet)?;
    let mut stop = Stop::listen().map_err(Failure::failed)?;
    let mut engine = Embedded::start(slots, arguments.listen, arguments.work_dir).await?;
    if let Some(address) = engine.address().filter(|_| !telling.quiet) {
        output::error(&format!("listening {address}"));
    }
    // Known here, while the coordinator may not have met its worker yet.
    let options = arguments.job.options((slots > 0).then_some(slots));
    let mut progress = Progress::new(telling.quiet);
    let client = engine.client().clone();
    let followed = tokio::select! {
        followed = async {
            let id = job.submit(&client, options).await?;
            follow::follow(&client, id, &mut stop, &mut progress).await
        } => followed,
        failure = engine.broken() => Err(failure),
    };
    progress.finish();
    let status = match followed {
        Ok(status) => {
            tokio::select! {
                finished = engine.finish() => finished?,
                // The output is there already: who is in a hurry need not wait for the workers to leave.
                () = stop.next() => {}
            }
            status
        }
        Err(failure) => {
            tokio::select! {
                () = engine.abandon() => {}
                () = stop.next() => {}
            }
            return Err(failure);
        }
    };
    follow::tell(&status, telling.json)
}
