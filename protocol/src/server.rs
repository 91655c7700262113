//! The coordinator's end of connections: accepts, agrees on the protocol, carries requests to the services and answers back.
//!
//! Decides nothing. What it bounds: connections, time in the preamble, requests in flight per connection, frames. What it promises:
//! [`Services::closed`] is called once for every connection that was opened, as soon as the caller has gone, even while a
//! long poll of it waits; that poll's future is dropped first.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream, StreamExt};
use gristmill_model::Blob;
use serde::{Deserialize, Serialize};
use tarpc::server::{BaseChannel, Channel, Config};
use tarpc::{RequestName, ServerError};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::endpoint::{ListenError, check_loopback};
use crate::limits::{CONNECTIONS_MAX, OTHER_FILES, REQUESTS_PER_CONNECTION_MAX, TURNED_AWAY_MAX};
use crate::memory::MemoryListener;
use crate::parts::Parts;
use crate::preamble::{self, Role};
use crate::transport::{BoxIo, server_transport};
use crate::{
    ClientServiceRequest, ClientServiceResponse, KvServiceRequest, KvServiceResponse, PeerServiceRequest,
    PeerServiceResponse, WorkerServiceRequest, WorkerServiceResponse,
};

/// How long requests in flight may take to be answered after the end was ordered.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Pause after the system would not accept a connection, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection, counted within this process; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Which of its connections to a peer a message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Heartbeats and votes, which must not wait behind anything large.
    Urgent,
    /// The rest.
    Bulk,
}

/// The answer to a request, on its way.
pub type Answer<Response> = BoxFuture<'static, Result<Response, ServerError>>;

/// What answers the calls of all connections.
pub trait Services: Send + Sync + 'static {
    /// A call of the client service. Dropping the future means that nobody waits for the answer any more.
    fn client(&self, connection: ConnectionId, call: ClientServiceRequest) -> Answer<ClientServiceResponse>;
    /// A call of the worker service.
    fn worker(&self, connection: ConnectionId, call: WorkerServiceRequest) -> Answer<WorkerServiceResponse>;
    /// A call of the key/value service.
    fn kv(&self, connection: ConnectionId, call: KvServiceRequest) -> Answer<KvServiceResponse>;
    /// A call of the peer service. A message that arrives in parts comes here as one `deliver`, so that there is never a `part`.
    fn peer(
        &self,
        connection: ConnectionId,
        lane: Lane,
        call: PeerServiceRequest,
    ) -> Answer<PeerServiceResponse>;
    /// The connection is gone; nothing more comes from it.
    fn closed(&self, connection: ConnectionId);
}

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// A port. Other than loopback is refused.
    Tcp(TcpListener),
    /// Connectors in this process.
    Memory(MemoryListener),
}

impl Listener {
    async fn accept(&mut self) -> Option<io::Result<BoxIo>> {
        match self {
            Self::Tcp(listener) => Some(listener.accept().await.and_then(|(stream, _)| {
                stream.set_nodelay(true)?;
                Ok(Box::new(stream) as BoxIo)
            })),
            Self::Memory(listener) => listener.accept().await.map(|stream| Ok(Box::new(stream) as BoxIo)),
        }
    }
}

/// Serves connections until `stop` becomes true (or its sender is dropped); then lets requests in flight be answered for a moment, and ends them.
pub async fn serve<S: Services>(
    mut listener: Listener,
    services: Arc<S>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ListenError> {
    if let Listener::Tcp(tcp) = &listener {
        check_loopback(tcp.local_addr().map_err(|source| ListenError::Unusable { source })?)?;
    }
    let places = Arc::new(Semaphore::new(places()));
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY_MAX));
    let mut connections = JoinSet::new();
    let mut accepts = true;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Some(Ok(stream)) => {
                accepts = true;
                let place = places.clone().try_acquire_owned();
                let has_room = place.is_ok();
                // Where even those that are told so are many, the connection just ends.
                let Ok(place) = place.or_else(|_| turned_away.clone().try_acquire_owned()) else { continue };
                let (services, stop) = (services.clone(), stop.clone());
                connections.spawn(async move {
                    connection(stream, has_room, services, stop).await;
                    drop(place);
                });
            }
            Some(Err(error)) => {
                if std::mem::take(&mut accepts) {
                    tracing::warn!(%error, "cannot accept connections");
                }
                sleep(ACCEPT_PAUSE).await;
            }
            None => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// How many connections there may be: the log and the outputs need files, too.
