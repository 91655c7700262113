//! What a client of a coordinator holds: the calls of the client service, with a session for those that must happen once, paging and
//! uploads.

use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{
    AttemptId, AttemptLog, Blob, ClientId, Explanation, JobId, JobRequest, JobStatus, MemberChange,
    MembersStatus, MembersVersion, Refusal, RequestId, RequestKey, Sha256, TaskId, WorkerId, WorkerStatus,
};
use sha2::Digest;
use tarpc::client::RpcError;
use tarpc::context::Context;
use tokio::sync::Mutex;

use crate::limits::{CHUNK_BYTES, LONG_POLL_MAX};
use crate::preamble::Role;
use crate::redial::{CallError, Redial, Tries};
use crate::session::{Session, Ticket};
use crate::{ClientServiceClient, CoordinatorInfo, Endpoint, KvClient, KvServiceClient, PROTOCOL_VERSION};

/// How often a blob is uploaded again when the coordinator has lost it meanwhile.
const UPLOADS_MAX: u32 = 4;
/// How long a submission may take: its output directory is made ready meanwhile.
const SUBMIT_MAX: Duration = Duration::from_secs(10);
/// How long a change of the members may take: a new one has to catch up first.
const CHANGE_MEMBERS_MAX: Duration = Duration::from_secs(120);

/// A client of one coordinator group. Cheap to clone; clones share the connections and the session.
///
/// Looks for the leader with the first call and again whenever it is lost. A call is repeated until it is answered or refused, or
/// until the client's patience ends. Calls that change something and must happen once are sent in a session, which is opened when
/// first needed: repeated ones are known by their number. When the session is over, a call that may have been executed ends with
/// [`CallError::Undecided`]; one that cannot have been is sent in a new session.
#[derive(Clone)]
pub struct Client {
    links: Arc<Links>,
    patience: Duration,
}

/// What clones share.
struct Links {
    calls: Redial<ClientServiceClient>,
    kv: Redial<KvServiceClient>,
    session: Mutex<Option<Arc<Session>>>,
}

/// The SHA-256 of some bytes: the name of a blob.
pub fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

impl Client {
    /// `patience` is how long a call that finds no coordinator goes on trying; zero tries once.
    pub fn new(endpoint: Endpoint, patience: Duration) -> Self {
        let links = Links {
            calls: Redial::new(endpoint.clone(), Role::Client),
            kv: Redial::new(endpoint, Role::Kv),
            session: Mutex::new(None),
        };
        Self { links: Arc::new(links), patience }
    }

