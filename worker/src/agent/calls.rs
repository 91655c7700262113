//! The calls to the coordinator: joining, asking for work and reporting, heartbeats. Here they are made and their answers taken apart.

use std::time::Duration;

use gristmill_model::{Incarnation, Refusal};
use gristmill_protocol::limits::LONG_POLL_MAX;
use gristmill_protocol::{
    Backoff, CallError, Heartbeat, Orders, PROTOCOL_VERSION, PollReply, PollRequest, Registered, WorkerHello,
};
use tokio::time::{Instant, sleep};

use super::beats::Beats;
use super::{Agent, Epoch, Event, Polls, Registration};
use crate::config::WorkerError;
use crate::machine;
use crate::work_dir::{Survey, remove_tree};

/// How often it is told that the coordinator does not answer.
const TELL_AGAIN: Duration = Duration::from_secs(30);

/// An error and what caused it, in one line.
struct WithCauses<'e>(&'e dyn std::error::Error);

impl std::fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Agent {
    /// Begins to join. The loop hears of it when that has succeeded, or cannot.
    pub(super) fn register(&mut self) {
        let hello = WorkerHello {
            protocol: PROTOCOL_VERSION,
            name: self.config.name.clone(),
            incarnation: self.incarnation,
            slots: self.config.slots,
            machine: machine::identity(),
            // A worker that has to register again has let go of all it ran: see `start_over`.
            running: Vec::new(),
        };
        let (link, dir, events, epoch) =
            (self.link.clone(), self.dir.clone(), self.events.clone(), self.epoch);
        self.calls.spawn(async move {
            // Looked up before registering: a directory that is there now and whose job is unknown then is rubbish. In the other
            // order the directory of a job that has just begun would look the same.
            let found = tokio::task::spawn_blocking(move || dir.survey()).await.unwrap_or_default();
            let result = link.register(hello).await.map(|registered| (registered, found));
            let _ = events.send(Event::Registered(epoch, result));
        });
    }

    pub(super) fn on_registered(
        &mut self,
        result: Result<(Registered, Survey), CallError>,
    ) -> Result<(), WorkerError> {
        let (registered, found) = match result {
            Ok(registered) => registered,
            Err(error) => {
                let pause = self.registering.after(&error);
                self.bear(error)?;
                self.later(pause, Event::RegisterAgain(self.epoch));
                return Ok(());
            }
        };
        let beats = Beats::new(&registered);
        let Registered { worker, cluster, live_jobs, .. } = registered;
        tracing::info!(%worker, %cluster, incarnation = %self.incarnation, "registered");
        self.heard = Instant::now();
        self.told = None;
        self.registering = Backoff::default();
        self.registration = Some(Registration { worker, cluster, beats });
        // A new cluster counts its jobs from the beginning: what was made for a job of this name may be another's.
        self.job_dirs.clear();
        let (ours, foreign): (Vec<_>, Vec<_>) =
            found.jobs.into_iter().partition(|found| found.cluster == cluster);
        // No worker of their clusters is left here, and most likely no cluster: every coordinator founds a new one. Should one live on,
        // it runs the maps again.
        for job in foreign.into_iter().filter(|_| found.alone) {
            self.remove(self.dir.job_dir(job.cluster, job.job));
        }
        let ours = ours.into_iter().map(|found| found.job);
        let (live, over): (Vec<_>, Vec<_>) = ours.partition(|job| live_jobs.contains(job));
        self.jobs.extend(live);
        self.jobs.extend(over.iter().copied());
        self.forget(over);
        Ok(())
    }

    /// Reports what has ended, and offers the free slots if there are more than the coordinator knows of. What can wait here is offered
    /// along, but is no reason to ask: every end of an attempt is reported at once.
    ///
    /// The coordinator keeps one poll of a worker waiting: a newer one takes the place of the older, which comes back empty. So each
    /// offers all free slots, and the newest is the one that counts. What both bring is the same assignment and runs once.
    pub(super) fn poll(&mut self) {
        let Some(registration) = &self.registration else { return };
        if self.polls.reporting || self.polls.resting {
            return;
        }
        let reports = self.reports.next_batch();
        let free_slots = self.slots.free();
        if reports.is_empty() && free_slots <= self.polls.offered {
            return;
        }
        let held = self.held() - reports.len();
        let number = self.polls.newest + 1;
        self.polls.newest = number;
        (self.polls.offered, self.polls.reporting) = (free_slots, !reports.is_empty());
        let request = PollRequest {
            worker: registration.worker,
            incarnation: self.incarnation,
            free_slots,
            ahead: self.queue.room(),
            held: u32::try_from(held).unwrap_or(u32::MAX),
            reports,
            wait_ms: u64::try_from(LONG_POLL_MAX.as_millis()).unwrap_or(u64::MAX),
        };
        let (link, events, epoch) = (self.link.clone(), self.events.clone(), self.epoch);
        self.calls.spawn(async move {
            let result = link.poll(request).await;
            let _ = events.send(Event::Polled { epoch, number, result });
        });
    }

