//! The output of a job on disk: prepared before the job exists, committed when its tasks are done, discarded when it fails.
//!
//! The storage knows the steps and continues a commit that was interrupted; this file knows where a job's output is staged. All
//! functions block.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use gristmill_model::{ClusterId, JobId, JobSpec, JobStatus, PathBytes, Refusal, RequestKey, Timestamp};
use gristmill_scheduler::OutputPart;
use gristmill_storage::{DirectoryLock, Output, SUCCESS, Staged, Storage, StorageError, output_name};

use crate::manifest::{Manifest, ManifestOutput};

/// How often a staging directory is removed: slots that are being killed may still write into it.
const DISCARD_TRIES: u32 = 20;
const DISCARD_PAUSE: Duration = Duration::from_millis(50);
/// Largest `_SUCCESS` that is read.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// Why an output is not visible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommitError {
    /// Another process is committing to the same directory.
    #[error("another process is committing to the same directory")]
    Busy,
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

impl From<StorageError> for CommitError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::OutputBusy(_) => Self::Busy,
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Outputs of jobs.
#[derive(Clone)]
pub(crate) struct Outputs {
    storage: Arc<dyn Storage>,
    /// Of the staging directories, from the request on until its job's output is committed or discarded.
    locks: Arc<Mutex<BTreeMap<RequestKey, DirectoryLock>>>,
}

/// A job's output that is to be made visible.
pub(crate) struct Commit {
    cluster: ClusterId,
    key: RequestKey,
    job: JobId,
    output: Output,
    directory: PathBuf,
    files: Vec<Staged>,
    manifest: Manifest,
}

