//! Where calls arrive: each is turned into an event for the main loop, or into work on blobs and logs, and its answer sent back.
//!
//! Nothing is decided here. A call whose caller has gone is dropped, and with it the way back for its answer.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use gristmill_model::{
    AttemptId, AttemptLog, Blob, ClientId, Explanation, JobId, JobRequest, NotFound, Refusal, RequestKey,
    Sha256, TaskId,
};
use gristmill_protocol::{
    Answer, ClientServiceRequest, ClientServiceResponse, ConnectionId, KvServiceRequest, KvServiceResponse,
    Lane, PROTOCOL_VERSION, PeerServiceRequest, PeerServiceResponse, Services, WorkerServiceRequest,
    WorkerServiceResponse,
};
use tarpc::ServerError;
use tokio::sync::{mpsc, oneshot};

use crate::attempt_logs::AttemptLogs;
use crate::blobs::Blobs;
use crate::event::{ClientCall, Event, Holder, Question, Reply, WorkerCall};
use crate::request;

/// Largest job request: about a million inputs.
const REQUEST_BYTES_MAX: u64 = 256 << 20;

/// What every call needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) events: mpsc::UnboundedSender<Event>,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) logs: AttemptLogs,
}

impl Services for Desk {
    fn client(&self, _: ConnectionId, call: ClientServiceRequest) -> Answer<ClientServiceResponse> {
        self.clone().answer_client(call).map(Ok).boxed()
    }

    fn worker(&self, connection: ConnectionId, call: WorkerServiceRequest) -> Answer<WorkerServiceResponse> {
        self.clone().answer_worker(connection, call).map(Ok).boxed()
    }

    fn kv(&self, _: ConnectionId, _: KvServiceRequest) -> Answer<KvServiceResponse> {
        async { Err(ServerError::new(ErrorKind::Unsupported, not_served().to_string())) }.boxed()
    }

    fn peer(&self, _: ConnectionId, _: Lane, _: PeerServiceRequest) -> Answer<PeerServiceResponse> {
        async { Err(ServerError::new(ErrorKind::Unsupported, not_served().to_string())) }.boxed()
    }

    fn closed(&self, connection: ConnectionId) {
        let _ = self.events.send(Event::Closed(connection));
    }
}

fn not_served() -> Refusal {
    Refusal::Invalid("this coordinator does not serve that".to_owned())
}

impl Desk {
    async fn answer_client(self, call: ClientServiceRequest) -> ClientServiceResponse {
        use ClientServiceRequest as Request;
        use ClientServiceResponse as Response;
        let ask = |question| ClientCall::Ask(question);
        match call {
            Request::Info { protocol } if protocol != PROTOCOL_VERSION => {
                let refusal = Refusal::Version { coordinator: PROTOCOL_VERSION, caller: protocol };
                Response::Info(Err(refusal))
            }
            Request::Info { .. } => {
                Response::Info(self.client_call(|reply| ask(Question::Info(reply))).await)
            }
            Request::BlobBytes { sha256 } => {
                Response::BlobBytes(self.on_blobs(move |blobs| Ok(blobs.bytes(sha256, Instant::now()))).await)
            }
            Request::PutBlob { sha256, total, offset, chunk: Blob(piece) } => {
                let put = move |blobs: &Blobs| blobs.put(sha256, total, offset, &piece, Instant::now());
                Response::PutBlob(self.on_blobs(put).await)
            }
            Request::Submit { key, request } => Response::Submit(self.submit(key, request).await),
            Request::Job { job, seen, wait_ms } => {
                let status = self.client_call(|reply| ClientCall::Job { job, seen, wait_ms, reply });
                Response::Job(status.await)
            }
            Request::Jobs { after } => {
                Response::Jobs(self.client_call(|reply| ask(Question::Jobs(after, reply))).await)
            }
            Request::Cancel { job } => {
                Response::Cancel(self.client_call(|reply| ClientCall::Cancel(job, reply)).await)
            }
            Request::Explain { job, task } => Response::Explain(self.explain(job, task).await),
            Request::Logs { job, task, after } => Response::Logs(self.read_logs(job, task, after).await),
            Request::Workers {} => {
                Response::Workers(self.client_call(|reply| ask(Question::Workers(reply))).await)
            }
            Request::OpenSession { nonce } => Response::OpenSession(Ok(ClientId(nonce))),
            Request::KeepSession { .. } => Response::KeepSession(Ok(())),
            Request::Drain { .. } => Response::Drain(Err(not_served())),
            Request::Members {} => Response::Members(Err(not_served())),
            Request::ChangeMembers { .. } => Response::ChangeMembers(Err(not_served())),
        }
    }

