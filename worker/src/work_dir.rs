//! The work directory: what is where, whose it is, and what may be removed.
//!
//! ```text
//! <work dir>/                                locked (flock) while a worker comes or goes
//!   plugins/<sha256>.so                      the cache, shared by all workers here
//!   gristmill-<cluster>-j7/                  what belongs to a job, shared by all workers here
//!     j7.m12.a3-<incarnation>.run            a run
//!   agent-<incarnation>/                     one worker's own, locked (flock) as long as it lives
//!     <sha256>.so                            plugins of this life, verified
//!     slot-<process>/                        where a slot lives: its current directory and TMPDIR
//! ```
//! An agent's own directory whose lock is free belongs to a dead agent, and its slots have died with it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::num::NonZero;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, available_parallelism};
use std::time::SystemTime;

use gristmill_model::{AttemptId, ClusterId, Incarnation, JobId};

use crate::config::WorkerError;
use crate::process::ProcessId;

/// Plugins that a coming worker leaves in the cache: those used last.
const CACHED_PLUGINS_MAX: usize = 32;
/// Threads that remove the files of a job.
const REMOVING_MAX: usize = 8;

/// The place of one agent in a work directory.
#[derive(Debug)]
pub(crate) struct WorkDir {
    root: PathBuf,
    own: PathBuf,
    /// Held as long as this agent lives.
    _alive: File,
}

/// A job directory found in the work directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FoundJob {
    pub(crate) cluster: ClusterId,
    pub(crate) job: JobId,
}

/// What an agent finds beside itself in its work directory.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) jobs: Vec<FoundJob>,
    /// No other agent, dead or alive, has a directory here.
    pub(crate) alone: bool,
}

impl WorkDir {
    /// Makes a place for `incarnation`, and removes what dead agents have left. Blocks.
    pub(crate) fn open(root: &Path, incarnation: Incarnation) -> Result<Self, WorkerError> {
        let root = std::path::absolute(root).map_err(trouble(root, "find it"))?;
        private_dir(&root, true)?;
        check_ours(&root)?;
        let plugins = root.join("plugins");
        let _coming = lock(&root).map_err(trouble(&root, "lock it"))?;
        private_dir(&plugins, false)?;
        check_ours(&plugins)?;
        remove_dead_agents(&root);
        remove_old_plugins(&plugins);
        let own = root.join(format!("agent-{incarnation}"));
        private_dir(&own, false)?;
        let alive = lock(&own).map_err(trouble(&own, "lock it"))?;
        Ok(Self { root, own, _alive: alive })
    }

    pub(crate) fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    pub(crate) fn own(&self) -> &Path {
        &self.own
    }

    pub(crate) fn slot_home(&self, process: ProcessId) -> PathBuf {
        self.own.join(format!("slot-{}", process.0))
    }

    pub(crate) fn job_dir(&self, cluster: ClusterId, job: JobId) -> PathBuf {
        self.root.join(cluster.job_dir_name(job))
    }

    /// Where an attempt leaves its run: a name that no other attempt, and no other life of a worker, ever has.
    pub(crate) fn run_path(
        &self,
        cluster: ClusterId,
        attempt: AttemptId,
        incarnation: Incarnation,
    ) -> PathBuf {
        self.job_dir(cluster, attempt.task.job).join(format!("{attempt}-{incarnation}.run"))
    }

    /// What is here now. Blocks.
    pub(crate) fn survey(&self) -> Survey {
        let Ok(entries) = fs::read_dir(&self.root) else { return Survey::default() };
        let paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        let job = |path: &PathBuf| parse_job_dir_name(path.file_name()?.to_str()?);
        Survey {
            jobs: paths.iter().filter_map(job).collect(),
            alone: paths.iter().all(|path| !is_agent(path) || *path == self.own),
        }
    }

    /// Removes the agent's own directory, and the rest if nobody else has anything here. Blocks.
    pub(crate) fn close(&self) -> io::Result<()> {
        let _leaving = lock(&self.root)?;
        remove_tree(&self.own)?;
        // It stays when a plugin is cached.
        let _ = fs::remove_dir(self.plugins());
        Ok(())
    }
}

/// Where an attempt stages its output: in the job's directory beside the final place, which the coordinator has made.
pub(crate) fn output_path(
    output: &Path,
    cluster: ClusterId,
    attempt: AttemptId,
    incarnation: Incarnation,
) -> PathBuf {
    let AttemptId { task, number } = attempt;
    let letter = task.stage.letter();
    let name = format!("{letter}{:05}-a{number}-{incarnation}", task.index);
    output.join(format!(".{}", cluster.job_dir_name(task.job))).join(name)
}

/// Removes a file or a tree; that it is not there is well. Blocks.
///
/// What is directly in it is removed by several threads: to let go of the pages that the system keeps of a gigabyte of runs takes one of
/// them a tenth of a second, and the user of a run waits for it.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => remove_entries(path).and_then(|()| fs::remove_dir_all(path)),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// What fails here fails again for the caller, with its reason.
fn remove_entries(directory: &Path) -> io::Result<()> {
    let entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    let threads = available_parallelism().map_or(1, NonZero::get).min(REMOVING_MAX).min(entries.len());
    let entries = Mutex::new(entries.into_iter());
    // Locked no longer than this.
    let next = || entries.lock().unwrap_or_else(PoisonError::into_inner).next();
    let remove = || {
        while let Some(entry) = next() {
            let _ = if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                fs::remove_dir_all(entry.path())
            } else {
                fs::remove_file(entry.path())
            };
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where there is no other thread, this one does all.
            let _ = thread::Builder::new().name("remove".to_owned()).spawn_scoped(scope, remove);
        }
        remove();
    });
    Ok(())
}

