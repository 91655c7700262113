//! Runs one trial: a job of the app over some files, in slots, with its output read back.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use gristmill_model::{InputFile, JobId, JobOptions, JobPhase, Params, PathBytes, PluginInfo};
use gristmill_storage::{Local, Storage};

use crate::embedded::Embedded;
use crate::failure::{Failure, Outcome};
use crate::inspect::call_failed;
use crate::job::Job;

use super::samples::Sample;
use crate::apart;

/// Where trials are run.
pub(super) struct Bench {
    engine: Embedded,
    library: PathBuf,
    plugin: PluginInfo,
    params: Params,
    place: PathBuf,
    count: u32,
}

/// How a trial is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    split_bytes: u64,
    memory_bytes: u64,
}

impl Plan {
    /// Each file in one split, nothing spilled.
    pub(super) const PLAIN: Self = Self { split_bytes: 1 << 40, memory_bytes: 512 << 20 };
    /// Few pairs fit into memory, so that they are combined in small groups and spilled.
    pub(super) const LITTLE_MEMORY: Self = Self { split_bytes: 1 << 40, memory_bytes: 1 << 20 };
}

/// What a trial made: the content of each output file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Output(Vec<Vec<u8>>);

/// The output, or what kept the app from it.
pub(super) type Tried = Result<Output, Trouble>;

/// Why a trial has no output.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What kind of thing it is.
    pub(super) cause: Cause,
    message: String,
    printed: Option<String>,
}

/// What went wrong, as far as it says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The app returned an error.
    Error,
    /// The app panicked.
    Panic,
    /// The slot exited or died of a signal.
    Died,
    /// There was no progress.
    Hung,
    /// The plugin broke the rules of the boundary, or could not be loaded.
    Boundary,
    /// Input or machine.
    Elsewhere,
}

/// Two attempts at once: an app that leans on files or ports of its own is found out.
const SLOTS: u32 = 2;
/// Several, so that keys are spread.
const REDUCES: u32 = 3;
/// Enough that every document is cut often, few enough to be quick.
const SMALL_SPLITS: u64 = 60;

impl Bench {
    /// Starts the engine that trials are run with; everything is written below `place`.
    pub(super) async fn new(
        library: PathBuf,
        plugin: PluginInfo,
        params: Params,
        place: &Path,
    ) -> Outcome<Self> {
        let engine = start(place).await?;
        Ok(Self { engine, library, plugin, params, place: place.to_owned(), count: 0 })
    }

    /// From here on the app runs in other processes: what it draws once in a process (such as the seed of a hash map) is drawn anew.
    pub(super) async fn fresh(&mut self) -> Outcome {
        let engine = start(&self.place).await?;
        std::mem::replace(&mut self.engine, engine).finish().await
    }

    /// What the app says of itself.
    pub(super) fn plugin(&self) -> &PluginInfo {
        &self.plugin
    }

    /// A plan that cuts these files often.
    pub(super) fn small_splits(&self, files: &[InputFile]) -> Plan {
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        Plan { split_bytes: (bytes / SMALL_SPLITS).max(1), ..Plan::PLAIN }
    }

    /// Makes the files of a sample.
    pub(super) fn write(&mut self, sample: &Sample) -> Outcome<Vec<InputFile>> {
        let place = self.next_place("in");
        let write = || -> anyhow::Result<Vec<InputFile>> {
            std::fs::create_dir(&place)?;
            let mut files = Vec::new();
            for (name, bytes) in &sample.files {
                let path = place.join(name);
                std::fs::write(&path, bytes)?;
                files.push(InputFile {
                    name: PathBytes::from(*name),
                    path: PathBytes::from(path.as_path()),
                    bytes: bytes.len() as u64,
                    modified_ns: Local.open(&path)?.opened().modified_ns,
                    splittable: true,
                });
            }
            Ok(files)
        };
        write().with_context(|| format!("write {}", place.display())).map_err(Failure::failed)
    }

