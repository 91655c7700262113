//! A coordinator made of two closures, and what it saw.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use gristmill_model::{ClusterId, JobId, JobPhase, JobStatus, PathBytes, Timestamp};
use gristmill_protocol::{
    Answer, ClientServiceRequest, ClientServiceResponse, ConnectionId, CoordinatorInfo, Endpoint,
    KvServiceRequest, KvServiceResponse, Lane, Listener, PeerServiceRequest, PeerServiceResponse, Services,
    WorkerServiceRequest, WorkerServiceResponse, memory, serve,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub(crate) type ClientCalls = dyn Fn(ClientServiceRequest) -> Answer<ClientServiceResponse> + Send + Sync;
pub(crate) type WorkerCalls = dyn Fn(WorkerServiceRequest) -> Answer<WorkerServiceResponse> + Send + Sync;

pub(crate) type KvCalls = dyn Fn(KvServiceRequest) -> Answer<KvServiceResponse> + Send + Sync;
pub(crate) type PeerCalls = dyn Fn(Lane, PeerServiceRequest) -> Answer<PeerServiceResponse> + Send + Sync;

/// How far a paused clock goes on at a time.
pub(crate) const STEP: Duration = Duration::from_millis(5);
/// How long it stands still before that.
const STANDSTILL: Duration = Duration::from_millis(1);

/// Lets a paused clock go on by small steps, for as long as it lives. By itself, the clock of an idle runtime jumps to the next time-out at
/// once, also where bytes are on their way through a real socket and the system has only not got round to them.
pub(crate) struct SteppedClock(JoinHandle<()>);

impl SteppedClock {
    pub(crate) fn start() -> Self {
        Self(tokio::spawn(async {
            loop {
                // As long as something blocks, the clock does not jump.
                let stood = tokio::task::spawn_blocking(|| std::thread::sleep(STANDSTILL));
                stood.await.unwrap();
                tokio::time::advance(STEP).await;
            }
        }))
    }
}

impl Drop for SteppedClock {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) struct Fake {
    client: Box<ClientCalls>,
    worker: Box<WorkerCalls>,
    kv: Box<KvCalls>,
    peer: Box<PeerCalls>,
    closed: mpsc::UnboundedSender<ConnectionId>,
}

impl Fake {
    pub(crate) fn new(
        client: impl Fn(ClientServiceRequest) -> Answer<ClientServiceResponse> + Send + Sync + 'static,
        worker: impl Fn(WorkerServiceRequest) -> Answer<WorkerServiceResponse> + Send + Sync + 'static,
        closed: mpsc::UnboundedSender<ConnectionId>,
    ) -> Self {
        let (kv, peer) = (Box::new(never), Box::new(|_, call| never(call)));
        Self { client: Box::new(client), worker: Box::new(worker), kv, peer, closed }
    }

    pub(crate) fn with_kv(
        self,
        kv: impl Fn(KvServiceRequest) -> Answer<KvServiceResponse> + Send + Sync + 'static,
    ) -> Self {
        Self { kv: Box::new(kv), ..self }
    }

    pub(crate) fn with_peer(
        self,
        peer: impl Fn(Lane, PeerServiceRequest) -> Answer<PeerServiceResponse> + Send + Sync + 'static,
    ) -> Self {
        Self { peer: Box::new(peer), ..self }
    }
}

impl Services for Fake {
    fn client(&self, _: ConnectionId, call: ClientServiceRequest) -> Answer<ClientServiceResponse> {
        (self.client)(call)
    }

    fn worker(&self, _: ConnectionId, call: WorkerServiceRequest) -> Answer<WorkerServiceResponse> {
        (self.worker)(call)
    }

    fn kv(&self, _: ConnectionId, call: KvServiceRequest) -> Answer<KvServiceResponse> {
        (self.kv)(call)
    }

    fn peer(&self, _: ConnectionId, lane: Lane, call: PeerServiceRequest) -> Answer<PeerServiceResponse> {
        (self.peer)(lane, call)
    }

    fn closed(&self, connection: ConnectionId) {
        let _ = self.closed.send(connection);
    }
}

/// A running fake; ends when dropped.
pub(crate) struct Running {
    pub(crate) closed: mpsc::UnboundedReceiver<ConnectionId>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) fn start(
    listener: Listener,
    client: impl Fn(ClientServiceRequest) -> Answer<ClientServiceResponse> + Send + Sync + 'static,
    worker: impl Fn(WorkerServiceRequest) -> Answer<WorkerServiceResponse> + Send + Sync + 'static,
) -> Running {
    start_as(listener, |closed| Fake::new(client, worker, closed))
}

/// Starts a fake that is told where to report the ends of connections.
pub(crate) fn start_as(
    listener: Listener,
    fake: impl FnOnce(mpsc::UnboundedSender<ConnectionId>) -> Fake,
) -> Running {
    let (closed_sender, closed) = mpsc::unbounded_channel();
    let fake = fake(closed_sender);
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(async move { serve(listener, Arc::new(fake), stopped).await.unwrap() });
    Running { closed, stop, task }
}

pub(crate) fn in_memory(
    client: impl Fn(ClientServiceRequest) -> Answer<ClientServiceResponse> + Send + Sync + 'static,
) -> (Running, Endpoint) {
    let (connector, listener) = memory();
    (start(Listener::Memory(listener), client, never), Endpoint::Memory(connector))
}

pub(crate) fn worker_in_memory(
    worker: impl Fn(WorkerServiceRequest) -> Answer<WorkerServiceResponse> + Send + Sync + 'static,
) -> (Running, Endpoint) {
    let (connector, listener) = memory();
    (start(Listener::Memory(listener), never, worker), Endpoint::Memory(connector))
}

pub(crate) fn at_once<T: Send + 'static>(answer: T) -> Answer<T> {
    async { Ok(answer) }.boxed()
}

pub(crate) fn never<Call, T: Send + 'static>(_: Call) -> Answer<T> {
    futures::future::pending().boxed()
}

pub(crate) fn info() -> CoordinatorInfo {
    CoordinatorInfo {
        cluster: ClusterId(5),
        version: "1.2.3".to_owned(),
        slots: 8,
        node: Some(1),
        leader: Some(1),
    }
}

pub(crate) fn says_info(call: ClientServiceRequest) -> Answer<ClientServiceResponse> {
    match call {
        ClientServiceRequest::Info { .. } => at_once(ClientServiceResponse::Info(Ok(info()))),
        other => panic!("unexpected call {other:?}"),
    }
}

pub(crate) fn status(job: u64, revision: u64, phase: JobPhase) -> JobStatus {
    JobStatus {
        id: JobId(job),
        app: "wc".to_owned(),
        output: PathBytes::from("/out"),
        phase,
        revision,
        submitted: Timestamp::from_ms(1),
        ended: None,
        sample: Default::default(),
        map: Default::default(),
        reduce: Default::default(),
        attempts: Default::default(),
        map_stats: Default::default(),
        reduce_stats: Default::default(),
        counters: Default::default(),
        slowest: None,
        biggest_partition: None,
        warnings: Vec::new(),
    }
}

/// The first bytes of a caller in the role of this code.
pub(crate) fn preamble(role: u8) -> [u8; 16] {
    let mut bytes = *b"\x89GRIST\r\n\0\0\0\0\0\0\0\0";
    bytes[8..12].copy_from_slice(&gristmill_protocol::PROTOCOL_VERSION.to_le_bytes());
    bytes[12] = role;
    bytes
}