fn parse_job_dir_name(name: &str) -> Option<FoundJob> {
    let (cluster, job) = name.strip_prefix("gristmill-")?.split_once('-')?;
    let cluster = ClusterId(u64::from_str_radix(cluster, 16).ok()?);
    let found = FoundJob { cluster, job: job.parse().ok()? };
    // Names that only look alike are none of ours.
    (cluster.job_dir_name(found.job) == name).then_some(found)
}

fn trouble(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> WorkerError {
    let path = path.to_owned();
    move |source| WorkerError::WorkDir { path, what, source }
}

fn private_dir(path: &Path, parents: bool) -> Result<(), WorkerError> {
    match DirBuilder::new().mode(0o700).recursive(parents).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other.map_err(trouble(path, "make it")),
    }
}

fn check_ours(path: &Path) -> Result<(), WorkerError> {
    let metadata = fs::symlink_metadata(path).map_err(trouble(path, "look at it"))?;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if ours && metadata.is_dir() && metadata.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(WorkerError::WorkDirShared { path: path.to_owned() })
}

fn lock(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    file.lock()?;
    Ok(file)
}

/// Failures are left for the next worker: rubbish harms nobody.
fn remove_dead_agents(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if is_agent(&path) && File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            tracing::info!(path = %path.display(), "removing what a dead worker has left");
            let _ = remove_tree(&path);
        }
    }
}

fn is_agent(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"agent-"))
}

fn remove_old_plugins(plugins: &Path) {
    let Ok(entries) = fs::read_dir(plugins) else { return };
    let mut cached: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        })
        .collect();
    cached.sort();
    let old = cached.len().saturating_sub(CACHED_PLUGINS_MAX);
    for (_, path) in &cached[..old] {
        let _ = fs::remove_file(path);
    }
}

/// Readable and executable by this user, writable by nobody.
pub(crate) fn seal(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o500))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_model::TaskId;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_coming_worker_removes_what_the_dead_left_and_nothing_of_the_living() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("deep/work");
        let living = WorkDir::open(&root, Incarnation(1)).unwrap();
        let dead = WorkDir::open(&root, Incarnation(2)).unwrap();
        fs::create_dir(dead.slot_home(ProcessId(1))).unwrap();
        drop(dead);
        assert_eq!(names(&root).len(), 3);
        let coming = WorkDir::open(&root, Incarnation(3)).unwrap();
        assert_eq!(
            names(&root),
            [format!("agent-{}", Incarnation(1)), format!("agent-{}", Incarnation(3)), "plugins".into()]
        );
        living.close().unwrap();
        coming.close().unwrap();
        assert!(names(&root).is_empty());
        assert_eq!(fs::metadata(&root).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        for open_to_all in ["", "plugins"] {
            let dir = tempfile::tempdir().unwrap();
            let shared = dir.path().join(open_to_all);
            fs::create_dir_all(&shared).unwrap();
            fs::set_permissions(&shared, Permissions::from_mode(0o777)).unwrap();
            let refused = WorkDir::open(dir.path(), Incarnation(1)).unwrap_err();
            assert!(matches!(refused, WorkerError::WorkDirShared { .. }), "{refused}");
        }
    }

    #[test]
    fn a_file_in_the_place_of_the_work_directory_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = WorkDir::open(file.path(), Incarnation(1)).unwrap_err();
        assert!(refused.to_string().contains(&*file.path().to_string_lossy()), "{refused}");
    }

    #[test]
    fn a_tree_is_removed_whole_and_what_it_links_to_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, outside) = (dir.path().join("tree"), dir.path().join("outside"));
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        for number in 0..100 {
            let folder = tree.join(format!("{number}/deep"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("file"), "").unwrap();
            fs::write(tree.join(format!("{number}.run")), "").unwrap();
        }
        std::os::unix::fs::symlink(&outside, tree.join("link")).unwrap();
        remove_tree(&tree).unwrap();
        assert_eq!(names(dir.path()), ["outside"]);
        assert_eq!(names(&outside), ["kept"]);
        remove_tree(&tree).unwrap();
        let alone = outside.join("kept");
        remove_tree(&alone).unwrap();
        assert!(remove_tree(&alone.join("beneath")).is_ok() && names(&outside).is_empty());
    }

    #[test]
    fn only_exact_names_are_job_directories() {
        let found = FoundJob { cluster: ClusterId(0xab), job: JobId(7) };
        assert_eq!(parse_job_dir_name(&found.cluster.job_dir_name(found.job)), Some(found));
        for name in [
            "gristmill-ab-j7",
            "gristmill-00000000000000ab-j07",
            "gristmill-00000000000000AB-j7",
            "plugins",
            "gristmill-",
        ] {
            assert_eq!(parse_job_dir_name(name), None, "{name}");
        }
    }

    #[test]
    fn names_of_attempts_carry_attempt_and_incarnation() {
        let attempt = TaskId::reduce(JobId(7), 3).attempt(17);
        let path = output_path(Path::new("/out"), ClusterId(1), attempt, Incarnation(2));
        let expected = "/out/.gristmill-0000000000000001-j7/r00003-a17-0000000000000002";
        assert_eq!(path, Path::new(expected));
    }

    #[test]
    fn the_cache_keeps_the_plugins_used_last() {
        let dir = tempfile::tempdir().unwrap();
        for age in 0..40u64 {
            let file = File::create(dir.path().join(format!("{age:02}"))).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(1000 * (age + 1))).unwrap();
        }
        remove_old_plugins(dir.path());
        assert_eq!(names(dir.path()), (0..32).map(|age| format!("{age:02}")).collect::<Vec<_>>());
    }
}
