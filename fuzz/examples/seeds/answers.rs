//! One of each answer, and what the calls of the target are answered with.

use std::sync::Arc;

use gristmill_model::{
    Assignment, AttemptId, AttemptLog, Blob, Bounds, ClientId, ClusterId, Explanation, InputMode, JobId,
    JobPhase, JobStatus, KvAnswer, KvChange, KvEntry, KvEvent, KvEvents, MapWork, MemberStatus,
    MembersStatus, MembersVersion, NotFound, PathBytes, PluginInfo, ReduceWork, Refusal, SampleSplit,
    SampleWork, Segment, Sha256, Split, TaskId, Timestamp, Work, WorkerId, WorkerStatus,
};
use gristmill_protocol::{
    ClientServiceResponse as Client, CoordinatorInfo, KvServiceResponse as Kv, Orders,
    PeerServiceResponse as Peer, PollReply, Registered, Verdict, WorkerServiceResponse as Worker,
};

use crate::encoded;

const JOB: JobId = JobId(7);
const WORKER: WorkerId = WorkerId(2);

/// As the target tells them: the kind of message, then its bytes.
pub(crate) fn all() -> Vec<Vec<u8>> {
    let of = |kind: u8, answers: Vec<Vec<u8>>| {
        answers.into_iter().map(move |answer| [vec![kind], answer].concat())
    };
    of(1, client()).chain(of(3, worker())).chain(of(5, kv())).chain(of(7, peer())).collect()
}

/// In the order of the target's calls; a call that needs a session is first given one.
pub(crate) fn by_call() -> Vec<Vec<Vec<u8>>> {
    let session = encoded(&Client::OpenSession(Ok(ClientId(2))));
    let complete = encoded(&Client::BlobBytes(Ok(u64::MAX)));
    let put = encoded(&Client::PutBlob(Ok(10)));
    let done = encoded(&Client::Job(Ok(status(JobPhase::Done))));
    let written = encoded(&Kv::Write(Ok(KvAnswer::Written { version: 1, revision: 8 })));
    let entry = encoded(&Kv::List(Ok(vec![entry()])));
    let page = encoded(&Worker::Segments(Ok(vec![segment()])));
    vec![
        vec![encoded(&Client::Info(Ok(info())))],
        vec![encoded(&Client::BlobBytes(Ok(0))), put.clone()],
        vec![session.clone(), complete, put, encoded(&Client::Submit(Ok(JOB)))],
        vec![encoded(&Client::Job(Ok(status(JobPhase::Mapping)))), done],
        vec![
            encoded(&Client::Jobs(Ok(vec![status(JobPhase::Done)]))),
            encoded(&Client::Jobs(Ok(Vec::new()))),
        ],
        vec![session.clone(), encoded(&Client::Cancel(Ok(())))],
        vec![encoded(&Client::Explain(Ok(vec![explanation()])))],
        vec![encoded(&Client::Logs(Ok(vec![log()]))), encoded(&Client::Logs(Ok(Vec::new())))],
        vec![encoded(&Client::Workers(Ok(vec![worker_status()])))],
        vec![session.clone(), encoded(&Client::Drain(Ok(())))],
        vec![encoded(&Client::Members(Ok(members())))],
        vec![encoded(&Client::Members(Ok(members()))), encoded(&Client::ChangeMembers(Ok(members())))],
        vec![encoded(&Kv::Get(Ok(None)))],
        vec![session.clone(), written.clone()],
        vec![session.clone(), written],
        vec![session, encoded(&Kv::Write(Ok(KvAnswer::Mismatch { version: 9 })))],
        vec![entry, encoded(&Kv::List(Ok(Vec::new())))],
        vec![encoded(&Kv::Watch(Ok(events(Vec::new())))), encoded(&Kv::Watch(Ok(changes())))],
        vec![encoded(&Worker::Register(Ok(registered())))],
        vec![encoded(&Worker::Poll(Ok(reply())))],
        vec![encoded(&Worker::Heartbeat(Ok(orders())))],
        vec![page.clone(), page],
        vec![encoded(&Worker::Blob(Ok(blob("x")))), encoded(&Worker::Blob(Ok(Blob::default())))],
        vec![encoded(&Worker::Goodbye(Ok(vec![JOB])))],
    ]
}

