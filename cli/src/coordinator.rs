//! `gristmill coordinator`.

use anyhow::Context;
use gristmill_coordinator::{Config, Coordinator};

use crate::arguments::CoordinatorArguments;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::signal::Stop;

/// Serves until a signal comes.
pub(crate) async fn coordinator(arguments: CoordinatorArguments) -> Outcome {
    let mut stop = Stop::listen().map_err(Failure::failed)?;
    let listener = gristmill_protocol::listen(arguments.listen).await.map_err(Failure::usage)?;
    let temporary = match &arguments.data_dir {
        Some(_) => None,
        None => {
            let made = tempfile::Builder::new().prefix("gristmill-coordinator-").tempdir();
            Some(made.context("make a temporary directory").map_err(Failure::usage)?)
        }
    };
    let data_dir = match (&arguments.data_dir, &temporary) {
        (Some(chosen), _) => chosen.clone(),
        (None, Some(made)) => made.path().to_owned(),
        (None, None) => return Err(Failure::failed(anyhow::anyhow!("no data directory"))),
    };
    let coordinator = Coordinator::start(Config::new(data_dir)).await.map_err(Failure::usage)?;
    let address = coordinator.serve(listener).map_err(Failure::usage)?;
    output::result(&format!("listening {address}\n"))?;
    tokio::select! {
        () = stop.next() => {}
        () = coordinator.ended() => {}
    }
    tokio::select! {
        ended = coordinator.shutdown() => ended.map_err(Failure::failed),
        () = stop.next() => Err(Failure::failed(anyhow::anyhow!("stopped at once"))),
    }
}
