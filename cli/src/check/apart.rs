//! Looks at a library in a process of its own: loading one already runs code of it, and what it draws once in a process (such as the seed
//! of a hash map) is drawn anew.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow};
use gristmill_dataplane::{MapTask, Plugin, ProgressCell, run_map};
use gristmill_model::{InputFile, JobId, MapWork, Params, PathBytes, PluginInfo, Split, TaskId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::failure::{Failure, Outcome};
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

/// Far longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(60);
const MEMORY_BYTES: u64 = 512 << 20;

/// What the child does. The answer goes to a file, since the standard streams are the plugin's.
pub(crate) fn answer(place: Option<&Path>) -> ExitCode {
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
    let whole = |input: &InputFile| Split {
        document: input.name.clone(),
        path: input.path.clone(),
        offset: 0,
        bytes: input.bytes,
        file_bytes: input.bytes,
    };
    let task = MapTask {
        attempt: TaskId::map(JobId(1), 0).attempt(0),
        work: MapWork { splits: inputs.iter().map(whole).collect() },
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

/// What the library says of itself. One that takes its process down when it is loaded is an error like one that is no plugin.
pub(super) async fn describe(library: &Path) -> Outcome<PluginInfo> {
    let question = Question::Describe { library: PathBytes::from(library) };
    match ask::<Result<PluginInfo, String>>(&question).await? {
        Ok(described) => described.map_err(Failure::wrong),
        Err(ended) => {
            Err(Failure::failed(anyhow!("loading {} takes the process down: {ended}", library.display()))
                .hint("look for what the library does when it is loaded: constructors, static variables"))
        }
    }
}

/// The digest of the pairs that the app makes of these files, in a process that has not run it before. `None` when it fails: that it does
/// is found otherwise.
pub(super) async fn digest(
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
    let answer = ask::<Result<u64, String>>(&question).await?;
    Ok(answer.ok().and_then(Result::ok))
}

/// The answer of a new process, or how it ended without one.
async fn ask<A: DeserializeOwned>(question: &Question) -> Outcome<Result<A, String>> {
    let place = place().context("make a temporary directory").map_err(Failure::usage)?;
    let question = serde_json::to_vec(question).context("put the question").map_err(Failure::failed)?;
    std::fs::write(place.path().join(QUESTION), question)
        .context("put the question")
        .map_err(Failure::failed)?;
    let program: PathBuf = worker::slot_command()?.program;
    let mut command = Command::new(program);
    command.arg(COMMAND).arg(place.path()).current_dir(place.path()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().context("start a process to load the app in").map_err(Failure::failed)?;
    let ended = match tokio::time::timeout(PATIENCE, child.wait()).await {
        Ok(Ok(status)) => status.to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => {
            let _ = child.kill().await;
            format!("no answer within {} s", PATIENCE.as_secs())
        }
    };
    let answer = std::fs::read(place.path().join(ANSWER)).ok();
    Ok(answer.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or(ended))
}

fn place() -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("gristmill-check-").tempdir()
}
