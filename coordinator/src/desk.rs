//! Where calls arrive: each is turned into an event for the main loop, or into work on blobs and logs, and its answer sent back.
//!
//! Nothing is decided here. A call whose caller has gone is dropped, and with it the way back for its answer.

use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use gristmill_model::{
    AttemptId, AttemptLog, Blob, Explanation, JobId, JobRequest, NotFound, Refusal, RequestKey, Sha256,
    TaskId,
};
use gristmill_protocol::{
    Answer, ClientServiceRequest, ClientServiceResponse, ConnectionId, CoordinatorInfo, KvServiceRequest,
    KvServiceResponse, Lane, PROTOCOL_VERSION, PeerServiceRequest, PeerServiceResponse, Services,
    WorkerServiceRequest, WorkerServiceResponse,
};
use gristmill_scheduler::{Asked, KvCall};
use tokio::sync::{mpsc, oneshot, watch};

use crate::attempt_logs::AttemptLogs;
use crate::blobs::Blobs;
use crate::event::{ClientCall, Event, Holder, Question, Reply, WorkerCall};
use crate::group::Group;
use crate::node::Standing;
use crate::request;

/// Largest job request: about a million inputs.
const REQUEST_BYTES_MAX: u64 = 256 << 20;

/// What every call needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) events: mpsc::UnboundedSender<Event>,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) logs: AttemptLogs,
    pub(crate) standing: watch::Receiver<Standing>,
    /// The group it is a member of, unless it is alone and forgets.
    pub(crate) group: Option<Group>,
}

impl Services for Desk {
    fn client(&self, _: ConnectionId, call: ClientServiceRequest) -> Answer<ClientServiceResponse> {
        self.clone().answer_client(call).map(Ok).boxed()
    }

    fn kv(&self, _: ConnectionId, call: KvServiceRequest) -> Answer<KvServiceResponse> {
        self.clone().answer_kv(call).map(Ok).boxed()
    }

    fn worker(&self, connection: ConnectionId, call: WorkerServiceRequest) -> Answer<WorkerServiceResponse> {
        self.clone().answer_worker(connection, call).map(Ok).boxed()
    }

    fn peer(&self, _: ConnectionId, _: Lane, call: PeerServiceRequest) -> Answer<PeerServiceResponse> {
        self.clone().answer_peer(call).map(Ok).boxed()
    }