fn blob(text: &str) -> Blob {
    Blob(text.as_bytes().to_vec())
}

fn map() -> AttemptId {
    TaskId::map(JOB, 12).attempt(3)
}

fn client() -> Vec<Vec<u8>> {
    let task = TaskId::map(JOB, 2);
    let refusals = [
        Refusal::NotFound(NotFound::Task(task)),
        Refusal::OutputExists("/out".to_owned()),
        Refusal::UnknownBlob("ab".to_owned()),
        Refusal::UnknownWorker,
        Refusal::Version { coordinator: 4, caller: 5 },
        Refusal::Unavailable("ending".to_owned()),
        Refusal::NotLeader { leader: Some("127.0.0.1:1".to_owned()) },
        Refusal::UnknownClient,
        Refusal::NoMember { members: "127.0.0.1:1,127.0.0.1:2".to_owned() },
        Refusal::NotDone("late".to_owned()),
    ];
    let answers = [
        Client::Info(Ok(info())),
        Client::OpenSession(Ok(ClientId(2))),
        Client::KeepSession(Ok(())),
        Client::BlobBytes(Ok(300)),
        Client::PutBlob(Ok(300)),
        Client::Submit(Ok(JOB)),
        Client::Job(Ok(status(JobPhase::Failed("why".to_owned())))),
        Client::Jobs(Ok(vec![status(JobPhase::Sampling), status(JobPhase::Done)])),
        Client::Cancel(Ok(())),
        Client::Explain(Ok(vec![explanation()])),
        Client::Logs(Ok(vec![log()])),
        Client::Workers(Ok(vec![worker_status()])),
        Client::Drain(Ok(())),
        Client::Members(Ok(members())),
        Client::ChangeMembers(Ok(members())),
    ];
    let refused = refusals.map(|refusal| Client::Cancel(Err(refusal)));
    answers.iter().chain(&refused).map(encoded).collect()
}

fn worker() -> Vec<Vec<u8>> {
    let answers = [
        Worker::Register(Ok(registered())),
        Worker::Poll(Ok(reply())),
        Worker::Heartbeat(Ok(orders())),
        Worker::Segments(Ok(vec![segment()])),
        Worker::Blob(Ok(blob("bytes"))),
        Worker::Goodbye(Ok(vec![JOB])),
    ];
    answers.iter().map(encoded).collect()
}

fn kv() -> Vec<Vec<u8>> {
    let answers = [
        Kv::Write(Ok(KvAnswer::Written { version: 1, revision: 8 })),
        Kv::Write(Ok(KvAnswer::Deleted { revision: 8, existed: true })),
        Kv::Write(Ok(KvAnswer::Mismatch { version: 9 })),
        Kv::Get(Ok(Some(entry()))),
        Kv::List(Ok(vec![entry(), entry()])),
        Kv::Watch(Ok(changes())),
        Kv::Watch(Ok(KvEvents::Compacted { oldest: 300 })),
    ];
    answers.iter().map(encoded).collect()
}

fn peer() -> Vec<Vec<u8>> {
    let answers = [
        Peer::Deliver(Ok(blob("a reply"))),
        Peer::Part(Ok(None)),
        Peer::Part(Ok(Some(blob("a reply")))),
        Peer::BlobBytes(Ok(300)),
        Peer::PutBlob(Err(Refusal::Invalid("no".to_owned()))),
        Peer::Blob(Ok(blob("bytes"))),
    ];
    answers.iter().map(encoded).collect()
}

fn info() -> CoordinatorInfo {
    let version = "1.2.3".to_owned();
    CoordinatorInfo { cluster: ClusterId(5), version, slots: 8, node: Some(1), leader: Some(2) }
}

