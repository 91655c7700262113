//! The output of a job on disk: prepared before the job exists, committed when its tasks are done, discarded when it fails.
//!
//! The storage knows the steps and continues a commit that was interrupted; this file knows where a job's output is staged. All
//! functions block.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use gristmill_model::{ClusterId, JobId, JobSpec, JobStatus, PathBytes, Refusal, RequestKey, Timestamp};
use gristmill_scheduler::OutputPart;
use gristmill_storage::{Output, SUCCESS, Staged, Storage, StorageError, output_name};

use crate::manifest::{Manifest, ManifestOutput};

/// How often a staging directory is removed: slots that are being killed may still write into it.
const DISCARD_TRIES: u32 = 20;
const DISCARD_PAUSE: Duration = Duration::from_millis(50);
/// Largest `_SUCCESS` that is read.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// Outputs of the jobs of one cluster.
#[derive(Clone)]
pub(crate) struct Outputs {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) cluster: ClusterId,
}

/// A job's output that is to be made visible.
pub(crate) struct Commit {
    job: JobId,
    output: Output,
    directory: PathBuf,
    files: Vec<Staged>,
    manifest: Manifest,
}

impl Outputs {
    /// The output of a job.
    fn of_job(&self, job: JobId, spec: &JobSpec) -> Output {
        let name = self.cluster.job_dir_name(job);
        Output::new(self.storage.clone(), &spec.output.to_path(), &name, spec.overwrite)
    }

    /// The output of a request which is no job yet, so has no id.
    fn of_request(&self, spec: &JobSpec) -> Output {
        let RequestKey { client, request } = spec.key;
        let name = format!("gristmill-{}-request-{:032x}-{}", self.cluster, client.0, request.0);
        Output::new(self.storage.clone(), &spec.output.to_path(), &name, spec.overwrite)
    }

    /// Makes the directories of a request's output, or leaves everything as it was and says why.
    pub(crate) fn prepare(&self, spec: &JobSpec) -> Result<(), Refusal> {
        let output = self.of_request(spec);
        output.prepare().map_err(|error| {
            if let Err(error) = output.discard() {
                tracing::warn!(%error, "cannot clear away an output that was refused");
            }
            match error {
                StorageError::OutputExists { directory, .. } => {
                    Refusal::OutputExists(PathBytes::from(directory.as_path()).to_string())
                }
                error => Refusal::Invalid(error.to_string()),
            }
        })
    }

    /// The request has become a job: its staging directory takes the name that the workers know.
    pub(crate) fn assign(&self, job: JobId, spec: &JobSpec) -> Result<(), StorageError> {
        self.storage.rename(self.of_request(spec).staging(), self.of_job(job, spec).staging())
    }

    /// The request has not become a job.
    pub(crate) fn withdraw(&self, spec: &JobSpec) {
        if let Err(error) = self.of_request(spec).discard() {
            tracing::warn!(%error, "cannot clear away an output that was refused");
        }
    }

    /// The directory in which the attempts of a job write.
    pub(crate) fn staging(&self, job: JobId, spec: &JobSpec) -> PathBuf {
        self.of_job(job, spec).staging().to_owned()
    }

    /// Removes what a failed or cancelled job has staged, and its output directory if it made it.
    pub(crate) fn discard(&self, job: JobId, spec: &JobSpec) {
        let output = self.of_job(job, spec);
        for attempt in 1..=DISCARD_TRIES {
            match output.discard() {
                Ok(()) => return,
                Err(error) if attempt == DISCARD_TRIES => {
                    tracing::warn!(%job, %error, "cannot remove what a job had staged");
                }
                Err(_) => sleep(DISCARD_PAUSE),
            }
        }
    }

    /// What is to be done when all tasks of a job are done.
    pub(crate) fn commit(
        &self,
        spec: &JobSpec,
        status: &JobStatus,
        parts: &[OutputPart],
        now: Timestamp,
    ) -> Commit {
        let map_only = spec.reduces == 0;
        let named: Vec<(String, &OutputPart)> = (0..).map(output_name).zip(parts).collect();
        let staged = |(name, part): &(String, &OutputPart)| Staged {
            path: part.path.to_path(),
            name: name.clone(),
            bytes: part.bytes,
        };
        let files = named.iter().map(staged).collect();
        let listed =
            named.into_iter().map(|(name, part)| ManifestOutput::new(name, part, map_only)).collect();
        Commit {
            job: status.id,
            output: self.of_job(status.id, spec),
            directory: spec.output.to_path(),
            files,
            manifest: Manifest::new(self.cluster, spec, status, listed, now),
        }
    }

    /// Makes the output of a job visible. May be repeated after a failure or a crash at any step, also by another process.
    pub(crate) fn perform(&self, commit: &Commit) -> Result<(), String> {
        let success = commit.directory.join(SUCCESS);
        let before = self.read_manifest(&success).map_err(|error| error.to_string())?;
        // A manifest made anew would differ in its times from one that is there already.
        let manifest = before.filter(|found| found.is_of(self.cluster, commit.job));
        let manifest = manifest.as_ref().unwrap_or(&commit.manifest);
        let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| error.to_string())?;
        text.push(b'\n');
        commit.output.commit(&commit.files, &text).map_err(|error| error.to_string())
    }

    fn read_manifest(&self, path: &Path) -> Result<Option<Manifest>, StorageError> {
        let Some(stat) = self.storage.stat(path)?.filter(|stat| stat.bytes <= MANIFEST_BYTES_MAX) else {
            return Ok(None);
        };
        let file = self.storage.open(path)?;
        let mut text = vec![0; usize::try_from(stat.bytes).unwrap_or(usize::MAX)];
        let mut filled = 0;
        while let Some(rest) = text.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        text.truncate(filled);
        Ok(serde_json::from_slice(&text).ok())
    }
}
