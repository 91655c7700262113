//! The real cluster: a group of coordinators and its store, and outputs in a directory that the workers share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use gristmill_dataplane::Plugin;
use gristmill_model::{
    ClientId, InputFile, JobId, JobOptions, JobPhase, JobRequest, Params, PathBytes, PluginInfo, Refusal,
    RequestId, RequestKey,
};
use gristmill_protocol::{CallError, Client, Endpoint, KvClient};
use gristmill_storage::Input;
use kmeans::Point;
use tokio::sync::Mutex;

use crate::arguments::Arguments;
use crate::cluster::{Cluster, Ended, Submitted};
use crate::output;
use crate::progress::Progress;

/// How long coordinators that do not answer are looked for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is needed to run iterations on a group.
pub(crate) struct Group {
    client: Client,
    kv: KvClient,
    key: Vec<u8>,
    library: Vec<u8>,
    plugin: PluginInfo,
    inputs: Vec<InputFile>,
    output: PathBuf,
    session: Mutex<Option<ClientId>>,
}

impl Group {
    pub(crate) fn new(arguments: &Arguments, inputs: Vec<Input>) -> anyhow::Result<Self> {
        let client = Client::new(Endpoint::tcp(&arguments.coordinator)?, PATIENCE);
        let path = arguments.plugin()?;
        let library = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let plugin = Plugin::inspect(&path).with_context(|| format!("look at {}", path.display()))?;
        Ok(Self {
            kv: client.kv(),
            client,
            key: format!("kmeans/{}", arguments.name).into_bytes(),
            library,
            plugin,
            inputs: inputs.iter().map(input_file).collect(),
            output: std::path::absolute(&arguments.output).context("find the output directory")?,
            session: Mutex::new(None),
        })
    }

    fn request(&self, key: RequestKey, iteration: u32, centroids: &[Point]) -> JobRequest {
        let directory: &Path = &output::directory(&self.output, iteration);
        JobRequest {
            key,
            plugin: self.plugin.clone(),
            params: Params::from([(output::CENTROIDS.to_owned(), Point::list(centroids))]),
            inputs: self.inputs.clone(),
            output: PathBytes::from(directory),
            // What an earlier, failed job of the iteration has left may be replaced.
            options: JobOptions { reduces: Some(1), overwrite: true, ..JobOptions::default() },
        }
    }
}

fn input_file(input: &Input) -> InputFile {
    InputFile {
        name: PathBytes::from(input.name.as_path()),
        path: PathBytes::from(input.path.as_path()),
        bytes: input.version.bytes,
        modified_ns: input.version.modified_ns,
        splittable: input.splittable,
    }
}

impl Cluster for Group {
    async fn read(&self) -> anyhow::Result<Option<(Progress, u64)>> {
        let Some(entry) = self.kv.get(&self.key).await? else { return Ok(None) };
        let progress = Progress::from_bytes(&entry.value.0);
        let key = String::from_utf8_lossy(&self.key);
        Ok(Some((progress.with_context(|| format!("understand the key `{key}`"))?, entry.version)))
    }

    async fn write(&self, version: u64, progress: &Progress) -> anyhow::Result<Option<u64>> {
        match self.kv.cas(&self.key, version, &progress.to_bytes()?).await {
            Ok(written) => Ok(written.ok().map(|written| written.version)),
            // Whether it was written shows when it is looked at again.
            Err(CallError::Undecided { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn session(&self, next: RequestId) -> anyhow::Result<ClientId> {
        let mut session = self.session.lock().await;
        if let Some(known) = *session {
            match self.client.keep_session(known, next).await {
                Ok(()) => return Ok(known),
                Err(CallError::Refused(Refusal::UnknownClient)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(*session.insert(self.client.open_session(rand::random()).await?))
    }

    async fn submit(
        &self,
        key: RequestKey,
        iteration: u32,
        centroids: &[Point],
    ) -> anyhow::Result<Submitted> {
        self.client.upload_blob(&self.library).await?;
        match self.client.submit_under_its_key(&self.request(key, iteration, centroids)).await {
            Ok(job) => Ok(Submitted::Job(job)),
            Err(CallError::Refused(Refusal::UnknownClient)) => Ok(Submitted::SessionOver),
            Err(CallError::Refused(
                refusal @ (Refusal::Invalid(_) | Refusal::OutputExists(_) | Refusal::NotFound(_)),
            )) => Ok(Submitted::Refused(refusal.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    async fn wait(&self, job: JobId) -> anyhow::Result<Ended> {
        match self.client.wait_job(job).await {
            Ok(status) => Ok(match status.phase {
                JobPhase::Failed(reason) => Ended::Failed(format!("{job}: {reason}")),
                JobPhase::Cancelled => Ended::Failed(format!("{job} was cancelled")),
                _ => Ended::Done,
            }),
            Err(CallError::Refused(Refusal::NotFound(_))) => Ok(Ended::Forgotten),
            Err(error) => Err(error.into()),
        }
    }

    async fn output(&self, iteration: u32, began: &[Point]) -> anyhow::Result<Option<Vec<(usize, Point)>>> {
        output::read(&output::directory(&self.output, iteration), began)
    }
}
