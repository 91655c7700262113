//! One connection to one coordinator: the calls on it, and its end, which all who use it notice.

use std::net::SocketAddr;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use gristmill_model::Refusal;
use tarpc::client::{Config, NewClient, RpcError};
use tarpc::context;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::redial::CallError;
use crate::transport::{BoxIo, client_transport};
use crate::{ClientServiceClient, KvServiceClient, PeerServiceClient, WorkerServiceClient};

/// What carries the calls of a connection; it completes when the connection is over.
pub(crate) type Dispatch = BoxFuture<'static, ()>;

/// The calling end of a service.
pub(crate) trait Caller: Clone + Send + Sync + 'static {
    /// On a connection whose sides have agreed to talk.
    fn start(stream: BoxIo) -> (Self, Dispatch);
}

impl Caller for ClientServiceClient {
    fn start(stream: BoxIo) -> (Self, Dispatch) {
        let NewClient { client, dispatch } = Self::new(Config::default(), client_transport(stream));
        (client, dispatch.map(drop).boxed())
    }
}

impl Caller for WorkerServiceClient {
    fn start(stream: BoxIo) -> (Self, Dispatch) {
        let NewClient { client, dispatch } = Self::new(Config::default(), client_transport(stream));
        (client, dispatch.map(drop).boxed())
    }
}

impl Caller for KvServiceClient {
    fn start(stream: BoxIo) -> (Self, Dispatch) {
        let NewClient { client, dispatch } = Self::new(Config::default(), client_transport(stream));
        (client, dispatch.map(drop).boxed())
    }
}

impl Caller for PeerServiceClient {
    fn start(stream: BoxIo) -> (Self, Dispatch) {
        let NewClient { client, dispatch } = Self::new(Config::default(), client_transport(stream));
        (client, dispatch.map(drop).boxed())
    }
}

/// A connection. After any transport error it is dead, and says so.
pub(crate) struct Connection<C> {
    caller: C,
    /// Who is at the other end, for people.
    peer: String,
    /// Its address; none for a coordinator in this process.
    address: Option<SocketAddr>,
    over: CancellationToken,
}

impl<C: Caller> Connection<C> {
    pub(crate) fn new(stream: BoxIo, peer: String, address: Option<SocketAddr>) -> Self {
        let (caller, dispatch) = C::start(stream);
        let over = CancellationToken::new();
        let ended = over.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = dispatch => ended.cancel(),
                () = ended.cancelled() => {}
            }
        });
        Self { caller, peer, address, over }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Whether no call on it can succeed any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Ends it, with all calls that are under way.
    pub(crate) fn end(&self) {
        self.over.cancel();
    }

    /// Makes one call, which is given up after `limit`.
    pub(crate) async fn call<T, F>(
        &self,
        name: &'static str,
        limit: Duration,
        call: impl FnOnce(C, context::Context) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<Result<T, Refusal>, RpcError>>,
    {
        let mut context = context::current();
        context.deadline = std::time::Instant::now() + limit;
        let peer = || self.peer.clone();
        Err(match timeout(limit, call(self.caller.clone(), context)).await {
            Ok(Ok(answer)) => return answer.map_err(CallError::Refused),
            Ok(Err(RpcError::Send(source))) => CallError::Unsendable { call: name, source },
            Ok(Err(RpcError::Server(error))) => CallError::Refused(Refusal::Unavailable(error.detail)),
            Err(_) | Ok(Err(RpcError::DeadlineExceeded)) => {
                CallError::Silent { endpoint: peer(), call: name, waited: limit }
            }
            Ok(Err(source)) => CallError::Broken { endpoint: peer(), call: name, source },
        })
    }
}

impl<C> Drop for Connection<C> {
    fn drop(&mut self) {
        self.over.cancel();
    }
}
