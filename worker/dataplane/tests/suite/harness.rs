//! Builds the C app, and runs jobs with it: split by split through the engine, or in sequence.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gristmill_dataplane::{
    MapTask, Plugin, ProgressCell, ReduceError, ReduceTask, SampleTask, SequentialJob, SequentialSummary,
    run_map, run_reduce, run_sample, sequential,
};
use gristmill_model::{
    Bounds, InputFile, JobId, MapResult, MapWork, Params, PathBytes, ReduceResult, SamplePiece, SampleResult,
    SampleSplit, SampleWork, Segment, Split, TaskFailure, TaskId, WorkerId,
};
use gristmill_storage::{Local, Storage};

/// The directories of a test, with the libraries and jobs in them.
pub(crate) struct Bench {
    /// Libraries: a place from which code may run.
    libraries: tempfile::TempDir,
    /// All else: in memory where that is offered, since syncing to a disk is most of what these jobs would do.
    data: tempfile::TempDir,
    made: AtomicU32,
}

/// What one engine job is given beside its plugin and inputs.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) split_bytes: u64,
    pub(crate) splits_per_map: usize,
    pub(crate) reduces: u32,
    pub(crate) memory_bytes: u64,
    pub(crate) params: Params,
    /// Of a total order; found by [`Bench::engine`].
    pub(crate) bounds: Arc<Bounds>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            split_bytes: 1 << 20,
            splits_per_map: 1,
            reduces: 2,
            memory_bytes: 64 << 20,
            params: Params::new(),
            bounds: Arc::default(),
        }
    }
}

pub(crate) fn params(pairs: &[(&str, &str)]) -> Params {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

impl Bench {
    pub(crate) fn new() -> Self {
        let libraries = tempfile::tempdir().unwrap();
        let data = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self { libraries, data, made: AtomicU32::new(0) }
    }

    /// A path that nobody else is given.
    pub(crate) fn path(&self, what: &str) -> PathBuf {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.data.path().join(format!("{number}-{what}"))
    }

    pub(crate) fn dir(&self, what: &str) -> PathBuf {
        let path = self.path(what);
        fs::create_dir(&path).unwrap();
        path
    }

    /// Compiles the C app with these `-D` options.
    pub(crate) fn compile(&self, options: &[&str]) -> PathBuf {
        self.compile_file("tests/plugin/app.c", options)
    }

    /// Compiles a C file, named from this crate's directory.
    pub(crate) fn compile_file(&self, source: &str, options: &[&str]) -> PathBuf {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = self.libraries.path().join(self.path("app.so").file_name().unwrap());
        let mut cc = Command::new("cc");
        cc.args([
            "-std=c11",
            "-shared",
            "-fPIC",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Wno-unused-function",
            "-Werror",
        ]);
        cc.args(options.iter().map(|option| format!("-D{option}")));
        cc.arg("-I").arg(here.join("../../sdk/include")).arg(here.join(source)).arg("-o").arg(&library);
        let output = cc.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        library
    }

    pub(crate) fn plugin(&self, options: &[&str]) -> Plugin {
        Plugin::load(&self.compile(options)).unwrap()
    }

    pub(crate) fn input(&self, name: &str, content: &[u8]) -> InputFile {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        InputFile {
            name: PathBytes::from(name),
            path: PathBytes::from(path.as_path()),
            bytes: content.len() as u64,
            modified_ns: Local.open(&path).unwrap().opened().modified_ns,
            splittable: true,
        }
    }

    /// Runs one map attempt.
    pub(crate) fn map(
        &self,
        plugin: &Plugin,
        index: u32,
        splits: Vec<Split>,
        shape: &Shape,
    ) -> Result<MapResult, TaskFailure> {
        let dir = self.dir("map");
        let scratch = self.dir("map-scratch");
        let task = MapTask {
            attempt: TaskId::map(JobId(1), index).attempt(0),
            work: MapWork { splits, bounds: shape.bounds.clone() },
            params: shape.params.clone(),
            partitions: if plugin.info().map_only { 0 } else { shape.reduces },
            memory_bytes: shape.memory_bytes,
            run_path: dir.join("run"),
            output_path: dir.join("output"),
            scratch_dir: scratch.clone(),
        };
        let result = run_map(plugin, &task, &ProgressCell::new());
        assert_empty(&scratch);
        let left = fs::read_dir(&dir).unwrap().count();
        assert_eq!(left, usize::from(result.is_ok()), "nothing but the result is left");
        result
    }

    /// Runs one reduce attempt.
    pub(crate) fn reduce(
        &self,
        plugin: &Plugin,
        partition: u32,
        maps: &[MapResult],
        shape: &Shape,
    ) -> Result<ReduceResult, ReduceError> {
        let dir = self.dir("reduce");
        let scratch = self.dir("reduce-scratch");
        let segment = |(index, map): (usize, &MapResult)| Segment {
            attempt: TaskId::map(JobId(1), index as u32).attempt(0),
            worker: WorkerId(1),
            path: map.path.clone(),
        };
        let task = ReduceTask {
            attempt: TaskId::reduce(JobId(1), partition).attempt(0),
            partition,
            params: shape.params.clone(),
            segments: maps.iter().enumerate().map(segment).collect(),
            memory_bytes: shape.memory_bytes,
            output_path: dir.join("output"),
            scratch_dir: scratch.clone(),
        };
        let result = run_reduce(plugin, &task, &ProgressCell::new());
        assert_empty(&scratch);
        let left = fs::read_dir(&dir).unwrap().count();
        assert_eq!(left, usize::from(result.is_ok()), "nothing but the result is left");
        result
    }

    /// Runs all maps of a job.
    pub(crate) fn maps(
        &self,
        plugin: &Plugin,
        inputs: &[InputFile],
        shape: &Shape,
    ) -> Result<Vec<MapResult>, TaskFailure> {
        let splits: Vec<Split> = inputs.iter().flat_map(|input| splits(input, shape.split_bytes)).collect();
        let tasks = splits.chunks(shape.splits_per_map).enumerate();
        tasks.map(|(index, splits)| self.map(plugin, index as u32, splits.to_vec(), shape)).collect()
    }

    /// Runs a whole job through the engine and gives its outputs.
    pub(crate) fn engine(&self, plugin: &Plugin, inputs: &[InputFile], shape: &Shape) -> Vec<Vec<u8>> {
        let shape = &Shape { bounds: Arc::new(bounds(plugin, inputs, shape)), ..shape.clone() };
        let maps = self.maps(plugin, inputs, shape).unwrap();
        if plugin.info().map_only {
            return maps.iter().map(|map| fs::read(map.path.to_path()).unwrap()).collect();
        }
        let reduce = |partition| {
            let result = self.reduce(plugin, partition, &maps, shape).unwrap();
            let output = fs::read(result.path.to_path()).unwrap();
            assert_eq!((result.bytes, result.crc32c), (output.len() as u64, crc32c::crc32c(&output)));
            output
        };
        (0..shape.reduces).map(reduce).collect()
    }

    /// Runs a whole job in sequence and gives its outputs.
    pub(crate) fn oracle(
        &self,
        plugin: &Plugin,
        inputs: &[InputFile],
        shape: &Shape,
    ) -> (SequentialSummary, Vec<Vec<u8>>) {
        let output_dir = self.path("out");
        let job = SequentialJob {
            inputs: inputs.to_vec(),
            params: shape.params.clone(),
            reduces: shape.reduces,
            output_dir: output_dir.clone(),
            name: "gristmill-test-j1".into(),
            overwrite: false,
            memory_bytes: 64 << 20,
            manifest: &|summary| format!("{} files", summary.outputs.len()).into_bytes(),
        };
        let summary = sequential(plugin, &job, &ProgressCell::new()).unwrap();
        let mut files: BTreeMap<String, Vec<u8>> = fs::read_dir(&output_dir)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .collect();
        assert_eq!(
            files.remove("_SUCCESS").unwrap(),
            format!("{} files", summary.outputs.len()).into_bytes()
        );
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            summary.outputs.iter().map(|file| &file.name).collect::<Vec<_>>()
        );
        (summary, files.into_values().collect())
    }
}

