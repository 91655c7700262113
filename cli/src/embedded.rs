//! A coordinator and a worker in this process, for `run` and `check`. Client, coordinator and agent talk through memory; slots are child
//! processes as ever.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gristmill_coordinator::{Config, Coordinator, Membership};
use gristmill_protocol::Client;
use gristmill_worker::{Exit, WorkerConfig, WorkerError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::{Failure, Outcome};
use crate::place::{self, Place};
use crate::state_dir::StateDir;
use crate::worker;

/// An engine of one's own. [`finish`](Self::finish) or [`abandon`](Self::abandon) it.
pub(crate) struct Embedded {
    coordinator: Coordinator,
    client: Client,
    worker: Option<JoinHandle<Result<Exit, WorkerError>>>,
    shutdown: oneshot::Sender<()>,
    address: Option<SocketAddr>,
    place: Place,
}

/// A coordinator in the same process is there, or all is over.
const PATIENCE: Duration = Duration::from_secs(5);

impl Embedded {
    /// Starts it with so many slots (with none, workers must join at `listen`). All its files are in a temporary directory, or, so that
    /// another run can go on with its job, in that of its state; intermediate ones in `work_dir` if that is given.
    pub(crate) async fn start(
        slots: u32,
        listen: Option<SocketAddr>,
        work_dir: Option<PathBuf>,
        state: Option<&StateDir>,
    ) -> Outcome<Self> {
        let place = Place::make("gristmill-run-").map_err(place::cannot_make)?;
        let listener = match listen {
            Some(address) => Some(gristmill_protocol::listen(address).await.map_err(Failure::usage)?),
            None => None,
        };
        let coordinator = match state {
            Some(state) => {
                let mut config = Config::new(state.coordinator());
                config.workers_died = listen.is_none();
                let started = Coordinator::start_member(config, Membership::closed()).await;
                started.map_err(Failure::usage)?
            }
            None => Coordinator::start(Config::new(place.path().join("coordinator")))
                .await
                .map_err(|error| Failure::usage(error).hint(place::HINT))?,
        };
        let address =
            listener.map(|listener| coordinator.serve(listener)).transpose().map_err(Failure::usage)?;
        let endpoint = coordinator.endpoint();
        let (shutdown, stopped) = oneshot::channel();
        let worker = if slots == 0 {
            None
        } else {
            let config = WorkerConfig {
                name: worker::default_name(),
                slots,
                work_dir: work_dir
                    .or_else(|| state.map(StateDir::work))
                    .unwrap_or_else(|| place.path().join("work")),
                slot_command: worker::slot_command()?,
                endpoint: endpoint.clone(),
                reconnect: Some(PATIENCE),
            };
            Some(tokio::spawn(gristmill_worker::run(config, async move { drop(stopped.await) })))
        };
        Ok(Self { coordinator, client: Client::new(endpoint, PATIENCE), worker, shutdown, address, place })
    }

    /// Its client.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Where workers can join.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Completes only if the worker or the coordinator ends before it was told to: then no job gets on.
    pub(crate) async fn broken(&mut self) -> Failure {
        let worker = async {
            match &mut self.worker {
                Some(worker) => worker.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = worker => {
                self.worker = None;
                match ended {
                    Ok(Err(error)) => worker::failed(error),
                    Ok(Ok(_)) => Failure::failed(anyhow::anyhow!("the worker has ended")),
                    Err(error) => Failure::failed(anyhow::Error::new(error).context("the worker has crashed")),
                }
            }
            () = self.coordinator.ended() => Failure::failed(anyhow::anyhow!("the coordinator has ended")),
        }
    }

    /// Lets the workers go, which end with success, and removes all files. All jobs must be over.
    pub(crate) async fn finish(self) -> Outcome {
        let finished = self.coordinator.finish().await;
        if let Some(worker) = self.worker {
            let _ = worker.await;
        }
        remove(self.place);
        finished.map_err(Failure::failed)
    }

    /// Ends at once, whatever goes on, and removes all files.
    pub(crate) async fn abandon(self) {
        drop(self.shutdown);
        if let Some(worker) = self.worker {
            let _ = worker.await;
        }
        if let Err(error) = self.coordinator.shutdown().await {
            tracing::warn!(%error, "the coordinator");
        }
        remove(self.place);
    }
}

fn remove(place: Place) {
    if let Err(error) = place.close() {
        tracing::warn!(%error, "cannot remove the temporary directory");
    }
}
