//! A running coordinator: started, served, finished.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gristmill_model::Sha256;
use gristmill_protocol::{
    Endpoint, ListenError, Listener, MemoryConnector, PeerLink, check_loopback, memory, serve,
};
use gristmill_replication::{Config as ReplicationConfig, Network, Node, Store};
use gristmill_scheduler::State;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::attempt_logs::AttemptLogs;
use crate::blobs::{Blobs, InUse};
use crate::clock::Clock;
use crate::commit::Outputs;
use crate::data_dir::{BLOBS, DataDir};
use crate::desk::Desk;
use crate::event::Event;
use crate::group::{Group, PeerNetwork};
use crate::history::History;
use crate::main_loop::Tools;
use crate::node::{self, Standing};
use crate::replica::{MemoryReplica, Replica, ReplicaError, Replicated};
use crate::{Config, Membership};

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
    /// It holds something that no coordinator has left there.
    #[error(
        "{path:?} holds {name:?}, which no coordinator has left there; choose an empty or new directory for --data-dir"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// What it holds.
        name: OsString,
    },
    /// Another coordinator has it.
    #[error("another coordinator is using {path:?}; stop it or choose another --data-dir")]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Its replica of the jobs cannot be used.
    #[error(transparent)]
    Replication(#[from] gristmill_replication::StartError),
}

/// Why a running coordinator ended before it was told to. Whoever waited was told that it is unavailable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the coordinator ended: {0}")]
pub struct Fault(String);

impl Fault {
    pub(crate) fn new(reason: String) -> Self {
        Self(reason)
    }
}

impl From<ReplicaError> for Fault {
    fn from(error: ReplicaError) -> Self {
        Self(error.to_string())
    }
}

/// A running coordinator. Ends when it is told to, or when it is dropped.
pub struct Coordinator {
    desk: Arc<Desk>,
    connector: MemoryConnector,
    stop: watch::Sender<bool>,
    /// Tells the servers that the coordinator has ended.
    ended: watch::Receiver<bool>,
    main: Mutex<Option<JoinHandle<Result<(), Fault>>>>,
    servers: Mutex<Vec<JoinHandle<()>>>,
    known: BTreeMap<u64, String>,
}

/// Its directory, and who writes there while it runs.
pub(crate) struct Disk {
    data_dir: DataDir,
    logs: AttemptLogs,
    history: History,
}

impl Disk {
    /// Gives the directory back when all is written.
    pub(crate) async fn close(self) {
        self.logs.written().await;
        self.history.written().await;
        drop(self.data_dir);
    }
}

/// What a coordinator is made of before it runs.
pub(crate) struct Parts {
    pub(crate) disk: Disk,
    pub(crate) desk: Desk,
    pub(crate) tools: Tools,
    pub(crate) received: mpsc::UnboundedReceiver<Event>,
}

/// What a member of a group has besides.
pub(crate) struct MemberParts {
    pub(crate) parts: Parts,
    pub(crate) node: Node<Replicated>,
    pub(crate) standing: watch::Sender<Standing>,
}