    async fn answer_worker(
        self,
        connection: ConnectionId,
        call: WorkerServiceRequest,
    ) -> WorkerServiceResponse {
        use WorkerServiceRequest as Request;
        use WorkerServiceResponse as Response;
        let event = |call| Event::Worker(connection, call);
        match call {
            Request::Register { hello } => {
                Response::Register(self.ask(|reply| event(WorkerCall::Register(hello, reply))).await)
            }
            Request::Poll { request } => {
                Response::Poll(self.ask(|reply| event(WorkerCall::Poll(request, reply))).await)
            }
            Request::Heartbeat { heartbeat } => {
                Response::Heartbeat(self.ask(|reply| event(WorkerCall::Heartbeat(heartbeat, reply))).await)
            }
            Request::Segments { worker, incarnation, attempt, from } => {
                let holder = Holder { worker, incarnation };
                let segments = self.ask(|reply| event(WorkerCall::Segments(holder, attempt, from, reply)));
                Response::Segments(segments.await)
            }
            Request::Blob { sha256, offset } => {
                let piece = self.on_blobs(move |blobs| blobs.read(sha256, offset)).await;
                Response::Blob(piece.map(Blob))
            }
            Request::Goodbye { worker, incarnation } => {
                let holder = Holder { worker, incarnation };
                Response::Goodbye(self.ask(|reply| event(WorkerCall::Goodbye(holder, reply))).await)
            }
        }
    }

    async fn explain(&self, job: JobId, task: Option<TaskId>) -> Result<Vec<Explanation>, Refusal> {
        check_task(job, task)?;
        self.client_call(|reply| ClientCall::Ask(Question::Explain(job, task, reply))).await
    }

    async fn read_logs(
        &self,
        job: JobId,
        task: Option<TaskId>,
        after: Option<AttemptId>,
    ) -> Result<Vec<AttemptLog>, Refusal> {
        check_task(job, task)?;
        match task {
            // Only to hear whether there is such a task.
            Some(_) => drop(self.explain(job, task).await?),
            None => self.client_call(|reply| ClientCall::Ask(Question::Known(job, reply))).await?,
        }
        Ok(self.logs.page(job, task, after).await)
    }

    /// Sends an event and waits for its answer.
    async fn ask<T>(&self, event: impl FnOnce(Reply<T>) -> Event) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        let ending = || Refusal::Unavailable("it is ending".to_owned());
        self.events.send(event(reply)).map_err(|_| ending())?;
        answer.await.unwrap_or_else(|_| Err(ending()))
    }

    async fn client_call<T>(&self, call: impl FnOnce(Reply<T>) -> ClientCall) -> Result<T, Refusal> {
        self.ask(|reply| Event::Client(call(reply))).await
    }

    async fn on_blobs<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Blobs) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let blobs = self.blobs.clone();
        let done = tokio::task::spawn_blocking(move || work(&blobs)).await;
        done.unwrap_or_else(|error| Err(Refusal::Unavailable(error.to_string())))
    }

    async fn submit(&self, key: RequestKey, name: Sha256) -> Result<JobId, Refusal> {
        let (request, missing) = match self.on_blobs(move |blobs| read_request(blobs, key, name)).await {
            Ok(request) => (Some(Box::new(request)), None),
            Err(Refusal::UnknownBlob(missing)) => (None, Some(missing)),
            Err(refusal) => return Err(refusal),
        };
        let job = self.client_call(|reply| ClientCall::Submit(key, request, reply)).await?;
        job.ok_or_else(|| Refusal::UnknownBlob(missing.unwrap_or_else(|| name.to_string())))
    }
}

/// A checked request whose plugin is here. Blocks.
fn read_request(blobs: &Blobs, key: RequestKey, name: Sha256) -> Result<JobRequest, Refusal> {
    let bytes = blobs.read_whole(name, REQUEST_BYTES_MAX)?;
    let request: JobRequest = postcard::from_bytes(&bytes)
        .map_err(|error| Refusal::Invalid(format!("blob {name} is not a job request: {error}")))?;
    if request.key != key {
        return Err(Refusal::Invalid("the request was submitted under another key than it has".to_owned()));
    }
    request::check(&request).map_err(Refusal::Invalid)?;
    let plugin = &request.plugin;
    match blobs.complete(plugin.sha256) {
        None => Err(Refusal::UnknownBlob(plugin.sha256.to_string())),
        Some(bytes) if bytes != plugin.bytes => Err(Refusal::Invalid(format!(
            "the plugin {} has {bytes} bytes, not {}",
            plugin.sha256, plugin.bytes
        ))),
        Some(_) => Ok(request),
    }
}

fn check_task(job: JobId, task: Option<TaskId>) -> Result<(), Refusal> {
    match task.filter(|task| task.job != job) {
        Some(foreign) => Err(NotFound::Task(foreign).into()),
        None => Ok(()),
    }
}
