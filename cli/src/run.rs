//! `gristmill run`: a job from its arguments to its summary, in one go.

use anyhow::Context;
use gristmill_model::Refusal;
use gristmill_protocol::CallError;

use crate::arguments::RunArguments;
use crate::embedded::Embedded;
use crate::failure::{Exit, Failure, Outcome};
use crate::follow;
use crate::job::Job;
use crate::output;
use crate::render::Progress;
use crate::signal::Stop;
use crate::state_dir::StateDir;
use crate::worker;

/// Runs the job to its end.
pub(crate) async fn run(arguments: RunArguments) -> Outcome {
    let slots = arguments.slots.unwrap_or_else(worker::processors);
    if slots == 0 && arguments.listen.is_none() {
        return Err(Failure::wrong("with --slots 0 nothing would ever run")
            .hint("add --listen ADDR so that workers can join, or leave --slots out"));
    }
    let telling = arguments.telling;
    let mut stop = Stop::listen().map_err(Failure::failed)?;
    let mut state =
        arguments.state_dir.as_deref().map(|path| StateDir::take(path, arguments.resume)).transpose()?;
    let resumes = state.as_ref().is_some_and(StateDir::resumes);
    let found = Job::find(&arguments.job, telling.quiet, resumes)?;
    // Known here, while the coordinator may not have met its worker yet.
    let options = arguments.job.options((slots > 0).then_some(slots));
    if let Some(state) = &mut state
        && let Some(status) = state.begin(&found.digest(&options)?)?
    {
        state.clear().context("clear the state of the run").map_err(Failure::failed)?;
        return follow::tell(&status, telling.json);
    }
    // The engine starts while the app is looked at; no job is put to it before that.
    let (job, engine) = tokio::join!(
        found.look(&mut stop),
        Embedded::start(slots, arguments.listen, arguments.work_dir, state.as_ref()),
    );
    let (job, mut engine) = match (job, engine) {
        (Ok(job), Ok(engine)) => (job, engine),
        (Err(failure), Ok(engine)) => {
            engine.abandon().await;
            return Err(failure);
        }
        (Err(failure), Err(_)) | (Ok(_), Err(failure)) => return Err(failure),
    };
    if let Some(address) = engine.address().filter(|_| !telling.quiet) {
        output::error(&format!("listening {address}"));
    }
    let mut progress = Progress::new(telling.quiet);
    let client = engine.client().clone();
    let mut started = false;
    let followed = tokio::select! {
        followed = async {
            let id = match resumes {
                true => job.resume(&client, options).await?,
                false => job.submit(&client, options).await?,
            };
            started = true;
            follow::follow(&client, id, &mut stop, &mut progress).await
        } => followed,
        failure = engine.broken() => Err(failure),
    };
    progress.finish();
    let status = match followed {
        Ok(status) => {
            if let Some(state) = &mut state {
                state.end(&status)?;
            }
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
            return Err(without_coordinator(failure, started));
        }
    };
    if let Some(state) = state {
        state.clear().context("clear the state of the run").map_err(Failure::failed)?;
    }
    follow::tell(&status, telling.json)
}

/// That something inside does not answer is no missing coordinator to whoever called `run` and never started one.
fn without_coordinator(mut failure: Failure, started: bool) -> Failure {
    if failure.exit != Exit::NoCoordinator {
        return failure;
    }
    failure.exit = if started { Exit::Failed } else { Exit::Usage };
    failure.hint = None;
    if let Some(CallError::Refused(Refusal::Unavailable(cause))) = failure.error.downcast_ref() {
        let cause = cause.clone();
        // What the system refuses to the coordinator is about its files.
        if cause.contains("(os error ") {
            let place = std::env::temp_dir();
            failure.hint = Some(format!(
                "temporary files are in {}; set TMPDIR to a directory that can be written and has room, and --work-dir for the files of tasks",
                place.display()
            ));
        }
        failure.error = anyhow::anyhow!(cause);
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::call_failed;

    fn refused(cause: &str) -> Failure {
        call_failed(CallError::Refused(Refusal::Unavailable(cause.to_owned())))
    }

    #[test]
    fn no_error_of_a_run_is_a_missing_coordinator() {
        let full =
            without_coordinator(refused("cannot store it: No space left on device (os error 28)"), false);
        assert_eq!(full.exit, Exit::Usage);
        let text = full.to_string();
        assert!(text.starts_with("gristmill: error: cannot store it: No space left"), "{text}");
        assert!(text.contains("TMPDIR") && text.contains("--work-dir"), "{text}");
        let ending = without_coordinator(refused("it is ending"), true);
        assert_eq!((ending.exit, ending.hint), (Exit::Failed, None));
    }
}
