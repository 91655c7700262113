//! A map attempt: splits in, one run out; or, in a map-only job, one output file.

use std::path::Path;

use gristmill_model::{AttemptStats, InputMode, MapResult, MapWork, PathBytes, TaskFailure};

use crate::budget::Budget;
use crate::failure;
use crate::input::{InputBuffer, SplitReader, read_ahead, window_bytes};
use crate::output::OutputFile;
use crate::plugin::{Instance, Partitioner, Plugin, Services};
use crate::progress::ProgressCell;
use crate::run::Run;
use crate::runs::Runs;
use crate::task::MapTask;

/// Runs a map attempt. When this returns, its file has its final name, and no other file is left. An output file is durable
/// then; a run is not.
pub fn run_map(plugin: &Plugin, task: &MapTask, progress: &ProgressCell) -> Result<MapResult, TaskFailure> {
    let budget = budget_for(task.memory_bytes, &task.work);
    let mut instance = Instance::create(plugin, &task.params, progress)?;
    let attempt =
        MapBlocks { mode: plugin.info().input_mode, work: &task.work, partitions: task.partitions, budget };
    if task.partitions == 0 {
        return map_only(&attempt, instance, task, progress);
    }
    let run_dir = task.run_path.parent().unwrap_or(Path::new("."));
    let mut runs = Runs::new(plugin, run_dir, &task.scratch_dir, task.partitions, budget);
    let mut stats = attempt.run(&mut instance, &mut runs, progress)?;
    let run = runs.into_one(&mut instance, progress, &mut stats)?;
    stats.pairs_out = run.pairs;
    stats.bytes_out = run.bytes;
    stats.counters = instance.into_counters();
    let partitions = Run::open(&run.file).map_err(|error| failure::run(&error))?.partition_sizes();
    run.file
        .persist(&task.run_path)
        .map_err(|error| failure::machine("rename to", &task.run_path, &error.error))?;
    Ok(MapResult {
        path: PathBytes::from(task.run_path.as_path()),
        bytes: run.bytes,
        digest: run.digest,
        partitions,
        stats,
    })
}

/// What there is for a map of this input.
pub(crate) fn budget_for(memory_bytes: u64, work: &MapWork) -> Budget {
    let budget = Budget::new(memory_bytes);
    let compressed = work.splits.iter().filter(|split| split.compressed);
    match compressed.filter_map(window_bytes).max() {
        Some(window_bytes) => budget.beside_decoder(window_bytes),
        None => budget,
    }
}

fn map_only(
    attempt: &MapBlocks<'_>,
    mut instance: Instance<'_>,
    task: &MapTask,
    progress: &ProgressCell,
) -> Result<MapResult, TaskFailure> {
    let mut output =
        DirectOutput::new(OutputFile::create(&task.output_path, attempt.budget.output_block_bytes())?);
    let mut stats = attempt.run(&mut instance, &mut output, progress)?;
    let written = output.file.finish()?;
    stats.bytes_out = written.bytes;
    stats.records_out = written.records;
    stats.counters = instance.into_counters();
    Ok(MapResult {
        path: PathBytes::from(task.output_path.as_path()),
        bytes: written.bytes,
        digest: u64::from(written.crc32c),
        partitions: Vec::new(),
        stats,
    })
}

/// The calls of a map attempt, whatever becomes of its pairs.
pub(crate) struct MapBlocks<'w> {
    pub(crate) mode: InputMode,
    pub(crate) work: &'w MapWork,
    pub(crate) partitions: u32,
    pub(crate) budget: Budget,
}

