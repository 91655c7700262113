//! What facts make necessary outside: commits, clearing away, ends.

use std::time::Duration;

use gristmill_model::{JobId, JobPhase};
use gristmill_scheduler::Effect;
use tokio::time::sleep;

use super::MainLoop;
use crate::event::Event;
use crate::fact_log::FactLog;

/// Pause before the first repetition of a commit; doubled for each further one.
const COMMIT_PAUSE: Duration = Duration::from_millis(200);
const COMMIT_DOUBLINGS_MAX: u32 = 6;

impl<L: FactLog> MainLoop<L> {
    pub(super) fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                // The leader's answers and orders carry these.
                Effect::Assign { .. } | Effect::Cancel { .. } | Effect::Place { .. } => {}
                Effect::Commit { job, failures } => self.commit(job, failures),
                Effect::JobEnded { job } => self.end(job),
                Effect::JobForgotten { job } => self.tools.logs.forget(job),
                // A connection that it still has is closed by itself, or refused until it registers again.
                Effect::WorkerLost { worker } => self.connections.forget(worker),
            }
        }
    }

    fn commit(&mut self, job: JobId, failures: u32) {
        let (Some(spec), Ok(status)) = (self.state.spec(job), self.leader.job_status(&self.state, job))
        else {
            return;
        };
        let parts = self.state.outputs(job);
        let commit = self.tools.outputs.commit(spec, &status, &parts, self.clock.now());
        let (outputs, events) = (self.tools.outputs.clone(), self.tools.events.clone());
        tokio::spawn(async move {
            if failures > 0 {
                sleep(COMMIT_PAUSE * (1 << (failures - 1).min(COMMIT_DOUBLINGS_MAX))).await;
            }
            let done = tokio::task::spawn_blocking(move || outputs.perform(&commit)).await;
            let result = done.unwrap_or_else(|error| Err(error.to_string()));
            if let Some(events) = events.upgrade() {
                let _ = events.send(Event::Committed(job, result));
            }
        });
    }

    fn end(&mut self, job: JobId) {
        let Some(spec) = self.state.spec(job).cloned() else { return };
        self.tools.blobs.unpin(spec.plugin.sha256);
        if self.state.phase(job) == Some(JobPhase::Done) {
            return;
        }
        self.cleaning.insert(job);
        let outputs = self.tools.outputs.clone();
        self.elsewhere(move || {
            outputs.discard(job, &spec);
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
