//! From arguments to a job that can be submitted: inputs are listed, the app is found and looked at, nothing is started.

use std::path::{Path, PathBuf};

use anyhow::Context;
use gristmill_model::{
    InputFile, JobId, JobOptions, JobRequest, Params, PathBytes, PluginInfo, Refusal, RequestKey,
};
use gristmill_protocol::{CallError, Client, sha256};

use crate::apart;
use crate::app;
use crate::arguments::{JobArguments, params};
use crate::failure::{Exit, Failure, Outcome};
use crate::inputs::{self, Places};
use crate::inspect::call_failed;
use crate::signal::Stop;

/// How often the plugin is uploaded for one submission: a leader that dies between the two takes it along.
const UPLOADS_MAX: u32 = 4;

/// A job about which everything is known but its options.
pub(crate) struct Job {
    /// The plugin's library file.
    pub library: PathBuf,
    /// What the plugin says of itself.
    pub plugin: PluginInfo,
    /// Its parameters.
    pub params: Params,
    /// What is read.
    pub inputs: Vec<InputFile>,
    /// Where the output goes.
    pub output: PathBuf,
}

/// A job whose app has not been looked at yet.
pub(crate) struct Unlooked {
    library: PathBuf,
    params: Params,
    inputs: Vec<InputFile>,
    output: PathBuf,
    reduces: Option<u32>,
}

impl Unlooked {
    /// Tells this job with these options from any other: by the library's bytes, the parameters, the inputs with their sizes, the output.
    pub(crate) fn digest(&self, options: &JobOptions) -> Outcome<String> {
        let library = read(&self.library)?;
        let output = PathBytes::from(self.output.as_path());
        let asked = (sha256(&library), &self.params, &self.inputs, output, options);
        let bytes = postcard::to_stdvec(&asked).context("describe the job").map_err(Failure::failed)?;
        Ok(sha256(&bytes).to_string())
    }

    /// Loads the library in another process, as loading runs code of it, which may exit, crash or hang.
    pub(crate) async fn look(self, stop: &mut Stop) -> Outcome<Job> {
        let Self { library, params, inputs, output, reduces } = self;
        let plugin = apart::describe(&library, Exit::Usage, stop).await?;
        if reduces == Some(0) && !plugin.map_only {
            return Err(Failure::wrong(format!(
                "{} is not a map-only app: it needs at least 1 reduce",
                plugin.name
            )));
        }
        Ok(Job { library, plugin, params, inputs, output })
    }
}

impl Job {
    /// Finds all that a job needs. What is cheap to find wrong is looked at first. A job that is gone on with may have begun to fill its output.
    pub(crate) fn find(arguments: &JobArguments, quiet: bool, resumes: bool) -> Outcome<Unlooked> {
        let params = params(&arguments.params).map_err(Failure::wrong)?;
        let Places { inputs, output } = inputs::look(arguments, arguments.overwrite || resumes)?;
        let library = app::resolve(&arguments.app, quiet)?;
        Ok(Unlooked { library, params, inputs, output, reduces: arguments.reduces })
    }

    /// Finds the job that an earlier run submitted to this coordinator, or submits it if that run did not come so far.
    pub(crate) async fn resume(self, client: &Client, options: JobOptions) -> Outcome<JobId> {
        match client.jobs().await.map_err(submit_failed)?.last() {
            Some(job) => Ok(job.id),
            None => self.submit(client, options).await,
        }
    }

    /// Uploads the plugin, unless the coordinator has it, and submits the job.
    pub(crate) async fn submit(self, client: &Client, options: JobOptions) -> Outcome<JobId> {
        let library = read(&self.library)?;
        let plugin = self.plugin.sha256;
        if sha256(&library) != plugin {
            let changed = format!("{} changed while it was read; try again", self.library.display());
            return Err(Failure::wrong(changed));
        }
        let request = JobRequest {
            key: RequestKey::default(),
            plugin: self.plugin,
            params: self.params,
            inputs: self.inputs,
            output: PathBytes::from(self.output.as_path()),
            options,
        };
        let mut uploads = 0;
        loop {
            client.upload_blob(&library).await.map_err(submit_failed)?;
            uploads += 1;
            match client.submit(request.clone()).await {
                // Another leads than at the upload, and has never seen the plugin. What was refused was not executed.
                Err(CallError::Refused(Refusal::UnknownBlob(lost)))
                    if lost == plugin.to_string() && uploads < UPLOADS_MAX => {}
                submitted => return submitted.map_err(submit_failed),
            }
        }
    }
}

fn read(library: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(library).with_context(|| format!("read {}", library.display())).map_err(Failure::usage)
}

/// Nothing was started when a submission fails, whatever the reason.
fn submit_failed(error: CallError) -> Failure {
    let mut failure = call_failed(error);
    if failure.exit == Exit::Failed {
        failure.exit = Exit::Usage;
    }
    failure
}