impl Coordinator {
    /// Starts one that keeps its jobs in memory: it forgets them when it ends. Must be called within a tokio runtime.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let replica = MemoryReplica::default();
        let state = replica.clone();
        let in_use: InUse = Box::new(move || plugins_in_use(&state.read()));
        let (_, standing) = watch::channel(Standing::Leading);
        let Parts { disk, desk, tools, received } = assemble(config, data_dir, in_use, standing, None)?;
        Ok(Self::run(disk, desk, |stopped| node::lead_alone(replica, tools, received, stopped), None))
    }

    /// Starts a member of a group, which keeps its jobs on disk. Peers reach it once it [serves](Self::serve).
    pub async fn start_member(config: Config, membership: Membership) -> Result<Self, StartError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let Membership { id, members, listens, timers, alone } = membership;
        let link = PeerLink::new();
        // It is there before blobs are.
        let was_here = data_dir.has_blobs();
        let store = Store::Directory(data_dir.subdirectory("replica")?);
        let replication = ReplicationConfig {
            listens: listens.map(|address| address.to_string()),
            timers,
            alone,
            was_here,
            ..ReplicationConfig::new(id, members, store)
        };
        let network = PeerNetwork(link.clone());
        let MemberParts { parts, node, standing } =
            assemble_member(config, data_dir, replication, link, network).await?;
        let Parts { disk, desk, tools, received } = parts;
        let turns = node.clone();
        let main = move |stopped| node::take_turns(turns, tools, standing, received, stopped);
        Ok(Self::run(disk, desk, main, Some(node)))
    }

    fn run<F>(
        disk: Disk,
        desk: Desk,
        main: impl FnOnce(watch::Receiver<bool>) -> F,
        node: Option<Node<Replicated>>,
    ) -> Self
    where
        F: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let known = node.as_ref().map(|node| node.known_members().clone()).unwrap_or_default();
        let (stop, stopped) = watch::channel(false);
        let (ended_sender, ended) = watch::channel(false);
        let main = main(stopped);
        let main = tokio::spawn(async move {
            let result = main.await;
            if let Err(error) = &result {
                tracing::error!(%error, "the coordinator ends");
            }
            if let Some(node) = node {
                node.shutdown().await;
            }
            disk.close().await;
            let _ = ended_sender.send(true);
            result
        });
        let (connector, listener) = memory();
        let desk = Arc::new(desk);
        let server = tokio::spawn(run_server(Listener::Memory(listener), desk.clone(), ended.clone()));
        let (main, servers) = (Mutex::new(Some(main)), Mutex::new(vec![server]));
        Self { desk, connector, stop, ended, main, servers, known }
    }

    /// The members of its group as it knew them when it started, with their addresses; none if it is no member yet.
    pub fn known_members(&self) -> &BTreeMap<u64, String> {
        &self.known
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
        f.debug_struct("Coordinator").finish_non_exhaustive()
    }
}

fn plugins_in_use(state: &State) -> BTreeSet<Sha256> {
    let live = state.live_jobs().into_iter().filter_map(|job| state.spec(job).map(|spec| spec.plugin.sha256));
    live.collect()
}

/// Starts the replica of a member, and makes ready what leads and serves with it. It follows until it [takes its turn](node::take_turns).
pub(crate) async fn assemble_member(
    config: Config,
    data_dir: DataDir,
    replication: ReplicationConfig,
    link: PeerLink,
    network: impl Network,
) -> Result<MemberParts, StartError> {
    let id = replication.id;
    let node = Node::start(replication, network, Replicated::default()).await?;
    let group = Group::new(node.clone(), link, id);
    let machine = node.clone();
    let in_use: InUse = Box::new(move || plugins_in_use(&machine.machine().state));
    let (standing, watched) = watch::channel(Standing::Following(None));
    let parts = assemble(config, data_dir, in_use, watched, Some(group))?;
    Ok(MemberParts { parts, node, standing })
}

fn assemble(
    config: Config,
    data_dir: DataDir,
    in_use: InUse,
    standing: watch::Receiver<Standing>,
    group: Option<Group>,
) -> Result<Parts, StartError> {
    let failed = |path: PathBuf| move |source| StartError::DataDir { path, source };
    let blob_dir = data_dir.subdirectory(BLOBS)?;
    let blobs = Blobs::open(blob_dir.clone(), config.blobs_bytes_max, group.is_some(), in_use);
    let blobs = Arc::new(blobs.map_err(failed(blob_dir))?);
    let log_dir = data_dir.subdirectory("logs")?;
    let afresh = group.is_none();
    let logs =
        AttemptLogs::start(log_dir.clone(), config.job_log_bytes_max, afresh).map_err(failed(log_dir))?;
    let history = History::new(&config.data_dir);
    let (events, received) = mpsc::unbounded_channel();
    let tools = Tools {
        clock: Clock::start(),
        events: events.downgrade(),
        logs: logs.clone(),
        outputs: Outputs::new(config.storage),
        history: history.clone(),
        heartbeat_ms: config.heartbeat_ms,
        idle_heartbeat_ms: config.idle_heartbeat_ms,
        workers_died: config.workers_died,
        settings: config.settings,
    };
    let disk = Disk { data_dir, logs: logs.clone(), history };
    Ok(Parts { disk, desk: Desk { events, blobs, logs, standing, group }, tools, received })
}

async fn run_server(listener: Listener, desk: Arc<Desk>, ended: watch::Receiver<bool>) {
    if let Err(error) = serve(listener, desk, ended).await {
        tracing::error!(%error, "a listener is not served");
    }
}
