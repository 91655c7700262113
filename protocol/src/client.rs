//! What a client of a coordinator holds: the calls of the client service, with redialling, paging and uploads.

use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{
    AttemptId, AttemptLog, Blob, Explanation, JobId, JobRequest, JobStatus, Refusal, RequestKey, Sha256,
    TaskId, WorkerStatus,
};
use sha2::Digest;
use tarpc::client::Config;

use crate::limits::{CHUNK_BYTES, LONG_POLL_MAX};
use crate::preamble::Role;
use crate::redial::{CallError, Redial};
use crate::transport::{BoxIo, client_transport};
use crate::{ClientServiceClient, CoordinatorInfo, Endpoint, PROTOCOL_VERSION};

/// How often a blob is uploaded again when the coordinator has lost it meanwhile.
const UPLOADS_MAX: u32 = 4;

/// A client of one coordinator group. Cheap to clone; clones share the connection.
///
/// Connects with the first call and again whenever the connection is lost. A call is repeated until it is answered or refused, or
/// until the client's patience ends: all calls may be repeated without harm.
#[derive(Clone)]
pub struct Client {
    link: Arc<Redial<ClientServiceClient>>,
    patience: Duration,
}

fn start(stream: BoxIo) -> ClientServiceClient {
    ClientServiceClient::new(Config::default(), client_transport(stream)).spawn()
}

/// The SHA-256 of some bytes: the name of a blob.
pub fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

impl Client {
    /// `patience` is how long a call that finds no coordinator goes on trying; zero tries once.
    pub fn new(endpoint: Endpoint, patience: Duration) -> Self {
        Self { link: Arc::new(Redial::new(endpoint, Role::Client, start)), patience }
    }

    /// The same connection with another patience.
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self { link: self.link.clone(), patience }
    }

    async fn call<T, F>(
        &self,
        name: &'static str,
        wait: Duration,
        call: impl Fn(ClientServiceClient, tarpc::context::Context) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<Result<T, Refusal>, tarpc::client::RpcError>>,
    {
        self.link.call(name, wait, self.patience, call).await
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
            .call("blob_bytes", Duration::ZERO, |c, context| async move {
                Ok(Ok(c.blob_bytes(context, name).await?))
            })
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

    /// Submits a job. Its plugin must have been uploaded; the request is uploaded here. The same key again gives the same job.
    pub async fn submit(&self, request: &JobRequest) -> Result<JobId, CallError> {
        let bytes = postcard::to_stdvec(request)
            .map_err(|error| CallError::Unsendable { call: "submit", source: Box::new(error) })?;
        let key = request.key;
        for _ in 1..UPLOADS_MAX {
            let name = self.upload_blob(&bytes).await?;
            match self.submit_uploaded(key, name).await {
                Err(CallError::Refused(Refusal::UnknownBlob(lost))) if lost == name.to_string() => {}
                answer => return answer,
            }
        }
        let name = self.upload_blob(&bytes).await?;
        self.submit_uploaded(key, name).await
    }

    /// Submits a job whose request is uploaded already, under the key that the request has.
    pub async fn submit_uploaded(&self, key: RequestKey, request: Sha256) -> Result<JobId, CallError> {
        self.call("submit", Duration::ZERO, |c, context| async move { c.submit(context, key, request).await })
            .await
    }

    /// The status of a job as soon as its revision is above `seen`, or after `wait` (at most
    /// [`LONG_POLL_MAX`](crate::limits::LONG_POLL_MAX)) as it is.
    pub async fn job(&self, job: JobId, seen: u64, wait: Duration) -> Result<JobStatus, CallError> {
        let wait = wait.min(LONG_POLL_MAX);
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
            let page =
                self.call("jobs", Duration::ZERO, |c, context| async move {
                    Ok(Ok(c.jobs(context, after).await?))
                })
                .await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Cancels a job. One that is over stays as it is.
    pub async fn cancel(&self, job: JobId) -> Result<(), CallError> {
        self.call("cancel", Duration::ZERO, |c, context| async move { c.cancel(context, job).await }).await
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
        self.call("workers", Duration::ZERO, |c, context| async move { Ok(Ok(c.workers(context).await?)) })
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