/// Where the partitions of a total order begin, as the coordinator would choose.
fn bounds(plugin: &Plugin, inputs: &[InputFile], shape: &Shape) -> Bounds {
    let mode = plugin.info().input_mode;
    let mut keys = Vec::new();
    if plugin.info().total_order && shape.reduces > 1 {
        for pieces in SamplePiece::plan(inputs, mode) {
            let splits = pieces.iter().map(|piece| piece.to_split(inputs, mode).unwrap()).collect();
            keys.extend(sample(plugin, splits, shape).unwrap().keys);
        }
    }
    Bounds::choose(&keys, shape.reduces)
}

/// Runs one sample attempt.
pub(crate) fn sample(
    plugin: &Plugin,
    splits: Vec<SampleSplit>,
    shape: &Shape,
) -> Result<SampleResult, TaskFailure> {
    let work = SampleWork { splits };
    let task = SampleTask { work, params: shape.params.clone(), memory_bytes: shape.memory_bytes };
    run_sample(plugin, &task, &ProgressCell::new())
}

pub(crate) fn splits(input: &InputFile, split_bytes: u64) -> Vec<Split> {
    let count = if input.splittable { input.bytes.div_ceil(split_bytes).max(1) } else { 1 };
    let split = |index| {
        let offset = index * split_bytes;
        let bytes = if input.splittable { split_bytes.min(input.bytes - offset) } else { input.bytes };
        input.split(offset, bytes)
    };
    (0..count).map(split).collect()
}

fn assert_empty(directory: &Path) {
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0, "no temporary file is left");
}
