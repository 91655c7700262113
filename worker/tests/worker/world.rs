//! A running worker, its coordinator, an input, and what a test asks of them.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use gristmill_dataplane::Plugin;
use gristmill_model::{
    Assignment, AttemptId, JobId, MapWork, Outcome, Params, PathBytes, PluginInfo, ReduceWork, Segment,
    Split, TaskFailure, TaskId, Work, WorkerId,
};
use gristmill_protocol::Endpoint;
use gristmill_worker::{Exit, SlotCommand, WorkerConfig, WorkerError};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::coordinator::{CLUSTER, Coordinator, DEADLINE, Serving};

pub(crate) const JOB: JobId = JobId(7);
pub(crate) const MEMORY_BYTES: u64 = 16 << 20;

/// The plugin of `plugin.c`, compiled once for each marker.
pub(crate) fn plugin(marker: &str) -> (Arc<Vec<u8>>, PluginInfo) {
    type Compiled = HashMap<String, (Arc<Vec<u8>>, PluginInfo)>;
    static COMPILED: OnceLock<Mutex<Compiled>> = OnceLock::new();
    let mut compiled = COMPILED.get_or_init(Mutex::default).lock().unwrap();
    compiled.entry(marker.to_owned()).or_insert_with(|| compile(marker)).clone()
}

fn compile(marker: &str) -> (Arc<Vec<u8>>, PluginInfo) {
    let dir = tempfile::tempdir().unwrap();
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = dir.path().join("plugin.so");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&library)
        .arg("-I")
        .arg(crate_dir.join("../sdk/include"))
        .arg(format!("-DMARKER=\"{marker}\""))
        .arg(crate_dir.join("tests/worker/plugin.c"))
        .status();
    assert!(status.expect("a C compiler").success());
    (Arc::new(fs::read(&library).unwrap()), Plugin::inspect(&library).unwrap())
}

/// A worker, and what stops it when it is dropped.
type Running = (JoinHandle<Result<Exit, WorkerError>>, oneshot::Sender<()>);

pub(crate) struct World {
    pub(crate) coordinator: Coordinator,
    pub(crate) dir: TempDir,
    pub(crate) endpoint: Endpoint,
    _serving: Serving,
    worker: Option<Running>,
}

pub(crate) fn slot_command() -> SlotCommand {
    SlotCommand {
        program: env!("CARGO_BIN_EXE_gristmill-worker-for-tests").into(),
        args: vec!["slot".into()],
    }
}

impl World {
    /// A coordinator and a worker with so many slots.
    pub(crate) fn new(slots: u32) -> Self {
        let mut world = Self::without_worker();
        world.start_worker(slots);
        world
    }

