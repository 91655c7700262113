//! A job request: what is refused about it, and how its open choices are made.
//!
//! Everything a client can say is checked here, once, before it reaches the scheduler.

use std::path::{Component, Path};

use gristmill_model::{InputMode, JobRequest, JobSpec, PathBytes, PluginInfo};
use gristmill_scheduler::{Planner, choose_plan};

/// Largest number of reduce tasks.
const REDUCES_MAX: u32 = 100_000;
/// Largest number of input files.
const INPUTS_MAX: usize = 1_000_000;
/// Largest path, in bytes: what Linux takes.
const PATH_BYTES_MAX: usize = 4096;
/// Largest name or version, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// Largest sum of the parameters' keys and values: they go out with every assignment.
const PARAMS_BYTES_MAX: usize = 1 << 20;
/// Least memory of a slot that makes sense.
const MEMORY_BYTES_MIN: u64 = 1 << 20;
/// Longest time without progress.
const TASK_TIMEOUT_MS_MAX: u64 = 30 * 24 * 3600 * 1000;
/// More slots than any cluster has.
const SLOTS_MAX: u32 = 1 << 20;

/// Why a request is refused, in one sentence for the user.
pub(crate) fn check(request: &JobRequest) -> Result<(), String> {
    check_plugin(&request.plugin)?;
    let params: usize = request.params.iter().map(|(key, value)| key.len() + value.len()).sum();
    at_most("the parameters have", params, PARAMS_BYTES_MAX, "bytes")?;
    if request.inputs.is_empty() {
        return Err("the job has no inputs".to_owned());
    }
    at_most("the job has", request.inputs.len(), INPUTS_MAX, "inputs")?;
    for input in &request.inputs {
        at_most("an input's name has", input.name.0.len(), PATH_BYTES_MAX, "bytes")?;
        check_path("input", &input.path)?;
    }
    if request.inputs.iter().try_fold(0u64, |sum, input| sum.checked_add(input.bytes)).is_none() {
        return Err("the inputs' sizes add up to more than any machine holds".to_owned());
    }
    check_path("output directory", &request.output)?;
    check_options(request)
}

fn check_plugin(plugin: &PluginInfo) -> Result<(), String> {
    at_most("the app's name has", plugin.name.len(), NAME_BYTES_MAX, "bytes")?;
    at_most("the app's version has", plugin.version.len(), NAME_BYTES_MAX, "bytes")?;
    if plugin.input_mode == InputMode::Records(0) {
        return Err(format!("the app {} asks for records of 0 bytes", plugin.name));
    }
    Ok(())
}

fn check_options(request: &JobRequest) -> Result<(), String> {
    let options = &request.options;
    match options.reduces {
        Some(0) if !request.plugin.map_only => {
            return Err(format!("{} is not a map-only app: it needs at least 1 reduce", request.plugin.name));
        }
        Some(reduces) if reduces > REDUCES_MAX => {
            return Err(format!("{reduces} reduces are more than {REDUCES_MAX}"));
        }
        _ => {}
    }
    if options.split_bytes == Some(0) {
        return Err("the split size must be at least 1 byte".to_owned());
    }
    if options.slots.is_some_and(|slots| slots > SLOTS_MAX) {
        return Err(format!("a job is planned for at most {SLOTS_MAX} slots"));
    }
    if options.memory_bytes < MEMORY_BYTES_MIN {
        return Err(format!(
            "{} bytes of memory are too few; give a slot at least 1 MiB",
            options.memory_bytes
        ));
    }
    if options.task_timeout_ms == 0 || options.task_timeout_ms > TASK_TIMEOUT_MS_MAX {
        return Err("the task timeout must be between 1 ms and 30 days".to_owned());
    }
    if options.max_attempts == 0 {
        return Err("the number of attempts must be at least 1".to_owned());
    }
    Ok(())
}

fn at_most(what: &str, count: usize, max: usize, unit: &str) -> Result<(), String> {
    if count <= max { Ok(()) } else { Err(format!("{what} {count} {unit}, more than {max}")) }
}

fn check_path(what: &str, path: &PathBytes) -> Result<(), String> {
    at_most(&format!("the path of an {what} has"), path.0.len(), PATH_BYTES_MAX, "bytes")?;
    let plain = is_plain(&path.to_path()) && !path.0.contains(&0);
    if plain { Ok(()) } else { Err(format!("{what} {path} is not an absolute path without `..`")) }
}

/// Absolute, and nothing in it leads back up.
fn is_plain(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
}

/// Makes the choices that the user left open, given how many slots there are now.
pub(crate) fn settle(request: JobRequest, live_slots: u32) -> (JobSpec, Planner) {
    let JobRequest { key, plugin, params, inputs, output, options } = request;
    let (planner, split_bytes) = choose_plan(&plugin, &options, &inputs, live_slots);
    let slots = options.slots.unwrap_or(live_slots).max(1);
    let reduces = if plugin.map_only { 0 } else { options.reduces.unwrap_or(slots.min(REDUCES_MAX)) };
    let spec = JobSpec {
        key,
        plugin,
        params,
        inputs,
        output,
        overwrite: options.overwrite,
        reduces,
        split_bytes,
        memory_bytes: options.memory_bytes,
        task_timeout_ms: options.task_timeout_ms,
        max_attempts: options.max_attempts,
        priority: options.priority,
    };
    (spec, planner)
}

#[cfg(test)]
mod tests {
    use gristmill_model::{ClientId, InputFile, JobOptions, RequestId, RequestKey, Sha256};

