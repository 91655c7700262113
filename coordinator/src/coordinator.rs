//! A running coordinator: started, served, finished.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gristmill_model::ClusterId;
use gristmill_protocol::{Endpoint, ListenError, Listener, MemoryConnector, check_loopback, memory, serve};
use gristmill_scheduler::{Fact, Leader, State, apply};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::Config;
use crate::attempt_logs::AttemptLogs;
use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::commit::Outputs;
use crate::data_dir::DataDir;
use crate::desk::Desk;
use crate::event::Event;
use crate::fact_log::{FactLog, MemoryLog};
use crate::main_loop::{MainLoop, Tools};

/// Why a coordinator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its directory cannot be used.
    #[error("use {path:?} as the coordinator's directory")]
    DataDir {
        /// What could not be used.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another coordinator has it.
    #[error("another coordinator is using {path:?}; stop it or choose another --data-dir")]
    Locked {
        /// The directory.
        path: PathBuf,
    },
}

/// Why a running coordinator ended before it was told to. Whoever waited was told that it is unavailable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the coordinator ended: {0}")]
pub struct Fault(String);

/// A running coordinator. Ends when it is told to, or when it is dropped.
pub struct Coordinator {
    cluster: ClusterId,
    desk: Arc<Desk>,
    connector: MemoryConnector,
    stop: watch::Sender<bool>,
    /// Tells the servers that the main loop has ended.
    ended: watch::Receiver<bool>,
    main: Mutex<Option<JoinHandle<Result<(), Fault>>>>,
    servers: Mutex<Vec<JoinHandle<()>>>,
}

impl Coordinator {
    /// Starts one that keeps its facts in memory: it forgets its jobs when it ends. Must be called within a tokio runtime.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with_log(config, MemoryLog).await
    }

    /// Starts one whose facts go through `log`, which is empty.
    pub async fn start_with_log(config: Config, log: impl FactLog) -> Result<Self, StartError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let cluster = ClusterId(rand::random());
        let (events, received) = mpsc::unbounded_channel();
        let desk = open_desk(&config, &data_dir, events.clone())?;
        let tools = Tools {
            events: events.downgrade(),
            blobs: desk.blobs.clone(),
            logs: desk.logs.clone(),
            outputs: Outputs::new(config.storage, cluster),
            heartbeat_ms: config.heartbeat_ms,
        };
        let clock = Clock::start();
        let mut state = State::new();
        // A state without facts takes no other first.
        let _ = apply(&mut state, &Fact::Founded { cluster });
        let leader = Leader::new(&state, clock.now(), config.settings);
        let (stop, stopped) = watch::channel(false);
        let (ended_sender, ended) = watch::channel(false);
        let main_loop = MainLoop::new(clock, log, state, leader, tools);
        let main = tokio::spawn(async move {
            let result = main_loop.run(received, stopped).await;
            if let Err(error) = &result {
                tracing::error!(%error, "the coordinator ends");
            }
            drop(data_dir);
            let _ = ended_sender.send(true);
            result.map_err(|error| Fault(error.to_string()))
        });
        let (connector, listener) = memory();
        let desk = Arc::new(desk);
        let server = tokio::spawn(run_server(Listener::Memory(listener), desk.clone(), ended.clone()));
        let (main, servers) = (Mutex::new(Some(main)), Mutex::new(vec![server]));
        Ok(Self { cluster, desk, connector, stop, ended, main, servers })
    }

    /// The cluster it founded.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// How clients and workers of this process reach it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Memory(self.connector.clone())
    }

    /// Makes connections within this process; [`endpoint`](Self::endpoint) holds the same.
    pub fn connector(&self) -> MemoryConnector {
        self.connector.clone()
    }

    /// Serves clients and workers on a port too, see [`gristmill_protocol::listen`]. Returns its address; refuses one beyond loopback.
    pub fn serve(&self, listener: TcpListener) -> Result<SocketAddr, ListenError> {
        let address = listener.local_addr().map_err(|source| ListenError::Unusable { source })?;
        check_loopback(address)?;
        let server = run_server(Listener::Tcp(listener), self.desk.clone(), self.ended.clone());
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).push(tokio::spawn(server));
        Ok(address)
    }

    /// Takes no more jobs; when the last is over, tells the workers to leave with success and waits (a few seconds at most) until they
    /// have. Then ends. Do not await it while a job goes on that nobody else will end.
    pub async fn finish(self) -> Result<(), Fault> {
        let _ = self.desk.events.send(Event::Finish);
        self.end().await
    }

    /// Ends at once. Whoever waits is told that the coordinator is unavailable.
    pub async fn shutdown(self) -> Result<(), Fault> {
        let _ = self.stop.send(true);
        self.end().await
    }

    /// Returns when it has ended by itself, which it does only when something is badly wrong; why, [`shutdown`](Self::shutdown) says.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|ended| *ended).await;
    }

    async fn end(self) -> Result<(), Fault> {
        let main = self.main.lock().unwrap_or_else(PoisonError::into_inner).take();
        let result = match main {
            Some(main) => main.await.unwrap_or_else(|error| Err(Fault(error.to_string()))),
            None => Ok(()),
        };
        let servers = std::mem::take(&mut *self.servers.lock().unwrap_or_else(PoisonError::into_inner));
        for server in servers {
            let _ = server.await;
        }
        result
    }
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

fn open_desk(
    config: &Config,
    data_dir: &DataDir,
    events: mpsc::UnboundedSender<Event>,
) -> Result<Desk, StartError> {
    let failed = |path: PathBuf| move |source| StartError::DataDir { path, source };
    let blob_dir = data_dir.subdirectory("blobs")?;
    let blobs = Blobs::open(blob_dir.clone(), config.blobs_bytes_max).map_err(failed(blob_dir))?;
    let log_dir = data_dir.subdirectory("logs")?;
    let logs = AttemptLogs::start(log_dir.clone(), config.job_log_bytes_max).map_err(failed(log_dir))?;
    Ok(Desk { events, blobs: Arc::new(blobs), logs })
}

async fn run_server(listener: Listener, desk: Arc<Desk>, ended: watch::Receiver<bool>) {
    if let Err(error) = serve(listener, desk, ended).await {
        tracing::error!(%error, "a listener is not served");
    }
}