impl Outputs {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, locks: Arc::default() }
    }

    /// The same for another leadership: what work of the one before locks late does not stay locked.
    pub(crate) fn anew(&self) -> Self {
        Self { storage: self.storage.clone(), locks: Arc::default() }
    }

    /// Lets go of all staging directories: whoever leads next locks them.
    pub(crate) fn release(&self) {
        self.locks().clear();
    }

    fn locks(&self) -> MutexGuard<'_, BTreeMap<RequestKey, DirectoryLock>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The output of a job.
    fn of_job(&self, cluster: ClusterId, job: JobId, spec: &JobSpec) -> Output {
        let name = cluster.job_dir_name(job);
        Output::new(self.storage.clone(), &spec.output.to_path(), &name, spec.overwrite)
    }

    /// The output of a request which is no job yet, so has no id.
    fn of_request(&self, cluster: ClusterId, spec: &JobSpec) -> Output {
        let RequestKey { client, request } = spec.key;
        let name = format!("{cluster}-{}-{}", client.0, request.0);
        Output::reserved(self.storage.clone(), &spec.output.to_path(), &name, spec.overwrite)
    }

    /// Makes the directories of a request's output, or leaves everything as it was and says why.
    pub(crate) fn prepare(&self, cluster: ClusterId, spec: &JobSpec) -> Result<(), Refusal> {
        let output = self.of_request(cluster, spec);
        let directory = spec.output.to_path();
        let invalid = |error: StorageError| Refusal::Invalid(error.to_string());
        let was_there = self.storage.stat(&directory).map_err(invalid)?.is_some();
        let prepared = output.prepare().map(|lock| drop(self.locks().insert(spec.key, lock)));
        prepared.map_err(|error| {
            // Of this very request: a leader before, which may only be paused, began with it.
            if matches!(error, StorageError::OutputBusy(_)) && self.is_locked(output.staging()) {
                return Refusal::Unavailable(error.to_string());
            }
            let cleared = output.discard().and_then(|()| match was_there {
                true => Ok(false),
                false => self.storage.remove_empty_directory(&directory),
            });
            if let Err(error) = cleared {
                tracing::warn!(%error, "cannot clear away an output that was refused");
            }
            match error {
                StorageError::OutputExists { directory, .. } => {
                    Refusal::OutputExists(PathBytes::from(directory.as_path()).to_string())
                }
                error => invalid(error),
            }
        })
    }

    fn is_locked(&self, directory: &Path) -> bool {
        matches!(self.storage.lock_directory(directory), Ok(None))
    }

    /// The request has become a job: its staging directory takes the name that the workers know.
    pub(crate) fn assign(&self, cluster: ClusterId, job: JobId, spec: &JobSpec) -> Result<(), StorageError> {
        let (from, to) = (self.of_request(cluster, spec), self.of_job(cluster, job, spec));
        let placed = self.storage.stat(to.staging()).is_ok_and(|found| found.is_some());
        if placed || self.storage.rename(from.staging(), to.staging()).is_err() {
            self.storage.create_directory(to.staging())?;
            self.storage.remove_tree(from.staging())?;
        }
        if let Entry::Vacant(unlocked) = self.locks().entry(spec.key) {
            unlocked.insert(to.lock_staging()?);
        }
        Ok(())
    }

    /// The request has not become a job.
    pub(crate) fn withdraw(&self, cluster: ClusterId, spec: &JobSpec) {
        if let Err(error) = self.of_request(cluster, spec).discard() {
            tracing::warn!(%error, "cannot clear away an output that was refused");
        }
        self.locks().remove(&spec.key);
    }

    /// The directory in which the attempts of a job write.
    pub(crate) fn staging(&self, cluster: ClusterId, job: JobId, spec: &JobSpec) -> PathBuf {
        self.of_job(cluster, job, spec).staging().to_owned()
    }

    /// Removes what a failed or cancelled job has staged, and its output directory if it made it.
    pub(crate) fn discard(&self, cluster: ClusterId, job: JobId, spec: &JobSpec) {
        let output = self.of_job(cluster, job, spec);
        for attempt in 1..=DISCARD_TRIES {
            match output.discard() {
                Ok(()) => break,
                Err(error) if attempt == DISCARD_TRIES => {
                    tracing::warn!(%job, %error, "cannot remove what a job had staged");
                }
                Err(_) => sleep(DISCARD_PAUSE),
            }
        }
        self.locks().remove(&spec.key);
    }

    /// What is to be done when all tasks of a job are done.
    pub(crate) fn commit(
        &self,
        cluster: ClusterId,
        spec: &JobSpec,
        status: &JobStatus,
        parts: &[OutputPart],
        now: Timestamp,
    ) -> Commit {
        let named: Vec<(String, &OutputPart)> = (0..).map(output_name).zip(parts).collect();
        let staged = |(name, part): &(String, &OutputPart)| Staged {
            path: part.path.to_path(),
            name: name.clone(),
            bytes: part.bytes,
        };
        let files = named.iter().map(staged).collect();
        let listed = named.into_iter().map(|(name, part)| ManifestOutput::new(name, part)).collect();
        Commit {
            cluster,
            key: spec.key,
            job: status.id,
            output: self.of_job(cluster, status.id, spec),
            directory: spec.output.to_path(),
            files,
            manifest: Manifest::new(cluster, spec, status, listed, now),
        }
    }

    /// Makes the output of a job visible. May be repeated after a failure or a crash at any step, also by another process.
    pub(crate) fn perform(&self, commit: &Commit) -> Result<(), CommitError> {
        let success = commit.directory.join(SUCCESS);
        let before = self.read_manifest(&success)?;
        // A manifest made anew would differ in its times from one that is there already.
        let manifest = before.filter(|found| found.is_of(commit.cluster, commit.job));
        let manifest = manifest.as_ref().unwrap_or(&commit.manifest);
        let mut text =
            serde_json::to_vec_pretty(manifest).map_err(|error| CommitError::Failed(error.to_string()))?;
        text.push(b'\n');
        commit.output.commit(&commit.files, &text)?;
        self.locks().remove(&commit.key);
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::fs;

    use gristmill_model::{ClientId, InputMode, JobPhase, PluginInfo, RequestId, Sha256, TaskId};
    use gristmill_storage::{Faulty, Local};

    use super::*;

    const CLUSTER: ClusterId = ClusterId(3);

    fn spec(output: &Path, overwrite: bool) -> JobSpec {
        JobSpec {
            key: RequestKey { client: ClientId(1), request: RequestId(1) },
            plugin: PluginInfo {
                sha256: Sha256([1; 32]),
                bytes: 1,
                name: "wc".to_owned(),
                version: "1".to_owned(),
                input_mode: InputMode::Text,
                map_only: false,
                combines: false,
                total_order: false,
            },
            params: Default::default(),
            inputs: Vec::new(),
            output: output.into(),
            overwrite,
            reduces: 2,
            split_bytes: 1,
            memory_bytes: 1,
            task_timeout_ms: 1,
            max_attempts: 1,
            priority: 0,
        }
    }

    fn status(spec: &JobSpec) -> JobStatus {
        JobStatus {
            id: JobId(1),
            app: "wc".to_owned(),
            output: spec.output.clone(),
            phase: JobPhase::Committing,
            revision: 1,
            submitted: Timestamp::default(),
            ended: None,
            sample: Default::default(),
            map: Default::default(),
            reduce: Default::default(),
            attempts: Default::default(),
            map_stats: Default::default(),
            reduce_stats: Default::default(),
            counters: Default::default(),
            slowest: None,
            biggest_partition: None,
            warnings: Vec::new(),
        }
    }

    /// Two staged files, and what is to become of them.
    fn staged(outputs: &Outputs, spec: &JobSpec) -> Vec<OutputPart> {
        outputs.prepare(CLUSTER, spec).unwrap();
        outputs.assign(CLUSTER, JobId(1), spec).unwrap();
        let part = |index: u32| {
            let attempt = TaskId::reduce(JobId(1), index).attempt(0);
            let path = outputs.staging(CLUSTER, JobId(1), spec).join(attempt.to_string());
            fs::write(&path, format!("part {index}")).unwrap();
            OutputPart { attempt, path: path.as_path().into(), bytes: 6, checksum: 9 }
        };
        vec![part(0), part(1)]
    }

    #[test]
    fn what_a_leadership_that_is_over_locks_late_does_not_stay_locked() {
        let place = tempfile::tempdir().unwrap();
        let outputs = Outputs::new(Arc::new(Local));
        let spec = spec(&place.path().join("out"), false);
        let before = outputs.anew();
        let late = before.clone();
        before.release();
        drop(before);
        late.prepare(CLUSTER, &spec).unwrap();
        let next = outputs.anew();
        assert!(matches!(next.prepare(CLUSTER, &spec), Err(Refusal::Unavailable(_))));
        drop(late);
        next.prepare(CLUSTER, &spec).unwrap();
    }

    /// A coordinator dies at any operation of a commit; the next, whose manifest has other times, carries it to the same end.
    #[test]
    fn a_commit_goes_on_after_a_crash_at_any_step() {
        for overwrite in [false, true] {
            let mut crashes = 0;
            loop {
                let directory = tempfile::tempdir().unwrap();
                let output = directory.path().join("out");
                if overwrite {
                    fs::create_dir(&output).unwrap();
                    fs::write(output.join("mr-out-00005"), b"old").unwrap();
                }
                let healthy = Outputs::new(Arc::new(Local));
                let spec = spec(&output, overwrite);
                let parts = staged(&healthy, &spec);
                let dying = Outputs::new(Arc::new(Faulty::new(Local, crashes)));
                let before = dying.commit(CLUSTER, &spec, &status(&spec), &parts, Timestamp::from_ms(1));
                let died = dying.perform(&before).is_err();

                let after = healthy.commit(CLUSTER, &spec, &status(&spec), &parts, Timestamp::from_ms(2));
                healthy.perform(&after).unwrap();
                let mut names: Vec<_> = fs::read_dir(&output)
                    .unwrap()
                    .map(|e| e.unwrap().file_name().into_string().unwrap())
                    .collect();
                names.sort();
                assert_eq!(names, ["_SUCCESS", "mr-out-00000", "mr-out-00001"], "after {crashes} operations");
                assert_eq!(fs::read(output.join("mr-out-00001")).unwrap(), b"part 1");
                if !died {
                    break;
                }
                crashes += 1;
            }
            assert!(crashes > 10, "{crashes}");
        }
    }

    #[test]
    fn a_staging_directory_is_locked_from_the_request_to_the_end_of_its_job() {
        let directory = tempfile::tempdir().unwrap();
        let spec = spec(&directory.path().join("out"), true);
        let outputs = Outputs::new(Arc::new(Local));
        let is_free = |path: &Path| Local.lock_directory(path).unwrap().is_some();
        outputs.prepare(CLUSTER, &spec).unwrap();
        assert!(!is_free(outputs.of_request(CLUSTER, &spec).staging()));
        outputs.assign(CLUSTER, JobId(1), &spec).unwrap();
        assert!(!is_free(&outputs.staging(CLUSTER, JobId(1), &spec)));
        outputs.discard(CLUSTER, JobId(1), &spec);
        assert!(outputs.locks().is_empty());

        let parts = staged(&outputs, &spec);
        assert!(!is_free(&outputs.staging(CLUSTER, JobId(1), &spec)));
        let commit = outputs.commit(CLUSTER, &spec, &status(&spec), &parts, Timestamp::from_ms(1));
        outputs.perform(&commit).unwrap();
        assert!(outputs.locks().is_empty());

        outputs.prepare(CLUSTER, &spec).unwrap();
        outputs.withdraw(CLUSTER, &spec);
        assert!(outputs.locks().is_empty());
    }

    #[test]
    fn a_manifest_of_another_job_is_not_taken_for_ours() {
        let directory = tempfile::tempdir().unwrap();
        let spec = spec(&directory.path().join("out"), true);
        let theirs = Outputs::new(Arc::new(Local));
        let parts = staged(&theirs, &spec);
        let commit = theirs.commit(CLUSTER, &spec, &status(&spec), &parts, Timestamp::from_ms(1));
        theirs.perform(&commit).unwrap();

        let ours = Outputs::new(Arc::new(Local));
        let parts = staged(&ours, &spec);
        let commit = ours.commit(CLUSTER, &spec, &status(&spec), &parts, Timestamp::from_ms(2));
        ours.perform(&commit).unwrap();
        let found = ours.read_manifest(&directory.path().join("out/_SUCCESS")).unwrap().unwrap();
        assert!(found.is_of(ClusterId(3), JobId(1)));
    }
}