    use super::*;

    fn request() -> JobRequest {
        JobRequest {
            key: RequestKey { client: ClientId(1), request: RequestId(1) },
            plugin: PluginInfo {
                sha256: Sha256([0; 32]),
                bytes: 1,
                name: "wc".to_owned(),
                version: "1".to_owned(),
                input_mode: InputMode::Text,
                map_only: false,
                combines: true,
                total_order: false,
            },
            params: Default::default(),
            inputs: vec![InputFile {
                name: "a".into(),
                path: "/in/a".into(),
                bytes: 5,
                modified_ns: 0,
                splittable: true,
            }],
            output: "/out".into(),
            options: JobOptions::default(),
        }
    }

    fn refusal(change: impl FnOnce(&mut JobRequest)) -> String {
        let mut request = request();
        change(&mut request);
        check(&request).unwrap_err()
    }

    #[test]
    fn a_plain_request_is_fine() {
        check(&request()).unwrap();
    }

    #[test]
    fn each_wrong_choice_is_named() {
        assert!(refusal(|r| r.inputs.clear()).contains("no inputs"));
        assert!(refusal(|r| r.inputs[0].path = "a".into()).contains("absolute"));
        assert!(refusal(|r| r.inputs[0].path = "/a/../../etc".into()).contains("`..`"));
        assert!(refusal(|r| r.output = "out".into()).contains("output directory out"));
        assert!(refusal(|r| r.output = "/o\0ut".into()).contains("output directory"));
        assert!(refusal(|r| r.output.0 = vec![b'/'; 5000]).contains("4096"));
        assert!(refusal(|r| r.options.reduces = Some(100_001)).contains("100001"));
        assert!(refusal(|r| r.options.reduces = Some(0)).contains("map-only"));
        assert!(refusal(|r| r.options.split_bytes = Some(0)).contains("split"));
        assert!(refusal(|r| r.options.max_attempts = 0).contains("attempts"));
        assert!(refusal(|r| r.options.task_timeout_ms = 0).contains("timeout"));
        assert!(refusal(|r| r.options.task_timeout_ms = u64::MAX).contains("timeout"));
        assert!(refusal(|r| r.options.memory_bytes = 0).contains("memory"));
        assert!(refusal(|r| r.plugin.input_mode = InputMode::Records(0)).contains("0 bytes"));
        assert!(refusal(|r| r.plugin.name = "x".repeat(300)).contains("256"));
        assert!(refusal(|r| drop(r.params.insert("k".into(), "v".repeat(2 << 20)))).contains("parameters"));
        let huge = |r: &mut JobRequest| {
            r.inputs[0].bytes = u64::MAX;
            r.inputs.push(r.inputs[0].clone());
        };
        assert!(refusal(huge).contains("add up"));
    }

    #[test]
    fn open_choices_follow_the_slots_and_the_size() {
        let mut big = request();
        big.inputs[0].bytes = 320 << 20;
        let (spec, planner) = settle(big.clone(), 8);
        assert_eq!((spec.reduces, spec.split_bytes), (8, 35 << 20));
        assert_eq!(planner, Planner::JoinedTasks { slots: 8 });
        let (spec, planner) = settle(big.clone(), 0);
        assert_eq!(
            (spec.reduces, spec.split_bytes),
            (1, (35 << 20) / 2),
            "whoever comes later is to find something to do"
        );
        assert_eq!(planner, Planner::JoinedTasks { slots: 16 });
        big.options.slots = Some(2);
        let (spec, planner) = settle(big.clone(), 0);
        assert_eq!((spec.reduces, spec.split_bytes), (2, 140 << 20));
        assert_eq!(planner, Planner::JoinedTasks { slots: 2 });
        big.options.split_bytes = Some(7);
        let (spec, planner) = settle(big, 4);
        assert_eq!((spec.split_bytes, planner), (7, Planner::EvenTasks { slots: 2 }));
        assert_eq!(settle(request(), 8).0.split_bytes, 1 << 20);
    }

    #[test]
    fn tasks_are_joined_for_apps_with_a_combiner_and_much_input() {
        let mut big = request();
        big.inputs[0].bytes = 320 << 20;
        assert_eq!(settle(big.clone(), 20).1, Planner::JoinedTasks { slots: 20 });
        assert_eq!(settle(big.clone(), 21).1, Planner::FallingTasks { slots: 21 });
        big.plugin.input_mode = InputMode::File;
        assert_eq!(settle(big.clone(), 2).1, Planner::FallingTasks { slots: 2 });
        (big.plugin.input_mode, big.plugin.combines) = (InputMode::Text, false);
        assert_eq!(settle(big, 2).1, Planner::FallingTasks { slots: 2 });
    }

    #[test]
    fn a_task_of_an_app_without_a_combiner_fits_the_memory() {
        let mut big = request();
        (big.inputs[0].bytes, big.options.memory_bytes) = (10 << 30, 256 << 20);
        assert_eq!(settle(big.clone(), 2).0.split_bytes, 1 << 30);
        big.plugin.combines = false;
        let fits = settle(big, 2).0.split_bytes;
        assert!((70 << 20..=77 << 20).contains(&fits), "{fits}");
    }

    #[test]
    fn a_map_only_app_gets_no_reduces_whatever_was_asked() {
        let mut request = request();
        request.plugin.map_only = true;
        request.options.reduces = Some(3);
        assert_eq!(settle(request, 8).0.reduces, 0);
    }
}
