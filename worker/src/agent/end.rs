//! The end of an agent: no process and no file is left that nobody needs.

use std::time::Duration;

use gristmill_model::JobId;
use tokio::time::timeout;

use super::Agent;
use crate::work_dir::remove_tree;

/// How long the coordinator may take to hear that this worker leaves.
const GOODBYE_MAX: Duration = Duration::from_secs(1);
/// How long killed slots may take to die; only one stuck in the kernel takes longer.
const DEATH_MAX: Duration = Duration::from_secs(10);

impl Agent {
    /// Kills the slots, says goodbye, and removes the rubbish: after a `finished` coordinator all that this life has made, otherwise
    /// all but runs and plugins that are still of use.
    pub(super) async fn end(mut self, finished: bool) {
        self.calls.shutdown().await;
        let link = self.link.with_patience(GOODBYE_MAX);
        let registration = self.registration.as_ref().map(|r| (r.worker, r.cluster));
        let incarnation = self.incarnation;
        let goodbye = async {
            let (worker, _) = registration?;
            timeout(GOODBYE_MAX, link.goodbye(worker, incarnation)).await.ok()?.ok()
        };
        let (busy, keepers) = self.slots.end();
        let burials = tokio::task::spawn_blocking(|| {
            for keeper in keepers {
                let _ = keeper.join();
            }
        });
        let dead = async { drop(timeout(DEATH_MAX, burials).await) };
        let (live_jobs, ()) = tokio::join!(goodbye, dead);
        while self.chores.join_next().await.is_some() {}

        let mut rubbish: Vec<_> = busy.iter().map(|busy| busy.product.clone()).collect();
        rubbish.extend(self.reports.abandon());
        if let Some((_, cluster)) = registration {
            // Jobs that ended without this worker having been told to forget them are over all the same.
            let over = |job: &&JobId| match &live_jobs {
                _ if finished => true,
                Some(live) => !live.contains(job),
                None => self.over.contains(job),
            };
            rubbish.extend(self.jobs.iter().filter(over).map(|job| self.dir.job_dir(cluster, *job)));
        }
        let (dir, plugins) = (self.dir, self.plugins);
        let removal = tokio::task::spawn_blocking(move || {
            for path in rubbish {
                let _ = remove_tree(&path);
            }
            if finished {
                plugins.remove_fetched();
            }
            if let Err(error) = dir.close() {
                tracing::warn!(path = %dir.own().display(), %error, "cannot remove");
            }
        });
        let _ = removal.await;
    }
}