impl MapBlocks<'_> {
    /// Calls the app for every block of every split, from `map_begin` to `map_end`.
    pub(crate) fn run(
        &self,
        instance: &mut Instance<'_>,
        services: &mut dyn Services,
        progress: &ProgressCell,
    ) -> Result<AttemptStats, TaskFailure> {
        let mut stats = AttemptStats::default();
        let mut buffer = InputBuffer::new(self.budget);
        instance.map_begin(self.partitions, self.budget.plugin_bytes(), &self.work.bounds.0)?;
        for (split, next) in self.work.splits.iter().zip(1..) {
            let mut reader = SplitReader::open(split, self.mode, buffer, progress)?;
            self.work.splits.get(next).into_iter().for_each(read_ahead);
            while let Some(block) = reader.next()? {
                stats.calls += 1;
                stats.bytes_in += block.bytes.len() as u64;
                stats.records_in += records(self.mode, block.bytes);
                instance.map(&split.document, &block, services)?;
            }
            buffer = reader.into_buffer();
        }
        // The plugin may need memory for what it still has to hand over.
        drop(buffer);
        instance.map_end(services)?;
        Ok(stats)
    }
}

/// How many records a block holds.
fn records(mode: InputMode, block: &[u8]) -> u64 {
    match mode {
        InputMode::Text => {
            let ends = bytecount::count(block, b'\n') as u64;
            ends + u64::from(block.last().is_some_and(|last| *last != b'\n'))
        }
        InputMode::Records(bytes) => block.len() as u64 / bytes.max(1),
        InputMode::File => 1,
    }
}

/// Output that is written as it comes.
pub(crate) struct DirectOutput {
    pub(crate) file: OutputFile,
}

impl DirectOutput {
    pub(crate) fn new(file: OutputFile) -> Self {
        Self { file }
    }
}

impl Services for DirectOutput {
    fn emit(&mut self, _: Partitioner<'_>, key: &[u8], value: &[u8]) -> Result<(), TaskFailure> {
        for part in [key, b" ", value] {
            self.file.write(part, 0)?;
        }
        self.file.write(b"\n", 1)
    }

    fn write(&mut self, bytes: &[u8], records: u64) -> Result<(), TaskFailure> {
        self.file.write(bytes, records)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use gristmill_model::Split;
    use gristmill_storage::{Local, Storage, Version};

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_longest_window_of_what_is_compressed_is_taken_off_the_memory() {
        let directory = tempfile::tempdir().unwrap();
        let split = |window_log: u32| {
            let path = directory.path().join(window_log.to_string());
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(window_log).unwrap();
            encoder.write_all(b"a sound file\n").unwrap();
            std::fs::write(&path, encoder.finish().unwrap()).unwrap();
            let Version { bytes, modified_ns } = Local.open(&path).unwrap().opened();
            let (document, path) = (PathBytes::from("document"), PathBytes::from(path.as_path()));
            Split {
                document,
                path,
                offset: 0,
                bytes,
                file_bytes: bytes,
                file_modified_ns: modified_ns,
                compressed: true,
            }
        };
        let budget = |splits: &[Split]| {
            let work = MapWork { splits: splits.to_vec(), bounds: Default::default() };
            budget_for(64 * MIB, &work)
        };
        let long = split(24);
        let beside = budget(&[split(10), long.clone(), split(23)]);
        assert_eq!(beside.window_bytes_max(), 16 * MIB);
        let plain = budget(&[Split { compressed: false, ..long.clone() }]);
        assert_eq!(plain.window_bytes_max(), 8 * MIB);
        assert!(beside.record_bytes_max() as u64 + 16 * MIB < plain.record_bytes_max() as u64);
        let read = |budget| {
            let buffer = InputBuffer::new(budget);
            let mut reader = SplitReader::open(&long, InputMode::Text, buffer, &ProgressCell::new())?;
            reader.next().map(|block| block.map(|block| block.bytes.len()))
        };
        assert_eq!(read(beside).unwrap(), Some(13));
        let message = read(plain).unwrap_err().message;
        assert!(message.contains("a slot with this memory grants 8388608 bytes"), "{message}");
    }

    #[test]
    fn records_are_what_the_app_wants_its_input_in() {
        for (text, lines) in [(&b""[..], 0), (b"\n", 1), (b"a\nb", 2), (b"a\n\nb\n", 3), (b"a", 1)] {
            assert_eq!(records(InputMode::Text, text), lines, "{text:?}");
        }
        assert_eq!(records(InputMode::Records(4), &[0; 12]), 3);
        assert_eq!((records(InputMode::File, b""), records(InputMode::File, b"a\nb")), (1, 1));
    }
}
