//! What facts make necessary outside: commits, clearing away, ends.

use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{JobId, JobPhase};
use gristmill_scheduler::{Effect, State};
use gristmill_storage::StorageError;
use tokio::time::sleep;

use super::MainLoop;
use crate::commit::{Commit, CommitError, Outputs};
use crate::event::Event;
use crate::replica::Replica;

/// Pause before the first repetition of a commit; doubled for each further one.
const COMMIT_PAUSE: Duration = Duration::from_millis(200);
const COMMIT_DOUBLINGS_MAX: u32 = 6;
/// Pause before the lock of a staging directory is tried again.
const PLACE_PAUSE: Duration = Duration::from_millis(500);

impl<R: Replica> MainLoop<R> {
    pub(super) fn perform(&mut self, replica: &R, effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        let state = replica.read();
        for effect in effects {
            match effect {
                // The leader's answers and orders carry these; what is to be placed has been.
                Effect::Assign { .. } | Effect::Cancel { .. } | Effect::Place { .. } => {}
                Effect::Commit { job, failures } => self.commit(&state, job, failures),
                Effect::JobEnded { job } => self.end(&state, job),
                Effect::JobForgotten { job } => self.tools.logs.forget(job),
                // A connection that it still has is closed by itself, or refused until it registers again.
                Effect::WorkerLost { worker } => self.connections.forget(worker),
            }
        }
    }

    /// A leader before this one may have died before it named the staging directory of the job; one that is only paused still holds the
    /// directory's lock, which is taken when it lets go.
    pub(super) fn place_again(&self, replica: &R, job: JobId) {
        let spec = replica.read().spec(job).cloned();
        let Some(spec) = spec else { return };
        let (outputs, cluster, replica) = (self.tools.outputs.clone(), self.cluster, self.replica.clone());
        let state = self.replica.clone();
        let place = async move {
            // One that commits has its staging directory, or needs it no more.
            while state
                .read()
                .phase(job)
                .is_some_and(|phase| phase != JobPhase::Committing && !phase.is_final())
            {
                let (outputs, spec) = (outputs.clone(), spec.clone());
                let placed = tokio::task::spawn_blocking(move || outputs.assign(cluster, job, &spec)).await;
                match placed {
                    Ok(Err(StorageError::OutputBusy(_))) => sleep(PLACE_PAUSE).await,
                    Ok(Err(error)) => {
                        return tracing::warn!(%job, %error, "cannot take over the staging directory of a job");
                    }
                    _ => return,
                }
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                () = place => {}
                () = replica.deposed() => {}
            }
        });
    }

    fn commit(&mut self, state: &State, job: JobId, failures: u32) {
        let (Some(spec), Ok(status)) = (state.spec(job), self.leader.job_status(state, job)) else { return };
        let parts = state.outputs(job);
        let now = self.tools.clock.now();
        let commit = self.tools.outputs.commit(self.cluster, spec, &status, &parts, now);
        let (outputs, events) = (self.tools.outputs.clone(), self.tools.events.clone());
        let replica = self.replica.clone();
        tokio::spawn(async move {
            if failures > 0 {
                sleep(COMMIT_PAUSE * (1 << (failures - 1).min(COMMIT_DOUBLINGS_MAX))).await;
            }
            let perform = perform_when_free(outputs, commit);
            let result = tokio::select! {
                result = perform => result,
                // Whoever leads next goes on with it.
                () = replica.deposed() => return,
            };
            if let Some(events) = events.upgrade() {
                let _ = events.send(Event::Committed(job, result));
            }
        });
    }

    fn end(&mut self, state: &State, job: JobId) {
        let Some(spec) = state.spec(job).cloned() else { return };
        if let Ok(status) = self.leader.job_status(state, job) {
            self.tools.history.record(self.cluster, &status);
        }
        if state.phase(job) == Some(JobPhase::Done) {
            return;
        }
        self.cleaning.insert(job);
        let (outputs, cluster) = (self.tools.outputs.clone(), self.cluster);
        self.elsewhere(move || {
            outputs.discard(cluster, job, &spec);
            Event::Cleaned(job)
        });
    }

    /// Does slow work elsewhere; what comes of it is an event.
    pub(super) fn elsewhere(&self, work: impl FnOnce() -> Event + Send + 'static) {
        let events = self.tools.events.clone();
        tokio::task::spawn_blocking(move || {
            let event = work();
            if let Some(events) = events.upgrade() {
                let _ = events.send(event);
            }
        });
    }
}

/// A leader before this one, which may only be paused, keeps its commit locked. It does the same as this one would, so waiting is all there is to do.
async fn perform_when_free(outputs: Outputs, commit: Commit) -> Result<(), String> {
    let commit = Arc::new(commit);
    loop {
        let (outputs, commit) = (outputs.clone(), commit.clone());
        let done = tokio::task::spawn_blocking(move || outputs.perform(&commit)).await;
        match done {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(CommitError::Busy)) => sleep(COMMIT_PAUSE).await,
            Ok(Err(CommitError::Failed(reason))) => return Err(reason),
            Err(error) => return Err(error.to_string()),
        }
    }
}
