//! One of each call.

use gristmill_model::{
    AttemptId, AttemptStats, Blob, ClientId, FailureCause, Incarnation, InputFile, InputMode, JobId,
    JobOptions, JobRequest, KvOp, Location, LostRun, MapResult, MemberChange, MembersVersion, Outcome,
    PartitionSize, PathBytes, PluginInfo, Progress, ReduceResult, Report, RequestId, RequestKey,
    SampleResult, SampledKey, Sha256, TaskFailure, TaskId, WorkerId,
};
use gristmill_protocol::{
    ClientServiceRequest as Client, Heartbeat, KvServiceRequest as Kv, PROTOCOL_VERSION,
    PeerServiceRequest as Peer, PollRequest, WorkerHello, WorkerServiceRequest as Worker,
};

use crate::encoded;

const KEY: RequestKey = RequestKey { client: ClientId(2), request: RequestId(300) };
const DONE_BELOW: RequestId = RequestId(299);
const SHA256: Sha256 = Sha256([1; 32]);
const WORKER: WorkerId = WorkerId(2);
const INCARNATION: Incarnation = Incarnation(u64::MAX);

/// As the target tells them: the kind of message, then its bytes.
pub(crate) fn all() -> Vec<Vec<u8>> {
    let of = |kind: u8, calls: Vec<Vec<u8>>| calls.into_iter().map(move |call| [vec![kind], call].concat());
    let jobs = vec![encoded(&job())];
    of(0, client())
        .chain(of(2, worker()))
        .chain(of(4, kv()))
        .chain(of(6, peer()))
        .chain(of(8, jobs))
        .collect()
}

/// In the order of the roles.
pub(crate) fn by_role() -> [Vec<Vec<u8>>; 6] {
    [client(), worker(), worker(), kv(), peer(), peer()]
}

fn blob(text: &str) -> Blob {
    Blob(text.as_bytes().to_vec())
}

fn map() -> AttemptId {
    TaskId::map(JobId(7), 12).attempt(3)
}

fn client() -> Vec<Vec<u8>> {
    let seen = MembersVersion { term: 300, since: (2, 9) };
    let changes = [
        MemberChange::Add { id: 4, address: "a:4".to_owned() },
        MemberChange::Remove { id: 4 },
        MemberChange::Replace { id: 1, by: 4, address: "a:4".to_owned() },
        MemberChange::Lead { id: 2 },
    ];
    let job = JobId(7);
    let calls = [
        Client::Info { protocol: PROTOCOL_VERSION },
        Client::OpenSession { nonce: u64::MAX },
        Client::KeepSession { client: ClientId(2), done_below: DONE_BELOW },
        Client::BlobBytes { sha256: SHA256 },
        Client::PutBlob { sha256: SHA256, total: 3, offset: 1, chunk: blob("xx") },
        Client::Submit { key: KEY, request: SHA256 },
        Client::Job { job, seen: 0, wait_ms: 20_000 },
        Client::Jobs { after: JobId(0) },
        Client::Cancel { key: KEY, done_below: DONE_BELOW, job },
        Client::Explain { job, task: Some(TaskId::reduce(job, 1)) },
        Client::Logs { job, task: None, after: Some(map()) },
        Client::Workers {},
        Client::Drain { key: KEY, done_below: DONE_BELOW, worker: WORKER },
        Client::Members {},
    ];
    let changes = changes.map(|change| Client::ChangeMembers { seen, change });
    calls.iter().chain(&changes).map(encoded).collect()
}

fn worker() -> Vec<Vec<u8>> {
    let hello = WorkerHello {
        protocol: PROTOCOL_VERSION,
        name: "w".to_owned(),
        incarnation: INCARNATION,
        slots: 4,
        machine: "m".to_owned(),
        running: vec![map()],
    };
    let request = PollRequest {
        worker: WORKER,
        incarnation: INCARNATION,
        free_slots: 1,
        ahead: 2,
        held: 3,
        reports: reports(),
        wait_ms: 5,
    };
    let running = vec![Progress { attempt: map(), ticks: 3, bytes_in: 300, waits: true }];
    let heartbeat = Heartbeat { worker: WORKER, incarnation: INCARNATION, running };
    let calls = [
        Worker::Register { hello },
        Worker::Poll { request },
        Worker::Heartbeat { heartbeat },
        Worker::Segments { worker: WORKER, incarnation: INCARNATION, attempt: map(), from: 3 },
        Worker::Blob { sha256: SHA256, offset: 300 },
        Worker::Goodbye { worker: WORKER, incarnation: INCARNATION },
    ];
    calls.iter().map(encoded).collect()
}

