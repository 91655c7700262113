//! Looks at a library in a process of its own: loading one already runs code of it, and what it draws once in a process (such as the seed
//! of a hash map) is drawn anew.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow};
use gristmill_dataplane::{MapTask, Plugin, ProgressCell, run_map};
use gristmill_model::{InputFile, JobId, MapWork, Params, PathBytes, PluginInfo, TaskId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::failure::{Exit, Failure, Outcome};
use crate::place::{self, Place};
use crate::signal::Stop;
use crate::worker;

/// The hidden command by which this executable is started again, with the place of question and answer as its argument.
pub(crate) const COMMAND: &str = "look";

/// What the process is to find out.
#[derive(Serialize, Deserialize)]
enum Question {
    /// What the library says of itself.
    Describe { library: PathBytes },
    /// The digest of the pairs that it makes of these files.
    Digest { library: PathBytes, params: Params, inputs: Vec<InputFile>, partitions: u32 },
}

/// Far longer than loading a library takes.
const LOADING_MAX: Duration = Duration::from_secs(10);
/// Far longer than the tasks of a check take.
const RUNNING_MAX: Duration = Duration::from_secs(60);
const MEMORY_BYTES: u64 = 512 << 20;
/// How much later than a child this process may hear of a signal to both.
const STOP_HEARD_MAX: Duration = Duration::from_millis(200);

/// What the child does. The answer goes to a file, since the standard streams are the plugin's.
pub(crate) fn answer(place: Option<&Path>) -> ExitCode {
    // A library that hangs when it is loaded must not outlive whoever wanted to know.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let answered = place.context("no place").and_then(|place| {
        let question = serde_json::from_slice(&std::fs::read(place.join(QUESTION))?)?;
        let answer = match question {
            Question::Describe { library } => serde_json::to_vec(&describe_here(&library.to_path()))?,
            Question::Digest { library, params, inputs, partitions } => {
                serde_json::to_vec(&digest_here(&library.to_path(), params, &inputs, partitions, place))?
            }
        };
        Ok(std::fs::write(place.join(ANSWER), answer)?)
    });
    if answered.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const QUESTION: &str = "question";
const ANSWER: &str = "answer";

fn describe_here(library: &Path) -> Result<PluginInfo, String> {
    Plugin::inspect(library).map_err(|error| error.to_string())
}

fn digest_here(
    library: &Path,
    params: Params,
    inputs: &[InputFile],
    partitions: u32,
    place: &Path,
) -> Result<u64, String> {
    let plugin = Plugin::load(library).map_err(|error| error.to_string())?;
    let task = MapTask {
        attempt: TaskId::map(JobId(1), 0).attempt(0),
        work: MapWork { splits: inputs.iter().map(InputFile::whole).collect(), bounds: Default::default() },
        params,
        partitions,
        memory_bytes: MEMORY_BYTES,
        run_path: place.join("run"),
        output_path: place.join("output"),
        scratch_dir: place.to_owned(),
    };
    let made = run_map(&plugin, &task, &ProgressCell::new()).map_err(|failure| failure.message)?;
    Ok(made.digest)
}

/// What the library says of itself. One that ends its process when it is loaded, or hangs, is an error with the status `deadly`; one
/// that is no plugin is wrong usage.
pub(crate) async fn describe(library: &Path, deadly: Exit, stop: &mut Stop) -> Outcome<PluginInfo> {
    let question = Question::Describe { library: PathBytes::from(library) };
    let stopped = || Failure::failed(anyhow!("stopped before anything was started"));
    let answer = tokio::select! {
        answer = ask::<Result<PluginInfo, String>>(&question, LOADING_MAX) => answer?,
        () = stop.next() => return Err(stopped()),
    };
    // A Ctrl-C that reaches the child before it has left this process group ends it, and is heard of here a little later.
    if answer.is_err() && tokio::time::timeout(STOP_HEARD_MAX, stop.next()).await.is_ok() {
        return Err(stopped());
    }
    match answer {
        Ok(described) => described.map_err(Failure::wrong),
        Err(silence) => {
            let error = match silence {
                Silence::Ended(how) => anyhow!("{library:?} ends the process that loads it ({how})"),
                Silence::TooLong => {
                    anyhow!("{library:?} is still being loaded after {} s", LOADING_MAX.as_secs())
                }
            };
            let hint = "look for what the library does when it is loaded: constructors, static variables";
            Err(Failure { exit: deadly, error, hint: Some(hint.to_owned()) })
        }
    }
}

/// The digest of the pairs that the app makes of these files, in a process that has not run it before. `None` when it fails: that it does
/// is found otherwise.
pub(crate) async fn digest(
    library: &Path,
    params: &Params,
    inputs: &[InputFile],
    partitions: u32,
) -> Outcome<Option<u64>> {
    let question = Question::Digest {
        library: PathBytes::from(library),
        params: params.clone(),
        inputs: inputs.to_vec(),
        partitions,
    };
    let answer = ask::<Result<u64, String>>(&question, RUNNING_MAX).await?;
    Ok(answer.ok().and_then(Result::ok))
}

/// Why there is no answer.
enum Silence {
    /// The process has ended like that.
    Ended(String),
    /// It would not end.
    TooLong,
}

/// The answer of a new process, or why there is none.
async fn ask<A: DeserializeOwned>(question: &Question, patience: Duration) -> Outcome<Result<A, Silence>> {
    let place = Place::make("gristmill-look-").map_err(place::cannot_make)?;
    let question = serde_json::to_vec(question).context("put the question").map_err(Failure::failed)?;
    std::fs::write(place.path().join(QUESTION), question).map_err(place::cannot_make)?;
    let program: PathBuf = worker::slot_command()?.program;
    let mut command = Command::new(program);
    command.arg(COMMAND).arg(place.path()).current_dir(place.path()).kill_on_drop(true);
    // Ctrl-C is for this process, which ends that one.
    command.process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().context("start a process to load the app in").map_err(Failure::failed)?;
    let silence = match tokio::time::timeout(patience, child.wait()).await {
        Ok(Ok(status)) => Silence::Ended(plainly(status)),
        Ok(Err(error)) => Silence::Ended(error.to_string()),
        Err(_) => {
            let _ = child.kill().await;
            Silence::TooLong
        }
    };
    let answer = std::fs::read(place.path().join(ANSWER)).ok();
    Ok(answer.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or(silence))
}

/// `exit status 3`, `signal 6 (SIGABRT)`.
fn plainly(status: ExitStatus) -> String {
    status.to_string().replace(": ", " ")
}
