//! A coordinator and a worker in this process, for `run` and `check`. Client, coordinator and agent talk through memory; slots are child
//! processes as ever.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use gristmill_coordinator::{Config, Coordinator};
use gristmill_protocol::{Client, Endpoint};
use gristmill_worker::{Exit, WorkerConfig, WorkerError};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::{Failure, Outcome};
use crate::worker;

/// An engine of one's own. [`end`](Self::end) it: dropped, it leaves the rest to the operating system.
pub struct Embedded {
    coordinator: Coordinator,
    client: Client,
    worker: Option<JoinHandle<Result<Exit, WorkerError>>>,
    shutdown: oneshot::Sender<()>,
    address: Option<SocketAddr>,
    place: TempDir,
}

/// A coordinator in the same process is there, or all is over.
const PATIENCE: Duration = Duration::from_secs(5);

impl Embedded {
    /// Starts it with so many slots (with none, workers must join at `listen`). All its files are in a temporary directory, intermediate
    /// ones in `work_dir` if that is given.
    pub async fn start(slots: u32, listen: Option<SocketAddr>, work_dir: Option<PathBuf>) -> Outcome<Self> {
        let place = tempfile::Builder::new().prefix("gristmill-run-").tempdir();
        let place = place
            .with_context(|| format!("make a directory in {}", std::env::temp_dir().display()))
            .map_err(|error| Failure::usage(error).hint("set TMPDIR to a directory that can be written"))?;
        let listener = match listen {
            Some(address) => Some(gristmill_protocol::listen(address).await.map_err(Failure::usage)?),
            None => None,
        };
        let coordinator = Coordinator::start(Config::new(place.path().join("coordinator"))).await.map_err(Failure::failed)?;
        let mut address = None;
        if let Some(listener) = listener {
            address = listener.local_addr().ok();
            coordinator.serve(listener);
        }
        let endpoint = Endpoint::Memory(coordinator.connector());
        let (shutdown, stopped) = oneshot::channel();
        let worker = if slots == 0 {
            None
        } else {
            let config = WorkerConfig {
                name: worker::default_name(),
                slots,
                work_dir: work_dir.unwrap_or_else(|| place.path().join("work")),
                slot_command: worker::slot_command()?,
                endpoint: endpoint.clone(),
                reconnect: Some(PATIENCE),
            };
            Some(tokio::spawn(gristmill_worker::run(config, async move { drop(stopped.await) })))
        };
        Ok(Self { coordinator, client: Client::new(endpoint, PATIENCE), worker, shutdown, address, place })
    }

    /// Its client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where workers can join.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Completes only if the worker ends before it was told to: then no job gets on.
    pub async fn broken(&mut self) -> Failure {
        let Some(worker) = &mut self.worker else { return std::future::pending().await };
        let ended = worker.await;
        self.worker = None;
        match ended {
            Ok(Err(error)) => worker::failed(error),
            Ok(Ok(_)) => Failure::failed(anyhow::anyhow!("the worker has ended")),
            Err(error) => Failure::failed(anyhow::Error::new(error).context("the worker has crashed")),
        }
    }

    /// Lets the workers go and removes all files.
    pub async fn end(self) {
        self.coordinator.finish().await;
        if let Some(worker) = self.worker {
            let _ = worker.await;
        }
        drop(self.shutdown);
        self.coordinator.shutdown().await;
        let place = self.place;
        if let Err(error) = place.close() {
            tracing::warn!(%error, "cannot remove the temporary directory");
        }
    }
}
