//! Whether the leader's memory fits the state that it leads: no waiting thing without an owner and a deadline.

use std::collections::BTreeSet;

use gristmill_model::JobId;

use super::Leader;
use super::memory::Timer;
use super::queue::{Shares, Turn};
use crate::state::{State, Store};

impl Leader {
    /// Checks it after the facts of a batch were applied and the answers were taken. Reads everything: for tests, and for when something
    /// seems stuck.
    pub fn validate(&self, state: &State) -> Result<(), String> {
        let workers = state.all_workers();
        let running: BTreeSet<_> =
            workers.clone().flat_map(|(_, worker)| worker.running.iter().copied()).collect();
        let watched: BTreeSet<_> = self.watches.keys().copied().collect();
        check(running == watched, || format!("{running:?} run, {watched:?} are watched"))?;
        let mut timers = BTreeSet::new();
        timers.extend(self.watches.iter().map(|(attempt, watch)| (watch.timer, Timer::Progress(*attempt))));

        let live: BTreeSet<_> =
            workers.clone().filter(|(_, worker)| worker.is_live()).map(|(id, _)| id).collect();
        let known: BTreeSet<_> = self.contacts.keys().copied().collect();
        check(live == known, || format!("{live:?} live, {known:?} are known"))?;
        for (id, contact) in &self.contacts {
            timers.insert((contact.lease_timer, Timer::Lease(*id)));
            timers.extend(contact.parked.iter().map(|parked| (parked.until, Timer::Poll(*id))));
            let idle = contact.parked.as_ref().is_some_and(|parked| parked.free > 0);
            check(idle == self.idle.contains(id), || format!("{id} is idle: {idle}, listed otherwise"))?;
        }
        for (_, worker) in workers.clone() {
            let machine = self.machines.get(&worker.machine);
            let watched = machine.is_some_and(|machine| machine.live > 0 || machine.timer.is_some());
            // Nobody reads the runs of a job that has all its outputs.
            let needed = |job: &JobId| state.head(*job).is_some_and(|head| !head.is_complete());
            let idle = !worker.is_live() && !worker.runs.keys().any(needed);
            check(watched || idle, || format!("nobody watches over machine {}", worker.machine))?;
        }
        let doubted = self
            .machines
            .iter()
            .filter_map(|(name, machine)| Some((machine.timer?, Timer::Machine(name.clone()))));
        timers.extend(doubted);
        check(self.timers.all().eq(timers.iter()), || {
            format!("timers are {:?}, should be {timers:?}", self.timers)
        })?;
        let draining = workers.filter(|(_, worker)| worker.is_live() && worker.draining).map(|(id, _)| id);
        check(draining.eq(self.draining.iter().copied()), || {
            format!("{:?} are listed as draining", self.draining)
        })?;
        check(Store::sessions(state).clients().eq(self.hearings.clients()), || {
            "those who have sessions are not those who are heard of".into()
        })?;
        let ended: BTreeSet<_> = state.ended().map(|(_, job)| job).collect();
        let listed: BTreeSet<_> = self.history.iter().map(|(_, job)| *job).collect();
        check(ended == listed && listed.len() == self.history.len(), || {
            format!("{ended:?} are over, {:?} are listed", self.history)
        })?;
        self.validate_shares(state)?;
        self.validate_waiting()?;
        self.validate_idleness(state)
    }

    fn validate_shares(&self, state: &State) -> Result<(), String> {
        let mut shares = Shares::default();
        for job in state.live().iter().filter(|job| !self.fresh.contains(job)) {
            let known = state.job(*job);
            let turn = known.and_then(|known| Turn::of(*job, &known.head, |stage| known.ready(stage).len()));
            shares.set(*job, turn);
        }
        check(shares == self.shares, || format!("jobs take turns as {:?}, not {shares:?}", self.shares))
    }

    /// Nothing waits for a slot before a task of a higher priority does.
    fn validate_waiting(&self) -> Result<(), String> {
        for (attempt, worker) in self.waiting.places() {
            let watched = self.watches.get(&attempt).is_some_and(|watch| watch.worker == worker);
            check(watched, || format!("{attempt} waits on {worker}, and nobody watches it"))?;
        }
        match (self.waiting.lowest(), self.shares.first_priority()) {
            (Some((lowest, attempt)), Some(wanted)) => check(lowest >= wanted, || {
                format!("{attempt} of priority {lowest} waits on a worker before a task of priority {wanted}")
            }),
            _ => Ok(()),
        }
    }

    /// No task waits while a slot waits, unless the leader will look again soon.
    fn validate_idleness(&self, state: &State) -> Result<(), String> {
        let room = self.idle.iter().find(|id| {
            let parked = self.contacts.get(id).and_then(|contact| contact.parked.as_ref());
            let worker = state.worker(**id);
            parked.zip(worker).is_some_and(|(parked, worker)| {
                worker.is_open() && parked.free > 0 && worker.running.len() < worker.slots as usize
            })
        });
        match (self.shares.first(), room) {
            (Some(job), Some(worker)) => check(self.again.is_some(), || {
                format!("a task of {job} waits while {worker} does, and nobody looks again")
            }),
            _ => Ok(()),
        }
    }
}

fn check(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wrong()) }
}
