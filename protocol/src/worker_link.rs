//! What a worker holds of its coordinator: the calls of the worker service, heartbeats on a connection of their own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{AttemptId, Blob, Incarnation, JobId, Refusal, Segment, Sha256, WorkerId};
use tarpc::client::RpcError;
use tarpc::context::Context;

use crate::limits::{CALL_TIMEOUT, GROUP_HEARTBEAT_TIMEOUT, LONG_POLL_MAX};
use crate::preamble::Role;
use crate::redial::{CallError, Redial};
use crate::{
    Endpoint, Heartbeat, Orders, PollReply, PollRequest, Registered, WorkerHello, WorkerServiceClient,
};

/// Why a blob could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The coordinator did not give it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It could not be written.
    #[error("write a fetched blob")]
    Write(#[from] io::Error),
}

/// A worker's way to one coordinator group. Cheap to clone; clones share both connections.
///
/// What the worker says of itself ([`register`](Self::register), [`poll`](Self::poll), [`heartbeat`](Self::heartbeat)) is tried once:
/// after a failure the next is built from how things are then. What it asks for is asked again, of whoever leads, until the patience
/// ends. When the coordinator has given the worker up meanwhile, the call is refused with [`Refusal::UnknownWorker`].
#[derive(Clone)]
pub struct WorkerLink {
    calls: Arc<Redial<WorkerServiceClient>>,
    heartbeats: Arc<Redial<WorkerServiceClient>>,
    patience: Duration,
}

impl WorkerLink {
    /// `patience` is how long a call that finds no coordinator goes on trying; zero tries once.
    pub fn new(endpoint: Endpoint, patience: Duration) -> Self {
        Self {
            calls: Arc::new(Redial::new(endpoint.clone(), Role::Worker)),
            heartbeats: Arc::new(Redial::new(endpoint, Role::WorkerHeartbeat)),
            patience,
        }
    }

    /// The same connections with another patience.
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    async fn call<T, F>(
        &self,
        name: &'static str,
        wait: Duration,
        call: impl Fn(WorkerServiceClient, Context) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<Result<T, Refusal>, RpcError>>,
    {
        self.calls.call(name, wait, self.patience, call).await
    }

    /// Joins, or joins again.
    pub async fn register(&self, hello: WorkerHello) -> Result<Registered, CallError> {
        let limit = self.calls.call_timeout();
        let call = |c: WorkerServiceClient, context| async move { c.register(context, hello).await };
        self.calls.call_once("register", limit, call).await
    }

    /// Reports, and takes assignments; waits for one if there is none.
    pub async fn poll(&self, request: PollRequest) -> Result<PollReply, CallError> {
        let limit = Duration::from_millis(request.wait_ms).min(LONG_POLL_MAX) + self.calls.call_timeout();
        let call = |c: WorkerServiceClient, context| async move { c.poll(context, request).await };
        self.calls.call_once("poll", limit, call).await
    }

    /// Says that the worker lives, on a connection of its own. Where there are other coordinators, one that does not answer soon is left,
    /// with the other calls that wait there.
    pub async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<Orders, CallError> {
        let limit = if self.heartbeats.has_others() { GROUP_HEARTBEAT_TIMEOUT } else { CALL_TIMEOUT };
        let call = |c: WorkerServiceClient, context| async move { c.heartbeat(context, heartbeat).await };
        let result = self.heartbeats.call_once("heartbeat", limit, call).await;
        if result.as_ref().is_err_and(CallError::is_unreachable) {
            self.calls.leave_failed().await;
        }
        result
    }

    /// A page of the segments of a reduce attempt, from map `from` on.
    pub async fn segments_page(
        &self,
        worker: WorkerId,
        incarnation: Incarnation,
        attempt: AttemptId,
        from: u32,
    ) -> Result<Vec<Segment>, CallError> {
        self.call("segments", Duration::ZERO, |c, context| async move {
            c.segments(context, worker, incarnation, attempt, from).await
        })
        .await
    }

    /// All `maps` segments of a reduce attempt, in map order.
    pub async fn segments(
        &self,
        worker: WorkerId,
        incarnation: Incarnation,
        attempt: AttemptId,
        maps: u32,
    ) -> Result<Vec<Segment>, CallError> {
        let mut all = Vec::new();
        while all.len() < maps as usize {
            let from = u32::try_from(all.len()).unwrap_or(u32::MAX);
            let page = self.segments_page(worker, incarnation, attempt, from).await?;
            if page.is_empty() {
                let text = format!("the coordinator has {from} of the {maps} segments of {attempt}");
                return Err(Refusal::Invalid(text).into());
            }
            all.extend(page);
        }
        Ok(all)
    }

    /// Writes a blob to `sink`, in pieces. The caller verifies the hash of what it got.
    pub async fn fetch_blob(
        &self,
        sha256: Sha256,
        sink: &mut (dyn io::Write + Send),
    ) -> Result<u64, FetchError> {
        let mut offset = 0;
        loop {
            let Blob(piece) = self.blob(sha256, offset).await?;
            if piece.is_empty() {
                return Ok(offset);
            }
            sink.write_all(&piece)?;
            offset += piece.len() as u64;
        }
    }

    /// Bytes of a blob from `offset` on; empty at its end.
    pub async fn blob(&self, sha256: Sha256, offset: u64) -> Result<Blob, CallError> {
        self.call("blob", Duration::ZERO, |c, context| async move { c.blob(context, sha256, offset).await })
            .await
    }

    /// Leaves: everything it runs is given to others at once. Returns the jobs that are not over.
    pub async fn goodbye(&self, worker: WorkerId, incarnation: Incarnation) -> Result<Vec<JobId>, CallError> {
        self.call("goodbye", Duration::ZERO, |c, context| async move {
            c.goodbye(context, worker, incarnation).await
        })
        .await
    }
}
