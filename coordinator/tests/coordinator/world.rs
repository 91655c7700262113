//! The small language of these tests: a coordinator, clients, and workers that do what the test says.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gristmill_coordinator::{Config, Coordinator};
use gristmill_model::{
    Assignment, AttemptId, AttemptStats, Blob, ClientId, ClusterId, FailureCause, Incarnation, InputFile,
    InputMode, JobId, JobOptions, JobRequest, MapResult, Outcome, PartitionSize, PathBytes, PluginInfo,
    Progress, ReduceResult, Refusal, Report, RequestId, RequestKey, SampleResult, SampledKey, TaskFailure,
    Work, WorkerId,
};
use gristmill_protocol::{
    CallError, Client, Endpoint, Heartbeat, Orders, PROTOCOL_VERSION, PollReply, PollRequest, Registered,
    Verdict, WorkerHello, WorkerLink,
};

pub(crate) const PLUGIN: &[u8] = b"not really a library";

/// A coordinator with a directory of its own.
pub(crate) struct World {
    pub(crate) coordinator: Coordinator,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) session: ClientId,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::new(directory.path().join("data"));
        // A test of how work comes back must not pass because a lease ended or a backup was started.
        config.settings.lease_ms = 3_600_000;
        config.settings.backup.enabled = false;
        change(&mut config);
        let coordinator = Coordinator::start(config).await.unwrap();
        let client = Client::new(coordinator.endpoint(), Duration::ZERO);
        let session = client.open_session(7).await.unwrap();
        Self { coordinator, directory, session }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.coordinator.endpoint()
    }

    pub(crate) async fn cluster(&self) -> ClusterId {
        self.client().info().await.unwrap().cluster
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.endpoint(), Duration::ZERO)
    }

    pub(crate) async fn worker(&self, slots: u32) -> Worker {
        Worker::join(self.endpoint(), slots).await
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    /// A request of its own for so many maps and reduces.
    pub(crate) fn request(&self, maps: u64, reduces: u32) -> JobRequest {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let request = RequestId(LAST.fetch_add(1, Ordering::Relaxed) + 1);
        JobRequest {
            key: RequestKey { client: self.session, request },
            plugin: PluginInfo {
                sha256: gristmill_protocol::sha256(PLUGIN),
                bytes: PLUGIN.len() as u64,
                name: "wc".to_owned(),
                version: "1.0.0".to_owned(),
                input_mode: InputMode::Text,
                map_only: reduces == 0,
                combines: true,
                total_order: false,
            },
            params: Default::default(),
            inputs: vec![InputFile {
                name: "a.txt".into(),
                path: "/in/a.txt".into(),
                bytes: maps * 100,
                modified_ns: 0,
                splittable: true,
            }],
            output: self.output().as_path().into(),
            options: JobOptions {
                reduces: Some(reduces),
                split_bytes: Some(100),
                task_timeout_ms: 3_600_000,
                ..JobOptions::default()
            },
        }
    }

    pub(crate) async fn submit(&self, request: &JobRequest) -> Result<JobId, Refusal> {
        let client = self.client();
        client.upload_blob(PLUGIN).await.unwrap();
        refused(client.submit_under_its_key(request).await)
    }

    /// One more job, that writes elsewhere.
    pub(crate) async fn job_elsewhere(&self, maps: u64) -> JobId {
        let mut request = self.request(maps, 1);
        request.output = self.directory.path().join("elsewhere").as_path().into();
        self.submit(&request).await.unwrap()
    }

    /// A job of so many maps and reduces.
    pub(crate) async fn job(&self, maps: u64, reduces: u32) -> JobId {
        self.submit(&self.request(maps, reduces)).await.unwrap()
    }
}

/// The answer, or the coordinator's refusal.
pub(crate) fn refused<T>(result: Result<T, CallError>) -> Result<T, Refusal> {
    result.map_err(|error| match error {
        CallError::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    })
}

/// A worker that does what the test says.
pub(crate) struct Worker {
    pub(crate) link: WorkerLink,
    pub(crate) id: WorkerId,
    pub(crate) incarnation: Incarnation,
    pub(crate) slots: u32,
    pub(crate) registered: Registered,
}

pub(crate) fn hello(incarnation: Incarnation, slots: u32) -> WorkerHello {
    WorkerHello {
        protocol: PROTOCOL_VERSION,
        name: format!("worker-{incarnation}"),
        incarnation,
        slots,
        machine: "here".to_owned(),
        running: Vec::new(),
    }
}