    /// Runs the app over these files.
    pub(super) async fn try_it(&mut self, files: &[InputFile], plan: Plan) -> Outcome<Tried> {
        let output = self.next_place("out");
        let job = Job {
            library: self.library.clone(),
            plugin: self.plugin.clone(),
            params: self.params.clone(),
            inputs: files.to_vec(),
            output: output.clone(),
        };
        let options = JobOptions {
            reduces: (!self.plugin.map_only).then_some(REDUCES),
            split_bytes: Some(plan.split_bytes),
            memory_bytes: plan.memory_bytes,
            max_attempts: 1,
            ..JobOptions::default()
        };
        let id = job.submit(self.engine.client(), options).await?;
        match self.wait(id).await? {
            Ok(()) => {
                let read = Output::read(&output);
                let output =
                    read.with_context(|| format!("read {}", output.display())).map_err(Failure::failed)?;
                Ok(Ok(output))
            }
            Err(trouble) => Ok(Err(trouble)),
        }
    }

    /// Whether two processes make the same pairs of these files. An output may hide that they do not.
    pub(super) async fn same_pairs(&self, files: &[InputFile]) -> Outcome<bool> {
        let partitions = if self.plugin.map_only { 0 } else { REDUCES };
        let first = apart::digest(&self.library, &self.params, files, partitions).await?;
        let second = apart::digest(&self.library, &self.params, files, partitions).await?;
        Ok(first == second)
    }

    /// Ends the engine, whatever it does. The files go with the directory that the caller made.
    pub(super) async fn end(self) {
        self.engine.abandon().await;
    }

    fn next_place(&mut self, kind: &str) -> PathBuf {
        self.count += 1;
        self.place.join(format!("{kind}-{}", self.count))
    }

    /// Waits for a job. One that hangs is not tried again and again as it would be in earnest.
    async fn wait(&mut self, id: JobId) -> Outcome<Result<(), Trouble>> {
        let client = self.engine.client().clone();
        let mut watch = client.watch(id);
        let mut hung = false;
        loop {
            let status = tokio::select! {
                status = watch.next() => status.map_err(call_failed)?,
                failure = self.engine.broken() => return Err(failure),
            };
            let Some(status) = status else {
                return Err(Failure::failed(anyhow::anyhow!("{id} ended without a word")));
            };
            if !hung && status.attempts.timed_out > 0 {
                hung = true;
                client.cancel(id).await.map_err(call_failed)?;
            }
            match status.phase {
                JobPhase::Done => return Ok(Ok(())),
                JobPhase::Failed(message) => return self.trouble(id, message).await.map(Err),
                JobPhase::Cancelled => {
                    let seconds = JobOptions::default().task_timeout_ms / 1000;
                    let message = format!("no progress for {seconds} s");
                    return Ok(Err(Trouble { cause: Cause::Hung, message, printed: None }));
                }
                JobPhase::Sampling | JobPhase::Mapping | JobPhase::Reducing | JobPhase::Committing => {}
            }
        }
    }

    async fn trouble(&self, id: JobId, message: String) -> Outcome<Trouble> {
        let logs = self.engine.client().logs(id, None).await.map_err(call_failed)?;
        let failed = logs.iter().find_map(|log| Some((Cause::of(&log.outcome)?, log)));
        let cause = failed.map_or(Cause::Error, |(cause, _)| cause);
        // A panic or an error has a message of its own; of what died, its last words may say why.
        let printed = failed.filter(|_| cause == Cause::Died).and_then(|(_, log)| last_line(&log.log.0));
        Ok(Trouble { cause, message: in_short(&message), printed })
    }
}

/// The first line, which says what happened, and the place in the input if that follows.
fn in_short(message: &str) -> String {
    let mut lines = message.lines().map(str::trim);
    let first = lines.next().unwrap_or_default();
    match lines.next().filter(|line| line.starts_with("at ")) {
        Some(place) => format!("{first}, {place}"),
        None => first.to_owned(),
    }
}

async fn start(place: &Path) -> Outcome<Embedded> {
    Embedded::start(SLOTS, None, Some(place.join("work")), None).await
}

