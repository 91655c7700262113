//! What a coordinator holds of its peers: a connection for each and each lane, which comes back when the peer does.
//!
//! Nothing is repeated here: whoever sends knows best what to send next. A peer that is not there is dialled at growing intervals, and
//! what is to be sent to it meanwhile fails at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use gristmill_model::{Blob, Refusal, Sha256};
use tarpc::client::RpcError;
use tarpc::context::Context;
use tokio::time::{Instant, timeout};

use crate::backoff::Backoff;
use crate::connection::Connection;
use crate::endpoint::{ConnectError, dial, parse_address};
use crate::limits::{
    CALL_TIMEOUT, CHUNK_BYTES, GROUP_HANDSHAKE_TIMEOUT, PEER_MESSAGE_BYTES_MAX, PEER_PAUSE_MAX,
    PEER_SILENCE_MAX,
};
use crate::preamble::Role;
use crate::redial::CallError;
use crate::server::Lane;
use crate::{PeerServiceClient, sha256};

/// A coordinator's way to its peers. Cheap to clone; clones share the connections.
#[derive(Clone, Default)]
pub struct PeerLink {
    lines: Arc<Mutex<Lines>>,
}

type Lines = BTreeMap<(String, Purpose), Arc<Line>>;

/// What a connection is for. Blobs have one of their own, so that a message does not wait behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    Messages(Lane),
    Blobs,
}

impl Purpose {
    fn role(self) -> Role {
        match self {
            Self::Messages(Lane::Urgent) => Role::Peer,
            Self::Messages(Lane::Bulk) | Self::Blobs => Role::PeerBulk,
        }
    }
}

impl PeerLink {
    /// With no connection yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Delivers a message to the peer at `address` and returns its reply, or fails within `limit`. A large one goes in parts.
    pub async fn send(
        &self,
        address: &str,
        lane: Lane,
        message: Vec<u8>,
        limit: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let line = self.line(address, Purpose::Messages(lane));
        let Blob(reply) = if message.len() <= CHUNK_BYTES {
            let deliver =
                |c: PeerServiceClient, context| async move { c.deliver(context, Blob(message)).await };
            line.call("deliver", Instant::now() + limit, deliver).await?
        } else {
            line.send_in_parts(&message, Instant::now() + limit).await?
        };
        Ok(reply)
    }

    /// How many bytes of a blob the peer has; its size when it has all.
    pub async fn blob_bytes(&self, address: &str, name: Sha256) -> Result<u64, CallError> {
        let call = |c: PeerServiceClient, context| async move { c.blob_bytes(context, name).await };
        self.line(address, Purpose::Blobs).call("blob_bytes", Instant::now() + CALL_TIMEOUT, call).await
    }

    /// Gives the peer some bytes of a blob, at most [`CHUNK_BYTES`]; returns how many it has now.
    pub async fn put_blob(
        &self,
        address: &str,
        name: Sha256,
        total: u64,
        offset: u64,
        chunk: Vec<u8>,
    ) -> Result<u64, CallError> {
        let call = |c: PeerServiceClient, context| async move {
            c.put_blob(context, name, total, offset, Blob(chunk)).await
        };
        self.line(address, Purpose::Blobs).call("put_blob", Instant::now() + CALL_TIMEOUT, call).await
    }

    /// Bytes of a blob from `offset` on, at most [`CHUNK_BYTES`]; empty at its end.
    pub async fn blob(&self, address: &str, name: Sha256, offset: u64) -> Result<Vec<u8>, CallError> {
        let call = |c: PeerServiceClient, context| async move { c.blob(context, name, offset).await };
        let Blob(piece) =
            self.line(address, Purpose::Blobs).call("blob", Instant::now() + CALL_TIMEOUT, call).await?;
        Ok(piece)
    }

    /// Brings a whole blob to the peer, as far as it has not got it. Returns its name.
    pub async fn upload_blob(&self, address: &str, bytes: &[u8]) -> Result<Sha256, CallError> {
        let (name, total) = (sha256(bytes), bytes.len() as u64);
        let mut here = self.blob_bytes(address, name).await?;
        while here < total {
            let begin = usize::try_from(here).unwrap_or(usize::MAX).min(bytes.len());
            let chunk = bytes[begin..bytes.len().min(begin + CHUNK_BYTES)].to_vec();
            let now = self.put_blob(address, name, total, here, chunk).await?;
            if now <= here {
                let text = format!("the upload of blob {name} to {address} does not get beyond byte {here}");
                return Err(Refusal::Unavailable(text).into());
            }
            here = now;
        }
        Ok(name)
    }

    fn line(&self, address: &str, purpose: Purpose) -> Arc<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Line::new(address.to_owned(), purpose.role()));
        lines.entry((address.to_owned(), purpose)).or_insert_with(new).clone()
    }
}

type PeerConnection = Arc<Connection<PeerServiceClient>>;
type Dial = Shared<BoxFuture<'static, Result<PeerConnection, Arc<ConnectError>>>>;

/// One connection to one peer.
struct Line {
    address: String,
    role: Role,
    state: Mutex<LineState>,
    /// Counts the messages that go in parts.
    messages: AtomicU64,
}

struct LineState {
    way: Way,
    backoff: Backoff,
    /// When the peer last answered on it.
    heard: Instant,
}

