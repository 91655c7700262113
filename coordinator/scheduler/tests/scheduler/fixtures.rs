//! Specs, results and reports with nothing special about them.

use std::sync::Arc;

use gristmill_model::{
    AttemptId, AttemptStats, Blob, ClientId, FailureCause, InputFile, InputMode, JobId, JobSpec, KvOp,
    MapResult, Outcome, PartitionSize, PathBytes, PluginInfo, ReduceResult, Report, RequestId, RequestKey,
    SampleResult, SampledKey, Sha256, TaskFailure, WorkerId,
};
use gristmill_scheduler::{Asked, Input, KvCall, Planner};

pub(crate) fn key(client: u64, request: u64) -> RequestKey {
    RequestKey { client: ClientId(client), request: RequestId(request) }
}

/// An operation that a client asks for, which has all answers to requests before `done_below`.
pub(crate) fn call(client: u64, request: u64, done_below: u64, op: KvOp) -> KvCall {
    KvCall { key: key(client, request), done_below: RequestId(done_below), op: Arc::new(op) }
}

/// A request of a client that keeps the answers to all of its requests.
pub(crate) fn asked(client: u64, request: u64) -> Asked {
    Asked { key: key(client, request), done_below: RequestId(0) }
}

/// Client 1 cancels a job.
pub(crate) fn cancel(request: u64, job: u64) -> Input {
    Input::Cancel(asked(1, request), JobId(job))
}

/// Client 1 drains a worker.
pub(crate) fn drain(request: u64, worker: u64) -> Input {
    Input::Drain(asked(1, request), WorkerId(worker))
}

pub(crate) fn blob(text: &str) -> Blob {
    Blob(text.as_bytes().to_vec())
}

pub(crate) fn put(key: &str, value: &str) -> KvOp {
    KvOp::Put { key: blob(key), value: blob(value) }
}

pub(crate) fn append(key: &str, value: &str) -> KvOp {
    KvOp::Append { key: blob(key), value: blob(value) }
}

pub(crate) fn cas(key: &str, version: u64, value: &str) -> KvOp {
    KvOp::Cas { key: blob(key), version, value: blob(value) }
}

pub(crate) fn delete(key: &str, version: Option<u64>) -> KvOp {
    KvOp::Delete { key: blob(key), version }
}

pub(crate) fn file(name: &str, bytes: u64) -> InputFile {
    let path = format!("/in/{name}").as_str().into();
    InputFile { name: name.into(), path, bytes, modified_ns: 1_000_000_000, splittable: true }
}

/// `maps` splits of 100 bytes.
pub(crate) fn spec(request: u64, maps: u64, reduces: u32) -> JobSpec {
    JobSpec {
        key: key(1, request),
        plugin: PluginInfo {
            sha256: Sha256([7; 32]),
            bytes: 1_000,
            name: "wc".into(),
            version: "1.0.0".into(),
            input_mode: InputMode::Text,
            map_only: reduces == 0,
            combines: true,
            total_order: false,
        },
        params: [("pattern".to_owned(), "x".to_owned())].into(),
        inputs: vec![file("a.txt", maps * 100)],
        output: format!("/out/{request}").as_str().into(),
        overwrite: false,
        reduces,
        split_bytes: 100,
        memory_bytes: 1 << 20,
        task_timeout_ms: 10_000,
        max_attempts: 2,
        priority: 0,
    }
}

/// With one map task for each split.
pub(crate) fn submit(spec: JobSpec) -> Input {
    Input::Submit(Arc::new(spec), Planner::EvenPieces)
}

/// `maps` splits of a GiB, whose keys are to be in a total order; two samples for the first, about two more for each further one, at most eight.
pub(crate) fn ordered_spec(request: u64, maps: u64, reduces: u32) -> JobSpec {
    let plain = spec(request, maps, reduces);
    let plugin = PluginInfo { total_order: reduces > 0, ..plain.plugin };
    JobSpec { plugin, inputs: vec![file("a.txt", maps << 30)], split_bytes: 1 << 30, ..plain }
}

pub(crate) fn stats(counter: i64) -> AttemptStats {
    AttemptStats {
        bytes_in: 100,
        calls: 1,
        counters: [("c".to_owned(), counter)].into(),
        ..Default::default()
    }
}

pub(crate) fn mapped(attempt: AttemptId, reduces: u32, digest: u64, counter: i64) -> Report {
    let partition = PartitionSize { bytes: 10, pairs: 1 };
    let outcome = Outcome::Mapped(MapResult {
        path: PathBytes::from(format!("/runs/{attempt}").as_str()),
        bytes: 10 * u64::from(reduces),
        digest,
        partitions: vec![partition; reduces as usize],
        stats: stats(counter),
    });
    Report { attempt, outcome, log: Blob::default() }
}

pub(crate) fn reduced(attempt: AttemptId, counter: i64) -> Report {
    let outcome = Outcome::Reduced(ReduceResult {
        path: PathBytes::from(format!("/out/staged/{attempt}").as_str()),
        bytes: 5,
        crc32c: 42,
        stats: stats(counter),
    });
    Report { attempt, outcome, log: Blob::default() }
}

/// A sample of these one-byte keys, each of weight 1; counters of samples do not count.
pub(crate) fn sampled(attempt: AttemptId, keys: &[u8], counter: i64) -> Report {
    let key = |key: &u8| SampledKey { key: Blob(vec![*key]), weight: 1 };
    let result = SampleResult { keys: keys.iter().map(key).collect(), stats: stats(counter) };
    Report { attempt, outcome: Outcome::Sampled(result), log: Blob::default() }
}

pub(crate) fn failed(attempt: AttemptId, message: &str) -> Report {
    let failure = TaskFailure { cause: FailureCause::Panic, message: message.into(), location: None };
    Report { attempt, outcome: Outcome::Failed(failure), log: Blob(b"first line\nlast line\n".to_vec()) }
}

pub(crate) fn ended(attempt: AttemptId, outcome: Outcome) -> Report {
    Report { attempt, outcome, log: Blob::default() }
}