fn status(phase: JobPhase) -> JobStatus {
    JobStatus {
        id: JOB,
        app: "wc".to_owned(),
        output: PathBytes::from("/out"),
        phase,
        revision: 21,
        submitted: Timestamp::from_ms(1),
        ended: Some(Timestamp::from_ms(300)),
        sample: Default::default(),
        map: Default::default(),
        reduce: Default::default(),
        attempts: Default::default(),
        map_stats: Default::default(),
        reduce_stats: Default::default(),
        counters: [("c".to_owned(), -1)].into(),
        slowest: Some((map(), 300)),
        biggest_partition: Some((3, 99)),
        warnings: vec!["w".to_owned()],
    }
}

fn explanation() -> Explanation {
    Explanation { task: Some(map().task), text: "waits".to_owned(), deadline: Some(Timestamp::from_ms(9)) }
}

fn log() -> AttemptLog {
    AttemptLog { attempt: map(), worker: WORKER, outcome: "won".to_owned(), log: blob("hi") }
}

fn worker_status() -> WorkerStatus {
    WorkerStatus {
        id: WORKER,
        name: "w".to_owned(),
        slots: 4,
        running: vec![map()],
        silent_ms: 5,
        failures: 1,
        draining: true,
    }
}

fn members() -> MembersStatus {
    let member =
        MemberStatus { id: 1, address: "a:1".to_owned(), votes: true, behind: Some(3), silent_ms: Some(300) };
    let version = MembersVersion { term: 300, since: (2, 9) };
    MembersStatus { leader: Some(2), members: vec![member], version }
}

fn entry() -> KvEntry {
    KvEntry { key: blob("k"), value: blob("v"), version: 1, revision: 8 }
}

fn events(events: Vec<KvEvent>) -> KvEvents {
    KvEvents::Events { events, next: 10 }
}

fn changes() -> KvEvents {
    let event = |revision, change| KvEvent { revision, key: blob("k"), change };
    let put = KvChange::Put { value: blob("v"), version: 1 };
    events(vec![event(8, put), event(9, KvChange::Deleted)])
}

fn registered() -> Registered {
    Registered {
        worker: WORKER,
        cluster: ClusterId(9),
        live_jobs: vec![JOB],
        heartbeat_ms: 500,
        idle_heartbeat_ms: 2000,
    }
}

fn orders() -> Orders {
    Orders { cancel: vec![map()], forget: vec![JobId(6)], finished: true, leave: true }
}

fn segment() -> Segment {
    Segment { attempt: map(), worker: WORKER, path: PathBytes::from("/run") }
}

fn reply() -> PollReply {
    let split = Split {
        document: PathBytes::from("a.txt"),
        path: PathBytes::from("/a.txt"),
        offset: 64,
        bytes: 128,
        file_bytes: 1000,
        file_modified_ns: 1_700_000_000_123_456_789,
        compressed: false,
    };
    let piece = SampleSplit { split: split.clone(), bytes_max: 7 };
    let works = [
        Work::Map(MapWork { splits: vec![split], bounds: Arc::new(Bounds(vec![blob("k")])) }),
        Work::Reduce(ReduceWork { partition: 1, maps: 20 }),
        Work::Sample(SampleWork { splits: vec![piece] }),
    ];
    let verdicts = vec![(map(), Verdict::Won), (map(), Verdict::Discarded)];
    PollReply { assignments: works.map(assignment).into(), verdicts, orders: orders() }
}

fn assignment(work: Work) -> Assignment {
    let plugin = PluginInfo {
        sha256: Sha256([0xab; 32]),
        bytes: 300,
        name: "wc".to_owned(),
        version: "1.0.0".to_owned(),
        input_mode: InputMode::Text,
        map_only: false,
        combines: true,
        total_order: true,
    };
    Assignment {
        attempt: map(),
        cluster: ClusterId(9),
        plugin: Arc::new(plugin),
        params: Arc::new([("pattern".to_owned(), "x".to_owned())].into()),
        reduces: 4,
        memory_bytes: 512 << 20,
        task_timeout_ms: 10_000,
        output: PathBytes::from("/out"),
        work,
    }
}