enum Way {
    /// Not tried yet.
    New,
    /// There is no connection, and none is tried before then.
    Down {
        until: Instant,
        why: Arc<ConnectError>,
    },
    /// All who want to send wait for the same dial; it goes on when they have lost their patience.
    Dialling(Dial),
    Up(PeerConnection),
}

impl Line {
    fn new(address: String, role: Role) -> Self {
        let state = LineState { way: Way::New, backoff: Backoff::default(), heard: Instant::now() };
        Self { address, role, state: Mutex::new(state), messages: AtomicU64::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send_in_parts(self: &Arc<Self>, message: &[u8], deadline: Instant) -> Result<Blob, CallError> {
        let total = message.len() as u64;
        if total > PEER_MESSAGE_BYTES_MAX {
            let source = format!("{total} bytes are more than {PEER_MESSAGE_BYTES_MAX}").into();
            return Err(CallError::Unsendable { call: "part", source });
        }
        let id = self.messages.fetch_add(1, Ordering::Relaxed);
        let mut reply = None;
        for (number, piece) in message.chunks(CHUNK_BYTES).enumerate() {
            let (offset, piece) = ((number * CHUNK_BYTES) as u64, Blob(piece.to_vec()));
            let part = |c: PeerServiceClient, context| async move {
                c.part(context, id, total, offset, piece).await
            };
            reply = self.call("part", deadline, part).await?;
        }
        let lost = || Refusal::Invalid(format!("{} took all of a message and gave no reply", self.address));
        reply.ok_or_else(|| lost().into())
    }

    async fn call<T, F>(
        self: &Arc<Self>,
        name: &'static str,
        deadline: Instant,
        call: impl FnOnce(PeerServiceClient, Context) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<Result<T, Refusal>, RpcError>>,
    {
        let limit = deadline.saturating_duration_since(Instant::now());
        let silent = |_| CallError::Silent { endpoint: self.address.clone(), call: name, waited: limit };
        let connection = timeout(limit, self.connection()).await.map_err(silent)??;
        let limit = deadline.saturating_duration_since(Instant::now());
        let result = connection.call(name, limit, call).await;
        self.learn(&connection, &result);
        result
    }

    /// What a call's result says of its connection.
    fn learn<T>(&self, connection: &PeerConnection, result: &Result<T, CallError>) {
        let mut state = self.state();
        let failed = match result {
            Err(CallError::Broken { .. }) => true,
            // A single slow call is no reason to end those beside it; but nothing comes through a connection whose peer has been
            // replaced, or whose packets were lost for long.
            Err(CallError::Silent { .. }) => state.heard.elapsed() >= PEER_SILENCE_MAX,
            Err(_) => false,
            Ok(_) => {
                (state.heard, state.backoff) = (Instant::now(), Backoff::default());
                false
            }
        };
        if !failed {
            return;
        }
        connection.end();
        if matches!(&state.way, Way::Up(current) if Arc::ptr_eq(current, connection)) {
            let why = Arc::new(ConnectError::Lost { address: self.address.clone() });
            state.go_down(why);
        }
    }

    async fn connection(self: &Arc<Self>) -> Result<PeerConnection, CallError> {
        let dial = {
            let mut state = self.state();
            if matches!(&state.way, Way::Up(connection) if connection.is_over()) {
                state.go_down(Arc::new(ConnectError::Lost { address: self.address.clone() }));
            }
            match &state.way {
                Way::Up(connection) => return Ok(connection.clone()),
                Way::Down { until, why } if Instant::now() < *until => return Err(self.unreachable(why)),
                Way::Dialling(dial) => dial.clone(),
                Way::New | Way::Down { .. } => {
                    let dial = self.clone().dial();
                    state.way = Way::Dialling(dial.clone());
                    dial
                }
            }
        };
        dial.await.map_err(|why| self.unreachable(&why))
    }

    fn unreachable(&self, why: &Arc<ConnectError>) -> CallError {
        CallError::Unreachable { endpoint: self.address.clone(), source: ConnectError::Shared(why.clone()) }
    }

    fn dial(self: Arc<Self>) -> Dial {
        let line = self.clone();
        let task = tokio::spawn(async move {
            let result = line.dial_once().await.map_err(Arc::new);
            let mut state = line.state();
            match &result {
                Ok(connection) => {
                    state.heard = Instant::now();
                    state.way = Way::Up(connection.clone());
                }
                Err(why) => state.go_down(why.clone()),
            }
            result
        });
        let ended = move |error: tokio::task::JoinError| {
            Arc::new(ConnectError::Dial { address: self.address.clone(), source: error.into() })
        };
        task.map(move |done| done.unwrap_or_else(|error| Err(ended(error)))).boxed().shared()
    }

    async fn dial_once(&self) -> Result<PeerConnection, ConnectError> {
        let text = self.address.clone();
        // Looking up a name may block.
        let address = tokio::task::spawn_blocking(move || parse_address(&text))
            .await
            .map_err(|error| ConnectError::Dial { address: self.address.clone(), source: error.into() })??;
        let stream = dial(address, self.role, GROUP_HANDSHAKE_TIMEOUT).await?;
        Ok(Arc::new(Connection::new(stream, self.address.clone(), Some(address))))
    }
}

impl LineState {
    fn go_down(&mut self, why: Arc<ConnectError>) {
        let until = Instant::now() + self.backoff.next(PEER_PAUSE_MAX);
        self.way = Way::Down { until, why };
    }
}
