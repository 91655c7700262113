//! Workers that are to leave: they get nothing new, and go when nothing needs them any more.
//!
//! A worker serves the runs that it made to the reduces on other machines, so it stays until the last job that may read one of them is over,
//! even if another worker of its machine could read them in place.

use gristmill_model::{JobId, NotFound, WorkerId};

use super::decision::Decision;
use crate::fact::Fact;
use crate::input::Asked;
use crate::state::{Store, Worker};

impl Decision<'_> {
    pub(crate) fn drain(&mut self, asked: Asked, worker: WorkerId) {
        let at = self.now;
        let was_here = (WorkerId(1)..self.draft.next_worker()).contains(&worker);
        match self.draft.worker(worker).filter(|worker| worker.is_live()) {
            Some(known) if known.is_open() => {
                self.record_once(asked, Fact::WorkerDraining { worker, at, asked });
            }
            // A script that asks again after its worker has left has what it wants.
            _ if was_here => self.record_once(asked, Fact::RequestFulfilled { asked, at }),
            _ => self.refuse(asked, &NotFound::Worker(worker).into()),
        }
    }

    /// Answers the polls of workers that may leave now. Told once; heartbeats repeat it.
    pub(crate) fn send_away(&mut self) {
        for worker in &self.leader.draining {
            let told = self.leader.contacts.get(worker).is_none_or(|contact| contact.told_to_leave);
            if !told && may_leave(&self.draft, *worker) {
                self.leader.due.insert(*worker);
            }
        }
    }
}

/// Whether it is to leave and nothing needs it.
pub(crate) fn may_leave<S: Store>(store: &S, worker: WorkerId) -> bool {
    store.worker(worker).is_some_and(|worker| {
        worker.draining && worker.running.is_empty() && needing(store, worker).next().is_none()
    })
}

/// The jobs that may read a run of this worker, or whose end it is yet to hear of: it removes what it has of them.
pub(crate) fn needing<S: Store>(store: &S, worker: &Worker) -> impl Iterator<Item = JobId> {
    let needs = |job: &JobId| store.head(*job).is_some_and(|head| head.is_live());
    worker.runs.keys().copied().filter(needs)
}