    /// The same connections and session with another patience.
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { links: self.links.clone(), patience }
    }

    /// The key/value store of the group.
    pub fn kv(&self) -> KvClient {
        KvClient::new(self.clone())
    }

    pub(crate) fn kv_link(&self) -> &Redial<KvServiceClient> {
        &self.links.kv
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    async fn call<T, F>(
        &self,
        name: &'static str,
        wait: Duration,
        call: impl Fn(ClientServiceClient, Context) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<Result<T, Refusal>, RpcError>>,
    {
        self.links.calls.call(name, wait, self.patience, call).await
    }

    /// Opens a session, or finds the one that this number opened before: a program that is restarted goes on in its session, if that
    /// lasts. The numbers of its requests are the caller's to give, and to [keep](Self::keep_session).
    pub async fn open_session(&self, nonce: u64) -> Result<ClientId, CallError> {
        self.call(
            "open_session",
            Duration::ZERO,
            |c, context| async move { c.open_session(context, nonce).await },
        )
        .await
    }

    /// Keeps a session from expiring. Requests of it below `done_below` are never repeated any more.
    pub async fn keep_session(&self, client: ClientId, done_below: RequestId) -> Result<(), CallError> {
        self.call("keep_session", Duration::ZERO, |c, context| async move {
            c.keep_session(context, client, done_below).await
        })
        .await
    }

    /// The client's session; a new one when there is none or it turns out to be over.
    async fn session(&self) -> Result<Arc<Session>, CallError> {
        let mut current = self.links.session.lock().await;
        if let Some(session) = &*current {
            if !session.is_idle() {
                return Ok(session.clone());
            }
            match self.keep_session(session.client(), session.done_below()).await {
                Ok(()) => {
                    session.touch();
                    return Ok(session.clone());
                }
                Err(CallError::Refused(Refusal::UnknownClient)) => *current = None,
                Err(error) => return Err(error),
            }
        }
        let client = self.open_session(rand::random()).await?;
        Ok(current.insert(Session::new(client)).clone())
    }

    /// While the client waits for something it keeps its session, if it has one that would else expire.
    pub(crate) async fn keep_waiting(&self) {
        let current = self.links.session.lock().await.clone();
        if let Some(session) = current.filter(|session| session.is_idle()) {
            let patient = self.with_patience(Duration::ZERO);
            match patient.keep_session(session.client(), session.done_below()).await {
                Ok(()) => session.touch(),
                Err(CallError::Refused(Refusal::UnknownClient)) => self.forget(&session).await,
                Err(error) => tracing::debug!(%error, "cannot keep the session; next time"),
            }
        }
    }

    /// Unless there is another already.
    async fn forget(&self, over: &Arc<Session>) {
        let mut current = self.links.session.lock().await;
        if current.as_ref().is_some_and(|session| Arc::ptr_eq(session, over)) {
            *current = None;
        }
    }

    /// Makes a request that must be executed once: `attempt` tries it once, and is repeated under the same key.
    pub(crate) async fn once<T, F>(
        &self,
        name: &'static str,
        attempt: impl Fn(Arc<Ticket>) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let mut tries = Tries::new(self.patience);
        let mut ticket = Ticket::next(&self.session().await?);
        let mut renewed = false;
        loop {
            let error = match attempt(ticket.clone()).await {
                Err(CallError::Refused(Refusal::UnknownClient)) => {
                    self.forget(&ticket.session).await;
                    if ticket.was_sent() {
                        return Err(CallError::Undecided { call: name });
                    }
                    if renewed {
                        return Err(Refusal::UnknownClient.into());
                    }
                    ticket = Ticket::next(&self.session().await?);
                    renewed = true;
                    continue;
                }
                Err(error) if error.may_pass() => error,
                done => {
                    ticket.session.touch();
                    return done;
                }
            };
            if !matches!(error, CallError::Unreachable { .. }) {
                ticket.mark_sent();
            }
            tries.pause(name, error).await?;
        }
    }

    /// Makes a request that must be executed once, but after which another one like it changes nothing: when nobody can tell any more what
    /// became of it, it is asked anew, in a new session.
    async fn once_or_again<C, F>(
        &self,
        name: &'static str,
        call: impl Fn(RequestKey, RequestId) -> C,
    ) -> Result<(), CallError>
    where
        C: FnOnce(ClientServiceClient, Context) -> F,
        F: Future<Output = Result<Result<(), Refusal>, RpcError>>,
    {
        let calls = &self.links.calls;
        let attempt = |ticket: Arc<Ticket>| {
            let call = call(ticket.key(), ticket.session.done_below());
            calls.call_once(name, calls.call_timeout(), call)
        };
        match self.once(name, attempt).await {
            Err(CallError::Undecided { .. }) => self.once(name, attempt).await,
            done => done,
        }
    }

    /// Who is there?
    pub async fn info(&self) -> Result<CoordinatorInfo, CallError> {
        self.call("info", Duration::ZERO, |c, context| async move { c.info(context, PROTOCOL_VERSION).await })
            .await
    }

    /// Brings a blob to the coordinator, from where an earlier upload of it ended. Returns its name.
    pub async fn upload_blob(&self, bytes: &[u8]) -> Result<Sha256, CallError> {
        let name = sha256(bytes);
        let total = bytes.len() as u64;
        let mut here = self
            .call("blob_bytes", Duration::ZERO, |c, context| async move { c.blob_bytes(context, name).await })
            .await?;
        if here == total && total > 0 {
            return Ok(name);
        }
        let mut setbacks = 0;
        loop {
            let begin = usize::try_from(here).unwrap_or(usize::MAX).min(bytes.len());
            let chunk = &bytes[begin..bytes.len().min(begin + CHUNK_BYTES)];
            let now = self
                .call("put_blob", Duration::ZERO, |c, context| {
                    let chunk = Blob(chunk.to_vec());
                    async move { c.put_blob(context, name, total, here, chunk).await }
                })
                .await?;
            if now >= total {
                return Ok(name);
            }
            if now <= here {
                setbacks += 1;
                if setbacks == UPLOADS_MAX {
                    let text = format!("the upload of blob {name} does not get beyond byte {here}");
                    return Err(Refusal::Unavailable(text).into());
                }
            }
            here = now;
        }
    }

    /// Submits a job, once, under a key of the client's session in place of the one that the request has. Its plugin must have been
    /// uploaded; the request is uploaded here.
    pub async fn submit(&self, request: JobRequest) -> Result<JobId, CallError> {
        let request = Arc::new(request);
        self.once("submit", |ticket| {
            let (client, request) = (self.clone(), request.clone());
            async move {
                let request = JobRequest { key: ticket.key(), ..(*request).clone() };
                client.submit_once(&request).await
            }
        })
        .await
    }

    /// Submits a job under the key that the request has: of a session that the caller has [opened](Self::open_session). The same key
    /// again gives the same job, as long as the coordinator remembers it; after that, or when the session is over, it is refused with
    /// [`Refusal::UnknownClient`].
    pub async fn submit_under_its_key(&self, request: &JobRequest) -> Result<JobId, CallError> {
        let mut tries = Tries::new(self.patience);
        loop {
            match self.submit_once(request).await {
                Err(error) if error.may_pass() => tries.pause("submit", error).await?,
                done => return done,
            }
        }
    }

    async fn submit_once(&self, request: &JobRequest) -> Result<JobId, CallError> {
        let bytes = postcard::to_stdvec(request)
            .map_err(|error| CallError::Unsendable { call: "submit", source: Box::new(error) })?;
        let mut uploads = 0;
        loop {
            let name = self.upload_blob(&bytes).await?;
            uploads += 1;
            match self.submit_uploaded(request.key, name).await {
                Err(CallError::Refused(Refusal::UnknownBlob(lost)))
                    if lost == name.to_string() && uploads < UPLOADS_MAX => {}
                answer => return answer,
            }
        }
    }

    /// Submits a job whose request is uploaded already, under the key that the request has. Tried once.
    pub async fn submit_uploaded(&self, key: RequestKey, request: Sha256) -> Result<JobId, CallError> {
        let calls = &self.links.calls;
        let submit = |c: ClientServiceClient, context| async move { c.submit(context, key, request).await };
        calls.call_once("submit", SUBMIT_MAX + calls.call_timeout(), submit).await
    }

    /// The status of a job as soon as its revision is above `seen`, or after `wait` (at most
    /// [`LONG_POLL_MAX`], of a group less) as it is.
    pub async fn job(&self, job: JobId, seen: u64, wait: Duration) -> Result<JobStatus, CallError> {
        self.keep_waiting().await;
        let wait = wait.min(self.links.calls.long_poll_max());
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.call("job", wait, |c, context| async move { c.job(context, job, seen, wait_ms).await }).await
    }

    /// Follows a job to its end.
    pub fn watch(&self, job: JobId) -> Watch {
        Watch { client: self.clone(), job, seen: 0, ended: false }
    }

    /// The final status of a job, when it has ended.
    pub async fn wait_job(&self, job: JobId) -> Result<JobStatus, CallError> {
        let mut seen = 0;
        loop {
            let status = self.job(job, seen, LONG_POLL_MAX).await?;
            if status.phase.is_final() {
                return Ok(status);
            }
            seen = status.revision;
        }
    }

    /// All jobs that the coordinator remembers.
    pub async fn jobs(&self) -> Result<Vec<JobStatus>, CallError> {
        let mut all: Vec<JobStatus> = Vec::new();
        loop {
            let after = all.last().map_or(JobId(0), |status| status.id);
            let page = self
                .call("jobs", Duration::ZERO, |c, context| async move { c.jobs(context, after).await })
                .await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Cancels a job, once. One that is over stays as it is.
    pub async fn cancel(&self, job: JobId) -> Result<(), CallError> {
        self.once_or_again("cancel", |key, done_below| {
            move |c: ClientServiceClient, context| async move { c.cancel(context, key, done_below, job).await }
        })
        .await
    }

    /// Cancels a job under a key of a session that the caller has [opened](Self::open_session). The same key again changes nothing and is
    /// answered the same, until the session is over: then it is refused with [`Refusal::UnknownClient`].
    pub async fn cancel_under(&self, key: RequestKey, job: JobId) -> Result<(), CallError> {
        let done_below = RequestId(0);
        self.call("cancel", Duration::ZERO, |c, context| async move {
            c.cancel(context, key, done_below, job).await
        })
        .await
    }

    /// What a job, or one task of it, waits for.
    pub async fn explain(&self, job: JobId, task: Option<TaskId>) -> Result<Vec<Explanation>, CallError> {
        self.call("explain", Duration::ZERO, |c, context| async move { c.explain(context, job, task).await })
            .await
    }

    /// A page of what attempts of a job (or of one task) printed, after that of `after`; empty at the end.
    pub async fn logs_page(
        &self,
        job: JobId,
        task: Option<TaskId>,
        after: Option<AttemptId>,
    ) -> Result<Vec<AttemptLog>, CallError> {
        self.call("logs", Duration::ZERO, |c, context| async move { c.logs(context, job, task, after).await })
            .await
    }

    /// All that attempts of a job (or of one task) printed, as far as it was kept.
    pub async fn logs(&self, job: JobId, task: Option<TaskId>) -> Result<Vec<AttemptLog>, CallError> {
        let mut all: Vec<AttemptLog> = Vec::new();
        loop {
            let page = self.logs_page(job, task, all.last().map(|log| log.attempt)).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// The live workers.
    pub async fn workers(&self) -> Result<Vec<WorkerStatus>, CallError> {
        self.call("workers", Duration::ZERO, |c, context| async move { c.workers(context).await }).await
    }

    /// Gives a worker no new attempts, once; it leaves when it is not needed any more.
    pub async fn drain(&self, worker: WorkerId) -> Result<(), CallError> {
        self.once_or_again("drain", |key, done_below| {
            move |c: ClientServiceClient, context| async move {
                c.drain(context, key, done_below, worker).await
            }
        })
        .await
    }

    /// The members of the coordinator's group.
    pub async fn members(&self) -> Result<MembersStatus, CallError> {
        self.call("members", Duration::ZERO, |c, context| async move { c.members(context).await }).await
    }

    /// Changes the members of the group as it is now, and says what they are then.
    pub async fn change_members(&self, change: &MemberChange) -> Result<MembersStatus, CallError> {
        let seen = self.members().await?.version;
        self.change_members_of(seen, change).await
    }

    /// The same for a group as it was seen: refused when it has changed otherwise since. Making a change again that has been made does
    /// nothing.
    pub async fn change_members_of(
        &self,
        seen: MembersVersion,
        change: &MemberChange,
    ) -> Result<MembersStatus, CallError> {
        self.call("change_members", CHANGE_MEMBERS_MAX, |c, context| {
            let change = change.clone();
            async move { c.change_members(context, seen, change).await }
        })
        .await
    }
}

/// The changing status of one job.
pub struct Watch {
    client: Client,
    job: JobId,
    seen: u64,
    ended: bool,
}

impl Watch {
    /// The next status; the last one is final, `None` follows it. The first comes at once. An error ends nothing: ask again to go on.
    pub async fn next(&mut self) -> Result<Option<JobStatus>, CallError> {
        if self.ended {
            return Ok(None);
        }
        loop {
            let status = self.client.job(self.job, self.seen, LONG_POLL_MAX).await?;
            if status.revision > self.seen || self.seen == 0 || status.phase.is_final() {
                self.seen = status.revision;
                self.ended = status.phase.is_final();
                return Ok(Some(status));
            }
        }
    }
}