    fn closed(&self, connection: ConnectionId) {
        let _ = self.events.send(Event::Closed(connection));
    }
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
            Request::Info { .. } => Response::Info(self.info().await),
            Request::OpenSession { nonce } => {
                let session = self.client_call(|reply| ClientCall::OpenSession(nonce, reply));
                Response::OpenSession(session.await)
            }
            Request::KeepSession { client, done_below } => {
                let kept = self.client_call(|reply| ClientCall::KeepSession(client, done_below, reply));
                Response::KeepSession(kept.await)
            }
            Request::BlobBytes { sha256 } => {
                let bytes = self.on_leading_blobs(move |blobs| Ok(blobs.bytes(sha256, Instant::now())));
                Response::BlobBytes(bytes.await)
            }
            Request::PutBlob { sha256, total, offset, chunk: Blob(piece) } => {
                let put = move |blobs: &Blobs| blobs.put(sha256, total, offset, &piece, Instant::now());
                Response::PutBlob(self.on_leading_blobs(put).await)
            }
            Request::Submit { key, request } => Response::Submit(self.submit(key, request).await),
            Request::Job { job, seen, wait_ms } => {
                let status = self.client_call(|reply| ClientCall::Job { job, seen, wait_ms, reply });
                Response::Job(status.await)
            }
            Request::Jobs { after } => {
                Response::Jobs(self.client_call(|reply| ask(Question::Jobs(after, reply))).await)
            }
            Request::Cancel { key, done_below, job } => {
                let asked = Asked { key, done_below };
                Response::Cancel(self.client_call(|reply| ClientCall::Cancel(asked, job, reply)).await)
            }
            Request::Explain { job, task } => Response::Explain(self.explain(job, task).await),
            Request::Logs { job, task, after } => Response::Logs(self.read_logs(job, task, after).await),
            Request::Workers {} => {
                Response::Workers(self.client_call(|reply| ask(Question::Workers(reply))).await)
            }
            Request::Drain { key, done_below, worker } => {
                let asked = Asked { key, done_below };
                Response::Drain(self.client_call(|reply| ClientCall::Drain(asked, worker, reply)).await)
            }
            Request::Members {} => Response::Members(match self.leading_group() {
                Ok(group) => group.members().await,
                Err(refusal) => Err(refusal),
            }),
            Request::ChangeMembers { seen, change } => Response::ChangeMembers(match self.leading_group() {
                Ok(group) => group.change_members(&self.blobs, seen, change).await,
                Err(refusal) => Err(refusal),
            }),
        }
    }

    async fn answer_kv(self, call: KvServiceRequest) -> KvServiceResponse {
        use KvServiceRequest as Request;
        use KvServiceResponse as Response;
        match call {
            Request::Write { key, done_below, op } => {
                let call = KvCall { key, done_below, op: Arc::new(op) };
                Response::Write(self.client_call(|reply| ClientCall::Write(call, reply)).await)
            }
            Request::Get { key } => {
                let entry = self.client_call(|reply| ClientCall::Ask(Question::Entry(key, reply)));
                Response::Get(entry.await)
            }
            Request::List { prefix, after, limit } => {
                let list = |reply| ClientCall::Ask(Question::Entries { prefix, after, limit, reply });
                Response::List(self.client_call(list).await)
            }
            Request::Watch { prefix, from_revision: from, wait_ms } => {
                let watch = |reply| ClientCall::Watch { prefix, from, wait_ms, reply };
                Response::Watch(self.client_call(watch).await)
            }
        }
    }

    async fn answer_peer(self, call: PeerServiceRequest) -> PeerServiceResponse {
        use PeerServiceRequest as Request;
        use PeerServiceResponse as Response;
        let alone = || Refusal::Invalid("this coordinator is of no group".to_owned());
        match call {
            Request::Deliver { message: Blob(message) } => Response::Deliver(match &self.group {
                Some(group) => group.deliver(message).await.map(Blob),
                None => Err(alone()),
            }),
            // The protocol puts messages together; what arrives here in parts was not.
            Request::Part { .. } => Response::Part(Err(alone())),
            Request::BlobBytes { sha256 } => {
                let bytes = self.on_blobs(move |blobs| Ok(blobs.bytes(sha256, Instant::now())));
                Response::BlobBytes(bytes.await)
            }
            Request::PutBlob { sha256, total, offset, chunk: Blob(piece) } => {
                let put = move |blobs: &Blobs| blobs.put(sha256, total, offset, &piece, Instant::now());
                Response::PutBlob(self.on_blobs(put).await)
            }
            Request::Blob { sha256, offset } => {
                Response::Blob(self.on_blobs(move |blobs| blobs.read(sha256, offset)).await.map(Blob))
            }
        }
    }

    async fn info(&self) -> Result<CoordinatorInfo, Refusal> {
        let asked = self.client_call(|reply| ClientCall::Ask(Question::Slots(reply)));
        let (cluster, slots) = asked.await?;
        // Who answers leads.
        let node = self.group.as_ref().map(Group::id);
        Ok(CoordinatorInfo {
            cluster,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            slots,
            node,
            leader: node,
        })
    }

    fn leading_group(&self) -> Result<Group, Refusal> {
        self.check_standing()?;
        let alone =
            || Refusal::Invalid("this coordinator keeps its jobs in memory and has no members".to_owned());
        self.group.clone().ok_or_else(alone)
    }

    fn check_standing(&self) -> Result<(), Refusal> {
        self.standing.borrow().refusal().map_or(Ok(()), Err)
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
            Request::Blob { sha256, offset } => Response::Blob(self.read_blob(sha256, offset).await),
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

    /// Only the leader takes and gives blobs: what it has, its jobs can count on.
    async fn on_leading_blobs<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Blobs) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.check_standing()?;
        self.on_blobs(work).await
    }

    /// A leader that was not there when a blob came fetches it from whoever was.
    async fn read_blob(&self, name: Sha256, offset: u64) -> Result<Blob, Refusal> {
        let read = move |blobs: &Blobs| blobs.read(name, offset).map(Blob);
        match (self.on_leading_blobs(read).await, &self.group) {
            (Err(Refusal::UnknownBlob(_)), Some(group)) => {
                group.fetch_blob(&self.blobs, name).await?;
                self.on_leading_blobs(read).await
            }
            (answer, _) => answer,
        }
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
        let read = self.on_leading_blobs(move |blobs| read_request(blobs, key, name));
        let (request, missing) = match read.await {
            Ok(request) => {
                if let Some(group) = &self.group {
                    group.share_blob(&self.blobs, request.plugin.sha256).await?;
                }
                (Some(Box::new(request)), None)
            }
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
