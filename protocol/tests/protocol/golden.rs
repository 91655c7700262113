//! The bytes of some messages. When one changes here, an old worker or client misreads it: raise `PROTOCOL_VERSION` with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gristmill_model::{
    Assignment, AttemptStats, Blob, Bounds, ClientId, ClusterId, FailureCause, Incarnation, InputMode, JobId,
    JobPhase, JobStatus, KvChange, KvEvent, KvEvents, KvOp, MapResult, MapWork, MemberChange, MemberStatus,
    MembersStatus, MembersVersion, NotFound, Outcome, PartitionSize, PathBytes, PluginInfo, ReduceWork,
    Refusal, Report, RequestId, RequestKey, SampleResult, SampleSplit, SampleWork, SampledKey, Sha256, Split,
    TaskFailure, TaskId, Work, WorkerId,
};
use gristmill_protocol::{
    ClientServiceRequest, ClientServiceResponse, KvServiceRequest, KvServiceResponse, Orders,
    PROTOCOL_VERSION, PeerServiceRequest, PollReply, PollRequest, Verdict, WorkerHello, WorkerServiceRequest,
    WorkerServiceResponse,
};

use crate::support::status;

fn plugin() -> PluginInfo {
    PluginInfo {
        sha256: Sha256([0xab; 32]),
        bytes: 300,
        name: "wc".to_owned(),
        version: "1.0.0".to_owned(),
        input_mode: InputMode::Records(8),
        map_only: false,
        combines: true,
        total_order: true,
    }
}

fn assignment(work: Work) -> Assignment {
    Assignment {
        attempt: TaskId::map(JobId(7), 12).attempt(3),
        cluster: ClusterId(9),
        plugin: Arc::new(plugin()),
        params: Arc::new(BTreeMap::from([("pattern".to_owned(), "x".to_owned())])),
        reduces: 4,
        memory_bytes: 512 << 20,
        task_timeout_ms: 10_000,
        output: PathBytes::from("/out"),
        work,
    }
}

fn poll() -> WorkerServiceRequest {
    let attempt = TaskId::map(JobId(7), 12).attempt(3);
    let stats = AttemptStats {
        bytes_in: 1,
        wall_ms: 2,
        counters: BTreeMap::from([("c".to_owned(), -1)]),
        ..Default::default()
    };
    let mapped = Outcome::Mapped(MapResult {
        path: PathBytes::from("/run"),
        bytes: 10,
        digest: u64::MAX,
        partitions: vec![PartitionSize { bytes: 10, pairs: 2 }],
        stats,
    });
    let sample = TaskId::sample(JobId(7), 2).attempt(0);
    let key = SampledKey { key: Blob(b"k".to_vec()), weight: 300 };
    let sampled = Outcome::Sampled(SampleResult { keys: vec![key], stats: AttemptStats::default() });
    let failed = Outcome::Failed(TaskFailure {
        cause: FailureCause::Signal(11),
        message: "m".to_owned(),
        location: None,
    });
    WorkerServiceRequest::Poll {
        request: PollRequest {
            worker: WorkerId(2),
            incarnation: Incarnation(3),
            free_slots: 1,
            ahead: 2,
            held: 3,
            reports: vec![
                Report { attempt, outcome: mapped, log: Blob(b"hi".to_vec()) },
                Report { attempt, outcome: failed, log: Blob::default() },
                Report { attempt, outcome: Outcome::Cancelled, log: Blob::default() },
                Report { attempt: sample, outcome: sampled, log: Blob::default() },
            ],
            wait_ms: 5,
        },
    }
}

fn reply() -> WorkerServiceResponse {
    let split = Split {
        document: PathBytes::from("a.txt"),
        path: PathBytes::from("/a.txt"),
        offset: 64,
        bytes: 128,
        file_bytes: 1000,
        file_modified_ns: -5,
        compressed: true,
    };
    let bounds = Arc::new(Bounds(vec![Blob(b"k".to_vec())]));
    let piece = SampleSplit { split: split.clone(), bytes_max: 7 };
    WorkerServiceResponse::Poll(Ok(PollReply {
        assignments: vec![
            assignment(Work::Map(MapWork { splits: vec![split], bounds })),
            assignment(Work::Reduce(ReduceWork { partition: 1, maps: 20 })),
            assignment(Work::Sample(SampleWork { splits: vec![piece] })),
        ],
        verdicts: vec![(TaskId::reduce(JobId(7), 1).attempt(0), Verdict::Discarded)],
        orders: Orders { cancel: Vec::new(), forget: vec![JobId(6)], finished: true, leave: true },
    }))
}

fn job() -> ClientServiceResponse {
    let status =
        JobStatus { biggest_partition: Some((3, 99)), ..status(7, 21, JobPhase::Failed("why".to_owned())) };
    ClientServiceResponse::Job(Ok(status))
}

