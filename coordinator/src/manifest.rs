//! What `_SUCCESS` says: a JSON manifest of a committed job.

use std::collections::BTreeMap;

use gristmill_model::{ClusterId, JobId, JobSpec, JobStatus, Timestamp};
use gristmill_scheduler::OutputPart;
use serde::{Deserialize, Serialize};

/// Grows when a field changes its meaning or goes; new ones may come without.
const FORMAT: u32 = 1;

/// The content of `_SUCCESS`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format: 1.
    pub format: u32,
    /// The version of gristmill that wrote it.
    pub gristmill: String,
    /// The coordinator group that ran the job, as it prints.
    pub cluster: String,
    /// The job, as it prints.
    pub job: String,
    /// The app.
    pub plugin: ManifestPlugin,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// What it read.
    pub inputs: ManifestInputs,
    /// What it made, in order.
    pub outputs: Vec<ManifestOutput>,
    /// Records in all outputs.
    pub records: u64,
    /// The app's counters.
    pub counters: BTreeMap<String, i64>,
    /// Attempts by outcome.
    pub attempts: BTreeMap<String, u64>,
    /// When it was submitted, in milliseconds since 1970.
    pub submitted_ms: u64,
    /// When its output was complete and the commit began, in milliseconds since 1970.
    pub ended_ms: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// The app in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPlugin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of the library.
    pub sha256: String,
}

/// The inputs in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestInputs {
    /// How many files.
    pub files: u64,
    /// Their sizes added up, as stored.
    pub bytes: u64,
}

/// One output file in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestOutput {
    /// Its name in the output directory.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// CRC32C of its content, 8 hexadecimal digits.
    pub crc32c: String,
}

impl Manifest {
    /// Of a job all of whose tasks are done.
    pub(crate) fn new(
        cluster: ClusterId,
        spec: &JobSpec,
        status: &JobStatus,
        outputs: Vec<ManifestOutput>,
        now: Timestamp,
    ) -> Self {
        let final_stats = if spec.reduces == 0 { &status.map_stats } else { &status.reduce_stats };
        Self {
            format: FORMAT,
            gristmill: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: cluster.to_string(),
            job: status.id.to_string(),
            plugin: ManifestPlugin {
                name: spec.plugin.name.clone(),
                version: spec.plugin.version.clone(),
                sha256: spec.plugin.sha256.to_string(),
            },
            params: spec.params.clone(),
            inputs: ManifestInputs {
                files: spec.inputs.len() as u64,
                bytes: spec.inputs.iter().map(|input| input.bytes).sum(),
            },
            outputs,
            records: final_stats.records_out,
            counters: status.counters.clone(),
            attempts: tally(status),
            submitted_ms: status.submitted.ms,
            ended_ms: now.ms,
            warnings: status.warnings.clone(),
        }
    }

    /// Whether it is of this job.
    pub(crate) fn is_of(&self, cluster: ClusterId, job: JobId) -> bool {
        self.cluster == cluster.to_string() && self.job == job.to_string()
    }
}

impl ManifestOutput {
    /// One part under its final name.
    pub(crate) fn new(name: String, part: &OutputPart) -> Self {
        Self { name, bytes: part.bytes, crc32c: format!("{:08x}", part.checksum) }
    }
}

/// Attempts by how they ended.
fn tally(status: &JobStatus) -> BTreeMap<String, u64> {
    let tally = &status.attempts;
    let named = [
        ("won", tally.won),
        ("lost", tally.lost),
        ("failed", tally.failed),
        ("timed_out", tally.timed_out),
        ("worker_lost", tally.worker_lost),
        ("runs_lost", tally.runs_lost),
        ("cancelled", tally.cancelled),
        ("backups", tally.backups),
    ];
    named.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}
