//! What a test must not leave: processes and files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::process::pid;
use crate::procfs;
use crate::until::within;

/// How long the last processes of a test may take to go: orphans notice the death of their parent, but not within the same instant.
const GOODBYE: Duration = Duration::from_secs(10);

/// Waits for the processes of `place` to go; kills and returns those that stay.
pub(crate) fn end_processes(place: &Path) -> Vec<String> {
    if within(GOODBYE, || procfs::that_know(place).is_empty().then_some(())).is_some() {
        return Vec::new();
    }
    let end = |id| {
        let complaint = format!("process {id}: {}", procfs::command_line(id));
        kill_process(pid(id), Signal::KILL).ok();
        complaint
    };
    procfs::that_know(place).into_iter().map(end).collect()
}

/// Whatever lies in these folders, which should be empty.
pub(crate) fn files(folders: &[PathBuf]) -> Vec<String> {
    folders.iter().flat_map(|folder| listing(folder)).map(complaint).collect()
}

/// Whatever lies in the work directories of workers. They keep the plugins that they have seen: that is no rubbish.
pub(crate) fn work(folder: &Path) -> Vec<String> {
    let found = listing(folder).into_iter().flat_map(|directory| listing(&directory));
    found.filter(|path| path.file_name().is_none_or(|name| name != "plugins")).map(complaint).collect()
}

fn complaint(path: PathBuf) -> String {
    format!("file {}", path.display())
}

/// What lies beside the outputs, or in them and is neither a part nor the manifest nor, if that is to be expected, `staged`.
pub(crate) fn outputs(folder: &Path, outputs: &BTreeSet<PathBuf>, staged: bool) -> Vec<String> {
    let (jobs, others): (Vec<_>, Vec<_>) =
        listing(folder).into_iter().partition(|path| outputs.contains(path));
    let strangers = jobs
        .iter()
        .flat_map(|job| listing(job))
        .filter(|path| !(is_output(path) || staged && is_staging(path)));
    others.into_iter().chain(strangers).map(|path| format!("output {}", path.display())).collect()
}

fn is_output(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.is_file() && (name == "_SUCCESS" || name.starts_with("mr-out-") || name == "kept")
}

fn is_staging(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".gristmill-"))
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