fn reports() -> Vec<Report> {
    let stats = AttemptStats { bytes_in: 300, counters: [("c".to_owned(), -1)].into(), ..Default::default() };
    let (path, bytes) = (PathBytes::from("/run"), 10);
    let partitions = vec![PartitionSize { bytes, pairs: 2 }, PartitionSize::default()];
    let location = Some(Location { document: PathBytes::from("a.txt"), offset: 9 });
    let failed = |cause, location| Outcome::Failed(TaskFailure { cause, message: "m".to_owned(), location });
    let keys = vec![SampledKey { key: blob("k"), weight: 300 }];
    let outcomes = [
        Outcome::Mapped(MapResult {
            path: path.clone(),
            bytes,
            digest: u64::MAX,
            partitions,
            stats: stats.clone(),
        }),
        Outcome::Reduced(ReduceResult { path, bytes, crc32c: u32::MAX, stats: stats.clone() }),
        failed(FailureCause::Signal(11), None),
        failed(FailureCause::Error, location),
        Outcome::RunsLost(vec![LostRun { attempt: map(), reason: "gone".to_owned() }]),
        Outcome::Cancelled,
        Outcome::Sampled(SampleResult { keys, stats }),
    ];
    outcomes.map(|outcome| Report { attempt: map(), outcome, log: blob("hi") }).into()
}

fn kv() -> Vec<Vec<u8>> {
    let (key, value) = (blob("k"), blob("v"));
    let ops = [
        KvOp::Put { key: key.clone(), value: value.clone() },
        KvOp::Append { key: key.clone(), value: value.clone() },
        KvOp::Cas { key: key.clone(), version: 7, value },
        KvOp::Delete { key: key.clone(), version: None },
        KvOp::Delete { key: key.clone(), version: Some(7) },
    ];
    let reads = [
        Kv::Get { key: key.clone() },
        Kv::List { prefix: key.clone(), after: Some(blob("k1")), limit: 1024 },
        Kv::Watch { prefix: key, from_revision: 300, wait_ms: 20_000 },
    ];
    let writes = ops.map(|op| Kv::Write { key: KEY, done_below: DONE_BELOW, op });
    writes.iter().chain(&reads).map(encoded).collect()
}

fn peer() -> Vec<Vec<u8>> {
    let part = |offset, piece| Peer::Part { id: 1, total: 5, offset, piece: blob(piece) };
    let calls = [
        Peer::Deliver { message: blob("a message") },
        part(0, "he"),
        part(2, "llo"),
        Peer::BlobBytes { sha256: SHA256 },
        Peer::PutBlob { sha256: SHA256, total: 3, offset: 1, chunk: blob("xx") },
        Peer::Blob { sha256: SHA256, offset: 300 },
    ];
    calls.iter().map(encoded).collect()
}

fn job() -> JobRequest {
    JobRequest {
        key: KEY,
        plugin: PluginInfo {
            sha256: SHA256,
            bytes: 300,
            name: "wc".to_owned(),
            version: "1.0.0".to_owned(),
            input_mode: InputMode::Records(8),
            map_only: false,
            combines: true,
            total_order: true,
        },
        params: [("pattern".to_owned(), "x".to_owned())].into(),
        inputs: vec![InputFile {
            name: PathBytes::from("a.txt"),
            path: PathBytes::from("/a.txt"),
            bytes: 1000,
            modified_ns: 1_700_000_000_123_456_789,
            splittable: true,
        }],
        output: PathBytes::from("/out"),
        options: JobOptions { reduces: Some(4), slots: Some(2), priority: -1, ..JobOptions::default() },
    }
}