    pub(super) fn on_polled(
        &mut self,
        number: u64,
        result: Result<PollReply, CallError>,
    ) -> Result<(), WorkerError> {
        let is_newest = number == self.polls.newest;
        if is_newest {
            (self.polls.offered, self.polls.reporting) = (0, false);
        }
        let PollReply { assignments, verdicts, orders } = match result {
            Ok(reply) => reply,
            Err(error) => {
                // The next poll says how things are then, and repeats the reports.
                if is_newest {
                    self.polls.resting = true;
                    let pause = self.polls.backoff.after(&error);
                    self.later(pause, Event::PollAgain(self.epoch));
                }
                return self.bear_or_start_over(error);
            }
        };
        self.heard = Instant::now();
        self.polls.backoff = Backoff::default();
        for (attempt, verdict) in verdicts {
            self.settle(attempt, verdict);
        }
        for assignment in assignments {
            self.accept(assignment);
        }
        self.obey(orders);
        Ok(())
    }

    /// Says that the worker lives, unless the last time is not answered yet.
    pub(super) fn beat(&mut self) {
        let Some(registration) = &mut self.registration else { return };
        registration.beats.beaten();
        if std::mem::replace(&mut self.beating, true) {
            return;
        }
        let heartbeat = Heartbeat {
            worker: registration.worker,
            incarnation: self.incarnation,
            running: self.slots.progress().into_iter().chain(self.queue.progress()).collect(),
        };
        let (link, events, epoch) = (self.link.clone(), self.events.clone(), self.epoch);
        self.calls.spawn(async move {
            let _ = events.send(Event::Beaten(epoch, link.heartbeat(heartbeat).await));
        });
    }

    pub(super) fn on_beaten(&mut self, result: Result<Orders, CallError>) -> Result<(), WorkerError> {
        self.beating = false;
        match result {
            Ok(orders) => {
                self.heard = Instant::now();
                self.obey(orders);
                Ok(())
            }
            Err(error) => self.bear_or_start_over(error),
        }
    }

    fn obey(&mut self, Orders { cancel, forget, finished, leave }: Orders) {
        for attempt in cancel {
            self.cancel(attempt);
        }
        self.forget(forget);
        self.finished |= finished;
        // Said again until it shows, so what has come up meanwhile is ended first.
        self.drained |= leave && self.held() == 0;
    }

    fn bear_or_start_over(&mut self, error: CallError) -> Result<(), WorkerError> {
        if matches!(error, CallError::Refused(Refusal::UnknownWorker)) {
            self.start_over();
            return Ok(());
        }
        self.bear(error)
    }

    /// Goes on without an answer, if that may help and is not hopeless yet.
    fn bear(&mut self, error: CallError) -> Result<(), WorkerError> {
        if !error.may_pass() {
            return Err(WorkerError::Refused(error));
        }
        let waited = self.heard.elapsed();
        if self.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            self.told = Some(Instant::now());
            tracing::warn!(error = %WithCauses(&error), "no answer from the coordinator; trying on");
        }
        match self.config.reconnect {
            Some(limit) if waited >= limit => Err(WorkerError::CoordinatorLost { waited, source: error }),
            _ => Ok(()),
        }
    }

    /// The coordinator has given this worker up: what it runs belongs to others now. It comes back as another.
    fn start_over(&mut self) {
        tracing::warn!("the coordinator does not know this worker any more; registering again");
        self.let_go_of_everything();
        self.registration = None;
        self.epoch = Epoch(self.epoch.0 + 1);
        self.incarnation = Incarnation(rand::random());
        self.beating = false;
        self.polls = Polls::default();
        self.register();
    }

    /// Has something happen after a pause.
    fn later(&mut self, pause: Duration, event: Event) {
        let events = self.events.clone();
        self.calls.spawn(async move {
            sleep(pause).await;
            let _ = events.send(event);
        });
    }

    /// Removes a file or tree off the loop.
    pub(super) fn remove(&mut self, path: std::path::PathBuf) {
        self.chores.spawn_blocking(move || {
            if let Err(error) = remove_tree(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove");
            }
        });
    }
}
