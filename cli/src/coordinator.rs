//! `gristmill coordinator`.

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
    let temporary = match &arguments.data_dir {
        Some(_) => None,
        None => Some(Place::make("gristmill-coordinator-").map_err(place::cannot_make)?),
    };
    let data_dir = match (&arguments.data_dir, &temporary) {
        (Some(chosen), _) => chosen.clone(),
        (None, Some(made)) => made.path().join("data"),
        (None, None) => return Err(Failure::failed(anyhow::anyhow!("no data directory"))),
    };
    let coordinator = Coordinator::start(Config::new(data_dir)).await.map_err(Failure::usage)?;
    let address = coordinator.serve(listener).map_err(Failure::usage)?;
    output::result(&format!("listening {address}\n"))?;
    tokio::select! {
        () = stop.next() => {}
        () = coordinator.ended() => {}
    }
    let ending = async {
        cancel_jobs(&coordinator).await;
        coordinator.shutdown().await
    };
    tokio::select! {
        ended = ending => ended.map_err(Failure::failed),
        () = stop.next() => Err(Failure::failed(anyhow::anyhow!("stopped at once"))),
    }
}

/// Jobs end with the process, as the log of facts is in memory: nobody could go on with them, so nothing of them may stay.
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
