//! The leader: its volatile memory, and the policy by which it decides.
//!
//! A new leader starts every lease and every deadline afresh. What it forgets by being new (who is slow, who fails a lot, which poll waits)
//! it learns again from the workers, which keep asking.

mod ahead;
mod answers;
mod avoid;
mod backup;
mod decision;
mod drain;
mod durations;
mod explain;
mod intake;
mod loss;
mod memory;
mod message;
mod placement;
mod queue;
mod reports;
mod sessions;
mod status;
mod validate;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{AttemptId, JobId, JobPhase, Stage, TaskId, Timestamp, WorkerId};

use self::decision::Decision;
use self::durations::Durations;
use self::memory::{Contact, Machine, Timer, Timers, Watch};
use self::queue::{Shares, Turn};
use self::sessions::Hearings;
use self::waiting::Waiting;
use crate::effect::{Answer, Effect};
use crate::fact::Fact;
use crate::input::Input;
use crate::settings::Settings;
use crate::state::{State, Store};

/// The leader's memory.
#[derive(Clone, Debug)]
pub struct Leader {
    settings: Settings,
    contacts: BTreeMap<WorkerId, Contact>,
    watches: BTreeMap<AttemptId, Watch>,
    /// Those that have not begun.
    waiting: Waiting,
    machines: BTreeMap<Arc<str>, Machine>,
    /// When attempts failed, lately, on workers where some did.
    failures: BTreeMap<WorkerId, VecDeque<Timestamp>>,
    /// Live workers that are to leave.
    draining: BTreeSet<WorkerId>,
    /// When clients were heard of.
    hearings: Hearings,
    /// Ended jobs, by when their age began.
    history: BTreeSet<(Timestamp, JobId)>,
    /// Whose tasks are handed out next.
    shares: Shares,
    /// Jobs that were submitted by the last decision: they have their turn when the state knows their tasks.
    fresh: Vec<JobId>,
    durations: BTreeMap<(JobId, Stage), Durations>,
    timers: Timers,
    /// Workers whose poll waits and that have free slots.
    idle: BTreeSet<WorkerId>,
    /// Workers whose poll is to be answered now.
    due: BTreeSet<WorkerId>,
    /// Answers that need nothing from the state.
    answers: Vec<Answer>,
    /// Changes of progress, by job, since this leader began.
    progress: BTreeMap<JobId, u64>,
    /// When slow attempts are looked for next.
    backup_at: Option<Timestamp>,
    /// When to decide again for another reason than a timer.
    again: Option<Timestamp>,
}

impl Leader {
    /// A new leader starts every lease and every deadline afresh: times in the state were told by the clocks of others.
    pub fn new(state: &State, now: Timestamp, settings: Settings) -> Self {
        let history = state.ended().map(|(at, job)| (age_from(at, now, &settings), job)).collect();
        let mut leader = Self {
            settings,
            contacts: BTreeMap::new(),
            watches: BTreeMap::new(),
            waiting: Waiting::default(),
            machines: BTreeMap::new(),
            failures: BTreeMap::new(),
            draining: BTreeSet::new(),
            hearings: Hearings::default(),
            history,
            shares: Shares::default(),
            fresh: Vec::new(),
            durations: BTreeMap::new(),
            timers: Timers::default(),
            idle: BTreeSet::new(),
            due: BTreeSet::new(),
            answers: Vec::new(),
            progress: BTreeMap::new(),
            backup_at: None,
            again: Some(now),
        };
        Store::sessions(state).clients().for_each(|client| leader.hearings.hear(client, now));
        for (id, worker) in state.all_workers() {
            if worker.is_live() {
                leader.meet(id, &worker.machine, now);
                leader.draining.extend(worker.draining.then_some(id));
                // The leader before may have died before it told.
                if let Some(contact) = leader.contacts.get_mut(&id) {
                    contact.forget.extend(state.ended().map(|(_, job)| (job, memory::FORGET_TELLINGS)));
                }
            }
            for attempt in &worker.running {
                leader.watch(state, *attempt, id, now);
            }
        }
        for (_, worker) in state.all_workers().filter(|(_, worker)| !worker.is_live()) {
            leader.doubt_machine(&worker.machine, now);
        }
        for (id, job) in state.live().iter().filter_map(|id| Some((*id, state.job(*id)?))) {
            leader.shares.set(id, Turn::of(id, &job.head, |stage| job.ready(stage).len()));
            for stage in Stage::ALL {
                let durations = leader.durations.entry((id, stage)).or_default();
                for (index, task) in (0..).zip(job.tasks(stage)) {
                    if let Some(winner) = task.winner() {
                        durations.add(winner.took_ms, job.input_bytes(TaskId { job: id, stage, index }));
                    }
                }
            }
        }
        leader
    }