impl Cause {
    /// From how an attempt ended, if that was badly.
    fn of(outcome: &str) -> Option<Self> {
        let words = outcome.split(|c: char| !c.is_ascii_alphabetic());
        words.into_iter().find_map(|word| match word {
            "error" => Some(Self::Error),
            "panic" => Some(Self::Panic),
            "exit" | "signal" => Some(Self::Died),
            "plugin" => Some(Self::Boundary),
            "input" | "machine" => Some(Self::Elsewhere),
            _ => None,
        })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.printed {
            Some(printed) if !self.message.contains(printed.as_str()) => {
                write!(f, " (it printed: {printed})")
            }
            _ => Ok(()),
        }
    }
}

impl Output {
    fn read(directory: &Path) -> std::io::Result<Self> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let name = entry?.file_name();
            if name.as_encoded_bytes().starts_with(b"mr-out-") {
                names.push(name);
            }
        }
        names.sort();
        names.into_iter().map(|name| std::fs::read(directory.join(name))).collect::<Result<_, _>>().map(Self)
    }

    /// The first place where the content of the files differs from that of the reference. A map-only job makes a file for each split, so
    /// it is the content of all files together that is compared.
    pub(super) fn difference(&self, reference: &Self) -> Option<String> {
        let (ours, theirs) = (self.0.concat(), reference.0.concat());
        if ours == theirs {
            return None;
        }
        let (ours, theirs): (Vec<_>, Vec<_>) = (lines(&ours).collect(), lines(&theirs).collect());
        let same = ours.iter().zip(&theirs).take_while(|(our, their)| our == their).count();
        let show =
            |lines: &[&[u8]]| lines.get(same).map_or_else(|| "nothing more".to_owned(), |line| quote(line));
        Some(format!("line {} of the output was {}, now it is {}", same + 1, show(&theirs), show(&ours)))
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

/// Enough of a line to know it by.
fn quote(line: &[u8]) -> String {
    const CHARS_MAX: usize = 80;
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end_matches('\n');
    let cut: String = line.chars().take(CHARS_MAX).collect();
    if cut.len() < line.len() { format!("`{cut}…`") } else { format!("`{cut}`") }
}

fn last_line(printed: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(printed);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(|line| quote(line.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(files: &[&str]) -> Output {
        Output(files.iter().map(|text| text.as_bytes().to_vec()).collect())
    }

    #[test]
    fn a_difference_names_the_first_line_that_differs() {
        let reference = output(&["a 1\n", "b 2\n"]);
        assert_eq!(output(&["a 1\n", "b 2\n"]).difference(&reference), None);
        let difference = output(&["a 1\n", "b 3\n"]).difference(&reference);
        assert_eq!(difference.as_deref(), Some("line 2 of the output was `b 2`, now it is `b 3`"));
        let shorter = output(&["a 1\n"]).difference(&reference);
        assert_eq!(shorter.as_deref(), Some("line 2 of the output was `b 2`, now it is nothing more"));
        assert!(quote(&[b'x'; 500]).chars().count() < 100);
    }

    #[test]
    fn what_happened_and_where_is_told_in_a_line() {
        let message =
            "task j1.m1 failed: error: bad number\n  at b.txt at byte 12\n  it last printed:\n    words";
        assert_eq!(in_short(message), "task j1.m1 failed: error: bad number, at b.txt at byte 12");
        assert_eq!(in_short("panic: boom\n  it last printed:\n    words"), "panic: boom");
    }

    #[test]
    fn the_way_an_attempt_ended_tells_the_cause() {
        for (outcome, cause) in [
            ("error", Some(Cause::Error)),
            ("failed: panic", Some(Cause::Panic)),
            ("exit 3", Some(Cause::Died)),
            ("signal 11", Some(Cause::Died)),
            ("plugin", Some(Cause::Boundary)),
            ("machine", Some(Cause::Elsewhere)),
            ("won", None),
        ] {
            assert_eq!(Cause::of(outcome), cause, "{outcome}");
        }
    }
}