impl Worker {
    pub(crate) async fn join(endpoint: Endpoint, slots: u32) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let incarnation = Incarnation(LAST.fetch_add(1, Ordering::Relaxed) + 1);
        let link = WorkerLink::new(endpoint, Duration::ZERO);
        let registered = link.register(hello(incarnation, slots)).await.unwrap();
        Self { link, id: registered.worker, incarnation, slots, registered }
    }

    pub(crate) fn request(&self, free_slots: u32, wait: Duration, reports: Vec<Report>) -> PollRequest {
        let wait_ms = wait.as_millis() as u64;
        let (worker, incarnation) = (self.id, self.incarnation);
        PollRequest {
            worker,
            incarnation,
            free_slots,
            ahead: 0,
            held: self.slots - free_slots.min(self.slots),
            reports,
            wait_ms,
        }
    }

    pub(crate) async fn poll(&self, free_slots: u32, wait: Duration) -> Result<PollReply, Refusal> {
        refused(self.link.poll(self.request(free_slots, wait, Vec::new())).await)
    }

    /// Waits until there are assignments.
    pub(crate) async fn take(&self, free_slots: u32) -> Vec<Assignment> {
        // The second poll is for one that was answered with orders only.
        for _ in 0..2 {
            let reply = self.poll(free_slots, Duration::from_secs(20)).await.unwrap();
            if !reply.assignments.is_empty() {
                return reply.assignments;
            }
        }
        panic!("{} was given nothing", self.id)
    }

    pub(crate) async fn report(&self, outcomes: Vec<(AttemptId, Outcome)>) -> Vec<Verdict> {
        let report = |(attempt, outcome)| Report { attempt, outcome, log: Blob::default() };
        self.send_reports(outcomes.into_iter().map(report).collect()).await
    }

    pub(crate) async fn send_reports(&self, reports: Vec<Report>) -> Vec<Verdict> {
        let request = self.request(0, Duration::ZERO, reports);
        let reply = self.link.poll(request).await.unwrap();
        reply.verdicts.into_iter().map(|(_, verdict)| verdict).collect()
    }

    pub(crate) async fn heartbeat(&self, running: &[AttemptId]) -> Result<Orders, Refusal> {
        let progress =
            |attempt: &AttemptId| Progress { attempt: *attempt, ticks: 1, bytes_in: 0, waits: false };
        let heartbeat = Heartbeat {
            worker: self.id,
            incarnation: self.incarnation,
            running: running.iter().map(progress).collect(),
        };
        refused(self.link.heartbeat(heartbeat).await)
    }

    /// Works until the job is over: every attempt succeeds.
    pub(crate) async fn work(&self, job: JobId, client: &Client) {
        loop {
            let reply = self.poll(self.slots, Duration::from_millis(20)).await.unwrap();
            let outcomes = reply.assignments.iter().map(|a| (a.attempt, succeed(a))).collect::<Vec<_>>();
            if !outcomes.is_empty() {
                self.report(outcomes).await;
            }
            if client.job(job, 0, Duration::ZERO).await.unwrap().phase.is_final() {
                return;
            }
        }
    }
}

/// Does an assignment as a worker would, with a made-up result.
pub(crate) fn succeed(assignment: &Assignment) -> Outcome {
    let attempt = assignment.attempt;
    match &assignment.work {
        Work::Map(_) if assignment.reduces == 0 => {
            let (path, bytes) = stage(assignment);
            let stats = AttemptStats { records_out: 1, ..AttemptStats::default() };
            Outcome::Mapped(MapResult { path, bytes, digest: 7, partitions: Vec::new(), stats })
        }
        Work::Sample(_) => {
            let key = |key: &[u8]| SampledKey { key: Blob(key.to_vec()), weight: 1 };
            Outcome::Sampled(SampleResult { keys: vec![key(b"a"), key(b"b")], ..SampleResult::default() })
        }
        Work::Map(_) => Outcome::Mapped(MapResult {
            path: PathBytes::from(format!("/runs/{attempt}").as_str()),
            bytes: 10,
            digest: 7,
            partitions: vec![PartitionSize { bytes: 5, pairs: 1 }; assignment.reduces as usize],
            stats: AttemptStats::default(),
        }),
        Work::Reduce(_) => {
            let (path, bytes) = stage(assignment);
            let stats = AttemptStats {
                records_out: 1,
                counters: [("keys".to_owned(), 2)].into(),
                ..AttemptStats::default()
            };
            Outcome::Reduced(ReduceResult { path, bytes, crc32c: 0xabc, stats })
        }
    }
}

/// Writes an output where the attempt should.
fn stage(assignment: &Assignment) -> (PathBytes, u64) {
    let path = staging(assignment).join(assignment.attempt.to_string());
    let content = format!("{} wins\n", assignment.attempt.task);
    fs::write(&path, &content).unwrap();
    (path.as_path().into(), content.len() as u64)
}

pub(crate) fn staging(assignment: &Assignment) -> PathBuf {
    let name = format!(".{}", assignment.cluster.job_dir_name(assignment.attempt.task.job));
    assignment.output.to_path().join(name)
}

pub(crate) fn fail(message: &str) -> Outcome {
    let (cause, message) = (FailureCause::Panic, message.to_owned());
    Outcome::Failed(TaskFailure { cause, message, location: None })
}

/// The names in a directory, sorted; nothing if it is not there.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