    pub(crate) fn without_worker() -> Self {
        let coordinator = Coordinator::default();
        let (serving, endpoint) = coordinator.serve_in_memory();
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("out").join(format!(".{}", CLUSTER.job_dir_name(JOB)))).unwrap();
        fs::write(dir.path().join("input"), "b\na\nb\n").unwrap();
        Self { coordinator, dir, endpoint, _serving: serving, worker: None }
    }

    pub(crate) fn start_worker(&mut self, slots: u32) {
        self.start(WorkerConfig { slots, ..self.config() });
    }

    pub(crate) fn start(&mut self, config: WorkerConfig) {
        let (stop, stopped) = oneshot::channel();
        let worker = tokio::spawn(gristmill_worker::run(config, async move { drop(stopped.await) }));
        self.worker = Some((worker, stop));
    }

    pub(crate) fn config(&self) -> WorkerConfig {
        WorkerConfig {
            name: "worker under test".to_owned(),
            slots: 1,
            work_dir: self.work_dir(),
            slot_command: slot_command(),
            endpoint: self.endpoint.clone(),
            reconnect: None,
        }
    }

    pub(crate) fn work_dir(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.path("out").join(format!(".{}", CLUSTER.job_dir_name(JOB)))
    }

    /// A map of the input with the plugin, told what to `do`.
    pub(crate) fn map(&self, index: u32, behaviour: &str) -> Assignment {
        let (library, info) = plugin("plain");
        self.coordinator.add_blob(info.sha256, library.to_vec());
        let input = self.path("input");
        let metadata = fs::metadata(&input).unwrap();
        let split = Split {
            document: PathBytes::from("input"),
            path: PathBytes::from(input.as_path()),
            offset: 0,
            bytes: metadata.len(),
            file_bytes: metadata.len(),
            file_modified_ns: metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
            compressed: false,
        };
        let attempt = TaskId::map(JOB, index).attempt(0);
        let at = self.path(&format!("at-{index}"));
        let params = [("do", behaviour), ("at", at.to_str().unwrap())];
        Assignment {
            attempt,
            cluster: CLUSTER,
            plugin: Arc::new(info),
            params: Arc::new(
                params.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect::<Params>(),
            ),
            reduces: 1,
            memory_bytes: MEMORY_BYTES,
            task_timeout_ms: 10_000,
            output: PathBytes::from(self.path("out").as_path()),
            work: Work::Map(MapWork { splits: vec![split], bounds: Default::default() }),
        }
    }

    /// A reduce of what these map attempts made.
    pub(crate) async fn reduce(&self, maps: &[AttemptId]) -> Assignment {
        let mut segments = Vec::new();
        for &attempt in maps {
            let Outcome::Mapped(result) = self.coordinator.report(attempt).await.outcome else {
                panic!("{attempt} made no run")
            };
            segments.push(Segment { attempt, worker: WorkerId(1), path: result.path });
        }
        self.reduce_of(segments)
    }

    pub(crate) fn reduce_of(&self, segments: Vec<Segment>) -> Assignment {
        let maps = u32::try_from(segments.len()).unwrap();
        let mut assignment = self.map(0, "");
        assignment.attempt = TaskId::reduce(JOB, 0).attempt(0);
        assignment.work = Work::Reduce(ReduceWork { partition: 0, maps });
        self.coordinator.add_segments(assignment.attempt, segments);
        assignment
    }

    /// Gives the assignment and waits for its failure and what it printed.
    pub(crate) async fn failure_of(&self, assignment: Assignment) -> (TaskFailure, String) {
        let attempt = assignment.attempt;
        self.coordinator.give(assignment);
        let report = self.coordinator.report(attempt).await;
        match report.outcome {
            Outcome::Failed(failure) => (failure, String::from_utf8_lossy(&report.log.0).into_owned()),
            other => panic!("{other:?}"),
        }
    }

    /// Gives the assignment and waits for its success and what it printed.
    pub(crate) async fn log_of(&self, assignment: Assignment) -> String {
        let attempt = assignment.attempt;
        self.coordinator.give(assignment);
        let report = self.coordinator.report(attempt).await;
        assert!(matches!(report.outcome, Outcome::Mapped(_) | Outcome::Reduced(_)), "{report:?}");
        String::from_utf8_lossy(&report.log.0).into_owned()
    }

    /// What a plugin has left at its `at` path.
    pub(crate) async fn left_at(&self, index: u32) -> String {
        let path = self.path(&format!("at-{index}"));
        until(|| path.exists()).await;
        fs::read_to_string(path).unwrap()
    }

    /// Tells the worker to stop, and waits for its end.
    pub(crate) async fn stop(&mut self) -> Result<Exit, WorkerError> {
        let (worker, stop) = self.worker.take().unwrap();
        drop(stop);
        timeout(DEADLINE, worker).await.expect("the worker did not stop").unwrap()
    }

    /// Waits for the worker to end by itself.
    pub(crate) async fn end(&mut self) -> Result<Exit, WorkerError> {
        let (worker, _stop) = self.worker.as_mut().unwrap();
        timeout(DEADLINE, worker).await.expect("the worker did not end").unwrap()
    }

    /// Says that the coordinator is finished, and checks that nothing is left.
    pub(crate) async fn finish(mut self) {
        self.coordinator.finish();
        assert_eq!(self.end().await.unwrap(), Exit::Finished);
        assert_eq!(tree(&self.work_dir()), Vec::<PathBuf>::new());
    }
}

/// Waits for a condition.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Everything below a directory.
pub(crate) fn tree(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut all = Vec::new();
    for entry in entries.map(Result::unwrap) {
        all.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            all.extend(tree(&entry.path()));
        }
    }
    all.sort();
    all
}

/// Whether a process still runs.
pub(crate) fn is_alive(pid: u32) -> bool {
    // A zombie has no command line.
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let parent_of = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    processes.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}
