//! `gristmill coordinator`: alone and forgetful, alone with its jobs on disk, or a member of a group.

use std::time::Duration;

use gristmill_coordinator::{Config, Coordinator};
use gristmill_protocol::{CallError, Client};

use crate::arguments::CoordinatorArguments;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::place::{self, Place};
use crate::signal::Stop;

/// How long jobs may take to clear away what they have staged.
const CANCEL_MAX: Duration = Duration::from_secs(10);

/// Serves until a signal comes.
pub(crate) async fn coordinator(arguments: CoordinatorArguments) -> Outcome {
    let mut stop = Stop::listen().map_err(Failure::failed)?;
    let listener = gristmill_protocol::listen(arguments.listen).await.map_err(Failure::usage)?;
    // Removed when it goes out of scope, at the very end.
    let mut temporary = None;
    let coordinator = match &arguments.data_dir {
        Some(data_dir) => {
            let here = listener.local_addr().map_err(Failure::usage)?;
            let membership = arguments.membership(here).map_err(Failure::wrong)?;
            let started = Coordinator::start_member(Config::new(data_dir), membership).await;
            started.inspect(|coordinator| {
                for warning in arguments.warnings(here, coordinator.known_members()) {
                    output::error(&format!("gristmill: warning: {warning}"));
                }
            })
        }
        None => {
            let made = temporary.insert(Place::make("gristmill-coordinator-").map_err(place::cannot_make)?);
            Coordinator::start(Config::new(made.path().join("data"))).await
        }
    };
    let coordinator = coordinator.map_err(Failure::usage)?;
    let address = coordinator.serve(listener).map_err(Failure::usage)?;
    output::result(&format!("listening {address}\n"))?;
    tokio::select! {
        () = stop.next() => {}
        () = coordinator.ended() => {}
    }
    let forgets = temporary.is_some();
    let ending = async {
        if forgets {
            cancel_jobs(&coordinator).await;
        }
        coordinator.shutdown().await
    };
    tokio::select! {
        ended = ending => ended.map_err(Failure::failed),
        () = stop.next() => Err(Failure::failed(anyhow::anyhow!("stopped at once"))),
    }
}

/// Jobs end with the process, as nothing of them is on disk: nobody could go on with them, so nothing of them may stay.
async fn cancel_jobs(coordinator: &Coordinator) {
    let client = Client::new(coordinator.endpoint(), Duration::ZERO);
    let cancelled = async {
        for job in client.jobs().await?.into_iter().filter(|job| !job.phase.is_final()) {
            client.cancel(job.id).await?;
            client.wait_job(job.id).await?;
        }
        Ok::<(), CallError>(())
    };
    match tokio::time::timeout(CANCEL_MAX, cancelled).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "jobs could not be cancelled"),
        Err(_) => tracing::warn!("jobs take too long to clear away what they have staged"),
    }
}
