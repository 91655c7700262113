//! What must be there before a slot can begin: the plugin, the job's directory, and of a reduce the segments.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gristmill_model::{Assignment, AttemptId, Incarnation, TaskFailure, Work, WorkerId};
use gristmill_protocol::{CallError, WorkerLink};

use super::failures;
use crate::frames::ToSlot;
use crate::plugins::{PluginFetchError, Plugins};
use crate::process::SlotSender;
use crate::work_dir::WorkDir;

/// What an attempt is prepared with.
pub(super) struct Preparation {
    pub(super) link: WorkerLink,
    pub(super) dir: Arc<WorkDir>,
    pub(super) plugins: Arc<Plugins>,
    pub(super) worker: WorkerId,
    pub(super) incarnation: Incarnation,
    /// Takes the segments, page by page: a job with very many maps must not fill the agent's memory.
    pub(super) slot: SlotSender,
    pub(super) steps: Arc<AtomicU64>,
}

/// All is there.
pub(super) struct Prepared {
    /// The library, verified.
    pub(super) plugin: PathBuf,
}

/// Why an attempt cannot begin.
pub(super) enum Unprepared {
    /// The coordinator has given it to somebody else meanwhile.
    Stale,
    Failed(TaskFailure),
}

impl Preparation {
    pub(super) async fn run(self, assignment: &Assignment) -> Result<Prepared, Unprepared> {
        let plugin = self.plugins.get(&assignment.plugin, &self.link, &self.steps).await;
        let plugin = plugin.map_err(|error| Unprepared::Failed(plugin_failure(&error)))?;
        match &assignment.work {
            Work::Map(_) if assignment.reduces > 0 => self.make_job_dir(assignment).await?,
            Work::Map(_) | Work::Sample(_) => {}
            Work::Reduce(work) => self.hand_over_segments(assignment.attempt, work.maps).await?,
        }
        Ok(Prepared { plugin })
    }

    async fn make_job_dir(&self, assignment: &Assignment) -> Result<(), Unprepared> {
        let path = self.dir.job_dir(assignment.cluster, assignment.attempt.task.job);
        let shown = path.display().to_string();
        let make = move || match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        };
        let made = tokio::task::spawn_blocking(make).await.unwrap_or_else(|error| Err(error.into()));
        made.map_err(|error| Unprepared::Failed(failures::machine(format!("cannot make {shown}: {error}"))))
    }

    async fn hand_over_segments(&self, attempt: AttemptId, maps: u32) -> Result<(), Unprepared> {
        let mut from = 0;
        while from < maps {
            let page = match self.link.segments_page(self.worker, self.incarnation, attempt, from).await {
                Ok(page) => page,
                Err(error) if error.may_pass() => continue,
                Err(CallError::Refused(_)) => return Err(Unprepared::Stale),
                Err(error) => return Err(Unprepared::Failed(failures::machine(error.to_string()))),
            };
            if page.is_empty() {
                return Err(Unprepared::Stale);
            }
            from = from.saturating_add(u32::try_from(page.len()).unwrap_or(u32::MAX));
            self.steps.fetch_add(1, Ordering::Relaxed);
            let sent = self.slot.send(&ToSlot::Segments(page));
            sent.map_err(|error| Unprepared::Failed(failures::machine(format!("segments: {error}"))))?;
        }
        Ok(())
    }
}

fn plugin_failure(error: &PluginFetchError) -> TaskFailure {
    match error {
        PluginFetchError::Wrong { .. } => failures::plugin(error.to_string()),
        PluginFetchError::Store { source, .. } => failures::machine(format!("{error}: {source}")),
    }
}