fn hello() -> WorkerServiceRequest {
    WorkerServiceRequest::Register {
        hello: WorkerHello {
            protocol: 1,
            name: "w".to_owned(),
            incarnation: Incarnation(3),
            slots: 4,
            machine: "m".to_owned(),
            running: vec![TaskId::reduce(JobId(7), 1).attempt(0)],
        },
    }
}

fn write() -> KvServiceRequest {
    KvServiceRequest::Write {
        key: RequestKey { client: ClientId(2), request: RequestId(300) },
        done_below: RequestId(299),
        op: KvOp::Cas { key: Blob(b"k".to_vec()), version: 7, value: Blob(b"v".to_vec()) },
    }
}

fn events() -> KvServiceResponse {
    let event = |revision, change| KvEvent { revision, key: Blob(b"k".to_vec()), change };
    let put = KvChange::Put { value: Blob(b"v".to_vec()), version: 1 };
    KvServiceResponse::Watch(Ok(KvEvents::Events {
        events: vec![event(8, put), event(9, KvChange::Deleted)],
        next: 10,
    }))
}

const VERSION: MembersVersion = MembersVersion { term: 300, since: (2, 9) };

fn members() -> ClientServiceResponse {
    let member =
        MemberStatus { id: 1, address: "a:1".to_owned(), votes: true, behind: Some(3), silent_ms: Some(300) };
    ClientServiceResponse::Members(Ok(MembersStatus {
        leader: Some(2),
        members: vec![member],
        version: VERSION,
    }))
}

fn replace() -> ClientServiceRequest {
    let change = MemberChange::Replace { id: 1, by: 4, address: "a:4".to_owned() };
    ClientServiceRequest::ChangeMembers { seen: VERSION, change }
}

fn cancel() -> ClientServiceRequest {
    let key = RequestKey { client: ClientId(2), request: RequestId(300) };
    ClientServiceRequest::Cancel { key, done_below: RequestId(299), job: JobId(7) }
}

fn part() -> PeerServiceRequest {
    PeerServiceRequest::Part { id: 1, total: 300, offset: 2, piece: Blob(vec![9, 9]) }
}

fn hex(message: &impl serde::Serialize) -> String {
    let bytes = postcard::to_stdvec(message).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_bytes_of_messages_change_only_with_the_version() {
    let refused =
        ClientServiceResponse::Cancel(Err(Refusal::NotFound(NotFound::Task(TaskId::map(JobId(1), 2)))));
    let put = ClientServiceRequest::PutBlob {
        sha256: Sha256([1; 32]),
        total: 3,
        offset: 1,
        chunk: Blob(vec![9, 9]),
    };
    let leader = Some("127.0.0.1:1".to_owned());
    let not_leader = KvServiceResponse::Get(Err(Refusal::NotLeader { leader }));
    let no_member = KvServiceResponse::Get(Err(Refusal::NoMember { members: "a:1,b:2".to_owned() }));
    let not_done = ClientServiceResponse::ChangeMembers(Err(Refusal::NotDone("late".to_owned())));
    let got = [
        hex(&hello()),
        hex(&poll()),
        hex(&reply()),
        hex(&job()),
        hex(&refused),
        hex(&put),
        hex(&write()),
        hex(&events()),
        hex(&members()),
        hex(&replace()),
        hex(&cancel()),
        hex(&part()),
        hex(&not_leader),
        hex(&no_member),
        hex(&not_done),
    ];
    assert_eq!(PROTOCOL_VERSION, 8);
    assert_eq!(got, GOLDEN);
}

const GOLDEN: [&str; 15] = [
    "000101770304016d0107010100",
    "0102030102030407000c0300042f72756e0affffffffffffffffff01010a0201000000000000000200000101630102686907000c03020316016d000007000c030400070202000501016bac020000000000000000000000000005",
    "01000307000c0309ababababababababababababababababababababababababababababababababac0202776305312e302e30020800010101077061747465726e0178048080808002904e042f6f7574000105612e747874062f612e747874408001e807090101016b07000c0309ababababababababababababababababababababababababababababababababac0202776305312e302e30020800010101077061747465726e0178048080808002904e042f6f757401011407000c0309ababababababababababababababababababababababababababababababababac0202776305312e302e30020800010101077061747465726e0178048080808002904e042f6f7574020105612e747874062f612e747874408001e8070901070107010100010001060101",
    "060007027763042f6f757404037768791501000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001036300",
    "08010001010002",
    "0401010101010101010101010101010101010101010101010101010101010101010301020909",
    "0002ac02ab0202016b070176",
    "0300000208016b0001760109016b010a",
    "0d000102010103613a3101010301ac02ac020209",
    "0eac02020902010403613a34",
    "0802ac02ab0207",
    "0101ac0202020909",
    "010107010b3132372e302e302e313a31",
    "01010907613a312c623a32",
    "0e010a046c617465",
];
