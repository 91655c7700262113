//! One decision: a batch of inputs in, a batch of facts out.

use std::time::Duration;

use gristmill_model::{JobId, Timestamp};

use super::Leader;
use super::memory::Timer;
use super::queue::Turn;
use crate::draft::Draft;
use crate::effect::Effect;
use crate::fact::{EndCause, Fact};
use crate::state::{State, Store, apply_to};

/// The leader while it decides: its memory, and the state with what it has decided so far.
pub(crate) struct Decision<'a> {
    pub(crate) leader: &'a mut Leader,
    pub(crate) draft: Draft<'a>,
    pub(crate) now: Timestamp,
    facts: Vec<Fact>,
}

impl<'a> Decision<'a> {
    pub(crate) fn new(leader: &'a mut Leader, state: &'a State, now: Timestamp) -> Self {
        leader.again = None;
        let fresh = std::mem::take(&mut leader.fresh);
        let mut decision = Self { leader, draft: Draft::new(state), now, facts: Vec::new() };
        fresh.into_iter().for_each(|job| decision.take_turn(job));
        decision
    }

    /// Decides a fact: the draft and the leader's memory follow at once.
    pub(crate) fn record(&mut self, fact: Fact) {
        let ended_with_worker = match &fact {
            Fact::WorkerLost { worker, .. } => {
                self.draft.worker(*worker).map(|worker| worker.running.clone())
            }
            _ => None,
        };
        let effects = match apply_to(&mut self.draft, &fact) {
            Ok(effects) => effects,
            Err(illegal) => {
                debug_assert!(false, "the leader decided an {illegal}");
                return;
            }
        };
        for effect in effects {
            self.follow_effect(&effect);
        }
        for attempt in ended_with_worker.into_iter().flatten() {
            self.leader.unwatch(attempt);
            self.take_turn(attempt.task.job);
        }
        if let Some(job) = fact.job() {
            self.take_turn(job);
        }
        self.follow_fact(&fact);
        self.facts.push(fact);
    }

    pub(crate) fn finish(self) -> Vec<Fact> {
        self.leader.fresh.extend(self.draft.new_jobs());
        if !self.leader.fresh.is_empty() {
            self.leader.again = Some(self.now);
        }
        self.facts
    }

    pub(crate) fn expire(&mut self) {
        while let Some(timer) = self.leader.timers.take_due(self.now) {
            match timer {
                Timer::Lease(worker) => self.check_lease(worker),
                Timer::Progress(attempt) => self.check_progress(attempt),
                Timer::Poll(worker) => {
                    self.leader.due.insert(worker);
                }
                Timer::Machine(machine) => self.give_up_machine(&machine),
            }
        }
    }

    /// Those that ended first, when there are too many, and those that ended too long ago.
    pub(crate) fn forget_old_jobs(&mut self) {
        let age = Duration::from_millis(self.leader.settings.history_age_ms);
        while let Some((ended, job)) = self.leader.history.first().copied() {
            let many = self.leader.history.len() > self.leader.settings.history_jobs;
            if !many && ended + age > self.now {
                break;
            }
            self.record(Fact::JobForgotten { job });
            // Whatever became of the fact: this loop ends.
            self.leader.history.remove(&(ended, job));
        }
    }

    /// The job is served where it now belongs.
    fn take_turn(&mut self, job: JobId) {
        let head = self.draft.head(job);
        let turn = head.and_then(|head| Turn::of(job, head, |stage| self.draft.ready_count(job, stage)));
        self.leader.shares.set(job, turn);
    }

    fn follow_effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Cancel { worker, attempt } => {
                self.leader.unwatch(*attempt);
                self.leader.due.insert(*worker);
            }
            Effect::JobEnded { job } => {
                self.leader.forget_job(*job);
                self.leader.history.insert((self.now, *job));
            }
            Effect::Assign { .. }
            | Effect::Place { .. }
            | Effect::Commit { .. }
            | Effect::JobForgotten { .. }
            | Effect::WorkerLost { .. } => {}
        }
    }

    fn follow_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::AttemptAssigned { attempt, worker, .. } => {
                self.leader.watch(&self.draft, *attempt, *worker, self.now);
                let parked = self.leader.contacts.get_mut(worker).and_then(|contact| contact.parked.as_mut());
                if let Some(parked) = parked {
                    parked.assignments.push(*attempt);
                    self.leader.due.insert(*worker);
                }
            }
            Fact::TaskWon { attempt, .. } => {
                if let Some(watch) = self.leader.unwatch(*attempt)
                    && self.draft.head(attempt.task.job).is_some_and(|head| head.is_live())
                {
                    let stage = (attempt.task.job, attempt.task.stage);
                    let took_ms = self.now.ms.saturating_sub(watch.assigned.ms);
                    let bytes = self.draft.input_bytes(attempt.task);
                    self.leader.durations.entry(stage).or_default().add(took_ms, bytes);
                }
            }
            Fact::AttemptEnded { attempt, cause, .. } => {
                let watch = self.leader.unwatch(*attempt);
                if let (EndCause::Failed { .. }, Some(watch)) = (cause, watch) {
                    self.leader.note_failure(watch.worker, self.now);
                }
            }
            Fact::WorkerJoined { worker, machine, .. } => self.leader.meet(*worker, machine, self.now),
            Fact::WorkerDraining { worker, .. } => {
                self.leader.draining.insert(*worker);
            }
            Fact::SessionOpened { client, .. } => self.leader.hearings.hear(*client, self.now),
            Fact::SessionExpired { client, .. } => self.leader.hearings.forget(*client),
            _ => {}
        }
    }
}