    /// Effects of the past that may never have been performed: do them once, after becoming the leader.
    pub fn resume(&self, state: &State) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (job, head) in state.jobs(JobId(0)).filter_map(|job| Some((job, state.head(job)?))) {
            match head.phase() {
                JobPhase::Done => {}
                JobPhase::Failed(_) | JobPhase::Cancelled => effects.push(Effect::JobEnded { job }),
                JobPhase::Sampling | JobPhase::Mapping | JobPhase::Reducing => {
                    effects.push(Effect::Place { job });
                }
                JobPhase::Committing => {
                    let failures = head.commit_failures;
                    effects.extend([Effect::Place { job }, Effect::Commit { job, failures }]);
                }
            }
        }
        effects
    }

    /// Decides what follows from the inputs and from the time. An empty batch is a tick. All facts that come out are one log
    /// entry; the next batch is decided after they were applied. When they cannot be logged, drop this leader.
    pub fn decide(&mut self, state: &State, now: Timestamp, inputs: &[Input]) -> Vec<Fact> {
        self.forgive_own_stall(now);
        let mut decision = Decision::new(self, state, now);
        decision.forget_old_jobs();
        for input in inputs {
            decision.take_in(input);
        }
        decision.expire();
        decision.expire_sessions();
        decision.hand_out();
        decision.send_away();
        decision.finish()
    }

    /// When to decide again even if nothing comes in.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let age = Duration::from_millis(self.settings.history_age_ms);
        let forgotten_at = self.history.first().map(|(ended, _)| *ended + age);
        [self.next_look(), self.sessions_end(), forgotten_at].into_iter().flatten().min()
    }

    /// When something may happen to a task or a worker even if nothing comes in.
    fn next_look(&self) -> Option<Timestamp> {
        let backup_at = self.backup_at.filter(|_| !self.idle.is_empty());
        [self.timers.first(), self.again, backup_at].into_iter().flatten().min()
    }

    /// When the first session ends of whose client nothing is heard any more.
    fn sessions_end(&self) -> Option<Timestamp> {
        let patience = Duration::from_millis(self.settings.session_ms);
        self.hearings.first().map(|(heard, _)| heard + patience)
    }

    /// When the coordinator itself stood still (a laptop that slept, a stopped process), nobody else is to blame for the silence.
    fn forgive_own_stall(&mut self, now: Timestamp) {
        let patience = Duration::from_millis(self.settings.lease_ms / 2);
        let due = [self.timers.first(), self.sessions_end()].into_iter().flatten().min();
        if due.is_some_and(|due| due + patience < now) {
            self.hearings.hear_all(now);
            self.contacts.values_mut().for_each(|contact| contact.heard = now);
            self.watches.values_mut().for_each(|watch| watch.progressed = now);
        }
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(self.settings.lease_ms)
    }

    /// Knows a live worker from now on.
    fn meet(&mut self, worker: WorkerId, machine: &Arc<str>, now: Timestamp) {
        let lease_timer = now + self.lease();
        self.contacts.insert(worker, Contact::new(now, lease_timer));
        self.timers.set(lease_timer, Timer::Lease(worker));
        let known = self.machines.entry(Arc::clone(machine)).or_default();
        known.live += 1;
        if let Some(timer) = known.timer.take() {
            self.timers.unset(timer, Timer::Machine(Arc::clone(machine)));
        }
    }

    /// Runs on a machine without a live worker are kept for a while: one may come back to it.
    fn doubt_machine(&mut self, machine: &Arc<str>, now: Timestamp) {
        let at = now + Duration::from_millis(self.settings.machine_grace_ms);
        let known = self.machines.entry(Arc::clone(machine)).or_default();
        if known.live == 0 && known.timer.is_none() {
            known.timer = Some(at);
            self.timers.set(at, Timer::Machine(Arc::clone(machine)));
        }
    }

    fn watch<S: Store>(&mut self, store: &S, attempt: AttemptId, worker: WorkerId, now: Timestamp) {
        let Some(head) = store.head(attempt.task.job) else { return };
        let timeout_ms = head.spec.task_timeout_ms;
        let timer = now + Duration::from_millis(timeout_ms);
        let watch = Watch {
            worker,
            assigned: now,
            progressed: now,
            timeout_ms,
            timer,
            ticks: 0,
            bytes_in: 0,
            seen: false,
        };
        self.watches.insert(attempt, watch);
        self.timers.set(timer, Timer::Progress(attempt));
        if let Some(contact) = self.contacts.get_mut(&worker) {
            contact.holds.insert(attempt);
        }
    }

    fn unwatch(&mut self, attempt: AttemptId) -> Option<Watch> {
        let watch = self.watches.remove(&attempt)?;
        self.waiting.remove(attempt);
        self.timers.unset(watch.timer, Timer::Progress(attempt));
        Some(watch)
    }

    fn note_failure(&mut self, worker: WorkerId, now: Timestamp) {
        let failures = self.failures.entry(worker).or_default();
        if failures.len() == memory::FAILURES_MAX {
            failures.pop_front();
        }
        failures.push_back(now);
    }

    /// What there is to know of a job only while it runs.
    fn forget_job(&mut self, job: JobId) {
        self.progress.remove(&job);
        Stage::ALL.into_iter().for_each(|stage| drop(self.durations.remove(&(job, stage))));
        for contact in self.contacts.values_mut() {
            contact.forget.insert(job, memory::FORGET_TELLINGS);
        }
    }
}

/// When the age of a job began that ended under an earlier leader. One that ended in the future, or so long ago that it had been forgotten,
/// ended by another clock, or while nobody led: it is as old as this leadership, neither forgotten at once nor kept for ever.
fn age_from(ended: Timestamp, now: Timestamp, settings: &Settings) -> Timestamp {
    let age = Duration::from_millis(settings.history_age_ms);
    if ended > now || ended + age <= now { now } else { ended }
}
