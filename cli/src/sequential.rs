//! `gristmill run --sequential`: the whole job in this thread, by the data plane's simplest code. What the engine is compared with.
//!
//! A second thread only waits for Ctrl-C and SIGTERM, to remove what was staged. No progress is shown.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use gristmill_coordinator::{Manifest, ManifestInputs, ManifestOutput, ManifestPlugin, Summary, Tasks};
use gristmill_dataplane::{Plugin, ProgressCell, SequentialError, SequentialJob, SequentialSummary};
use gristmill_model::{Params, PluginInfo, TaskFailure, Timestamp};
use gristmill_storage::{Local, Output};

use crate::arguments::RunArguments;
use crate::failure::{Failure, Outcome};
use crate::inspect::now;
use crate::job::Job;
use crate::output;
use crate::render;
use crate::signal::Stop;
use crate::worker;

/// Does the job and tells about it.
pub(crate) fn sequential(arguments: &RunArguments) -> Outcome {
    let job = prepare(arguments)?;
    let reduces = arguments
        .job
        .reduces
        .or(arguments.slots.filter(|slots| *slots > 0))
        .unwrap_or_else(worker::processors);
    let reduces = if job.plugin.map_only { 0 } else { reduces };
    let name = format!("gristmill-sequential-{}", std::process::id());
    let staged = Output::new(Arc::new(Local), &job.output, &name, arguments.job.overwrite);
    let committing = Arc::new(Mutex::new(false));
    clear_away_on_signal(staged, committing.clone()).map_err(Failure::failed)?;

    let plugin = Plugin::load(&job.library).map_err(Failure::usage)?;
    let (submitted, started) = (now(), Instant::now());
    let inputs = ManifestInputs {
        files: job.inputs.len() as u64,
        bytes: job.inputs.iter().map(|input| input.bytes).fold(0, u64::saturating_add),
    };
    let mut summary = Summary {
        job: None,
        app: job.plugin.name.clone(),
        output: gristmill_model::PathBytes::from(job.output.as_path()).to_string(),
        maps: Tasks { total: u32::try_from(job.inputs.len()).unwrap_or(u32::MAX), ..Tasks::default() },
        reduces: Tasks { total: reduces, ..Tasks::default() },
        ..Summary::default()
    };
    let manifest = |made: &SequentialSummary| {
        // From here on a signal comes too late: the output becomes visible as a whole.
        *committing.lock().unwrap_or_else(PoisonError::into_inner) = true;
        manifest(&job.plugin, &job.params, inputs.clone(), submitted, made)
    };
    let done = gristmill_dataplane::sequential(
        &plugin,
        &SequentialJob {
            inputs: job.inputs.clone(),
            params: job.params.clone(),
            reduces,
            output_dir: job.output.clone(),
            name,
            overwrite: arguments.job.overwrite,
            memory_bytes: arguments.job.memory,
            manifest: &manifest,
        },
        &ProgressCell::new(),
    );
    summary.seconds = started.elapsed().as_secs_f64();
    let failure = match done {
        Ok(made) => {
            count(&mut summary, &made);
            None
        }
        Err(error) => Some(failed(error)),
    };
    summary.state = if failure.is_none() { "done" } else { "failed" };
    summary.error = failure.as_ref().map(|failure| failure.error.to_string());
    output::result(&if arguments.telling.json { render::json(&summary) } else { render::summary(&summary) })?;
    failure.map_or(Ok(()), Err)
}

fn prepare(arguments: &RunArguments) -> Outcome<Job> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start the async runtime").map_err(Failure::failed)?;
    runtime.block_on(async {
        let mut stop = Stop::listen().map_err(Failure::failed)?;
        Job::find(&arguments.job, arguments.telling.quiet, false)?.look(&mut stop).await
    })
}

fn count(summary: &mut Summary, made: &SequentialSummary) {
    let SequentialSummary { map, reduce, .. } = made;
    summary.maps.done = summary.maps.total;
    summary.reduces.done = summary.reduces.total;
    summary.bytes_in = map.bytes_in;
    summary.records_in = map.records_in;
    summary.pairs = map.pairs_out;
    summary.keys = reduce.calls;
    // One of the two writes the output, the other nothing.
    summary.records_out = map.records_out + reduce.records_out;
    summary.bytes_out = map.bytes_out + reduce.bytes_out;
    summary.counters = counters(made);
}

fn counters(made: &SequentialSummary) -> std::collections::BTreeMap<String, i64> {
    let mut counters = made.map.counters.clone();
    for (name, count) in &made.reduce.counters {
        let total = counters.entry(name.clone()).or_default();
        *total = total.saturating_add(*count);
    }
    counters
}

fn manifest(
    plugin: &PluginInfo,
    params: &Params,
    inputs: ManifestInputs,
    submitted: Timestamp,
    made: &SequentialSummary,
) -> Vec<u8> {
    let outputs = made.outputs.iter().map(|output| ManifestOutput {
        name: output.name.clone(),
        bytes: output.bytes,
        crc32c: format!("{:08x}", output.crc32c),
    });
    let manifest = Manifest {
        format: 1,
        gristmill: env!("CARGO_PKG_VERSION").to_owned(),
        cluster: String::new(),
        job: "sequential".to_owned(),
        plugin: ManifestPlugin {
            name: plugin.name.clone(),
            version: plugin.version.clone(),
            sha256: plugin.sha256.to_string(),
        },
        params: params.clone(),
        inputs,
        outputs: outputs.collect(),
        records: made.map.records_out + made.reduce.records_out,
        counters: counters(made),
        attempts: Default::default(),
        submitted_ms: submitted.ms,
        ended_ms: now().ms,
        warnings: Vec::new(),
    };
    let mut text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    text.push(b'\n');
    text
}

fn failed(error: SequentialError) -> Failure {
    match error {
        SequentialError::Failed { failure } => {
            let TaskFailure { cause, message, location } = failure;
            let place = location.map(|location| format!(" ({location})")).unwrap_or_default();
            Failure::failed(anyhow::anyhow!("the job failed: {cause}: {message}{place}"))
        }
        SequentialError::Output(error) => Failure::failed(error),
    }
}

/// Waits for a signal in a thread of its own, removes what was staged, and ends the process. Does nothing once the commit has begun.
fn clear_away_on_signal(staged: Output, committing: Arc<Mutex<bool>>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut stop = {
        let _inside = runtime.enter();
        Stop::listen()?
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        loop {
            runtime.block_on(stop.next());
            // Held until the end of the process, so that no commit begins meanwhile.
            let committing = committing.lock().unwrap_or_else(PoisonError::into_inner);
            if *committing {
                continue;
            }
            for _ in 0..20 {
                if staged.discard().is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            output::error("gristmill: error: the job was cancelled");
            std::process::exit(1);
        }
    })?;
    Ok(())
}