fn places() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    CONNECTIONS_MAX.min(files.saturating_sub(OTHER_FILES + TURNED_AWAY_MAX).max(files / 2))
}

async fn connection<S: Services>(
    mut stream: BoxIo,
    room: bool,
    services: Arc<S>,
    mut stop: watch::Receiver<bool>,
) {
    let agreed = tokio::select! {
        agreed = preamble::accept(&mut stream, room) => agreed,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let role = match agreed {
        Ok(role) => role,
        Err(error) => {
            tracing::debug!(%error, "connection dropped");
            return;
        }
    };
    let id = ConnectionId::next();
    let closed = Closed { services: services.clone(), id };
    match role {
        Role::Client => requests(stream, move |call| services.client(id, call), stop).await,
        Role::Worker | Role::WorkerHeartbeat => {
            requests(stream, move |call| services.worker(id, call), stop).await;
        }
        Role::Kv => requests(stream, move |call| services.kv(id, call), stop).await,
        Role::Peer => peer_requests(stream, services, (id, Lane::Urgent), stop).await,
        Role::PeerBulk => peer_requests(stream, services, (id, Lane::Bulk), stop).await,
    }
    drop(closed);
}

/// Reports the end of a connection, also when its task is dropped.
struct Closed<S: Services> {
    services: Arc<S>,
    id: ConnectionId,
}

impl<S: Services> Drop for Closed<S> {
    fn drop(&mut self) {
        self.services.closed(self.id);
    }
}

async fn peer_requests<S: Services>(
    stream: BoxIo,
    services: Arc<S>,
    (id, lane): (ConnectionId, Lane),
    stop: watch::Receiver<bool>,
) {
    let parts = Mutex::new(Parts::default());
    let answer = move |call| {
        let PeerServiceRequest::Part { id: number, total, offset, piece: Blob(piece) } = call else {
            return services.peer(id, lane, call);
        };
        let taken = parts.lock().unwrap_or_else(PoisonError::into_inner).take(number, total, offset, &piece);
        match taken {
            Ok(Some(message)) => {
                let whole = PeerServiceRequest::Deliver { message: Blob(message) };
                services.peer(id, lane, whole).map(|answer| answer.and_then(as_last_part)).boxed()
            }
            Ok(None) => async { Ok(PeerServiceResponse::Part(Ok(None))) }.boxed(),
            Err(refusal) => async { Ok(PeerServiceResponse::Part(Err(refusal))) }.boxed(),
        }
    };
    requests(stream, answer, stop).await;
}

/// The reply to a message, as the answer to its last part.
fn as_last_part(reply: PeerServiceResponse) -> Result<PeerServiceResponse, ServerError> {
    match reply {
        PeerServiceResponse::Deliver(reply) => Ok(PeerServiceResponse::Part(reply.map(Some))),
        // The caller could not make anything of another answer.
        _ => Err(ServerError::new(io::ErrorKind::InvalidData, "a message has no such reply".to_owned())),
    }
}

async fn requests<Req, Resp>(
    stream: BoxIo,
    answer: impl Fn(Req) -> Answer<Resp>,
    mut stop: watch::Receiver<bool>,
) where
    Req: RequestName + for<'de> Deserialize<'de> + Send + 'static,
    Resp: Serialize + Send + 'static,
{
    let config = Config { pending_response_buffer: REQUESTS_PER_CONNECTION_MAX };
    let channel = BaseChannel::new(config, server_transport(stream));
    let mut requests = pin!(channel.max_concurrent_requests(REQUESTS_PER_CONNECTION_MAX).requests());
    let mut running = FuturesUnordered::new();
    let answer = &answer;
    let mut stopping = false;
    let mut last_moment = pin!(sleep(Duration::ZERO));
    loop {
        // When stopping, the end is when the last answer has left; only polling the requests moves answers on.
        let next = poll_fn(|cx| match requests.as_mut().poll_next(cx) {
            Poll::Pending if stopping && requests.channel().in_flight_requests() == 0 => Poll::Ready(None),
            next => next,
        });
        tokio::select! {
            request = next => match request {
                Some(Ok(request)) => {
                    running.push(request.execute(tarpc::server::serve(move |_, call| answer(call))));
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "connection ended");
                    return;
                }
                None => return,
            },
            Some(()) = running.next() => {}
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                last_moment.as_mut().reset(Instant::now() + LAST_ANSWERS);
            }
            () = &mut last_moment, if stopping => return,
        }
    }
}
