//! What goes wrong: processes die, stand still and start again, connections close, networks part, disks lose runs, are slow or full, clocks jump,
//! leaders change, the power fails.

use gristmill_model::{Incarnation, JobId, Stage};
use gristmill_scheduler::{Input, LossCause, Poll, PollToken};

use super::life::{Life, step_ms};
use super::network::OUTSIDE;
use super::rng::Rng;
use super::worker::Worker;
use crate::fixtures;

/// How often, in a thousand, things go wrong in this life.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) late: u64,
    pub(super) killed: u64,
    pub(super) wiped: u64,
    pub(super) stopped: u64,
    pub(super) disconnected: u64,
    pub(super) failing: u64,
    pub(super) hanging: u64,
    pub(super) damaged: u64,
    pub(super) fickle: u64,
    pub(super) cancelled: u64,
    pub(super) bad_commit: u64,
    pub(super) drained: u64,
    pub(super) silent: u64,
    /// Somebody speaks in the name of a worker that it is not.
    pub(super) strange: u64,
    /// Of members: the process dies.
    pub(super) crashed: u64,
    /// The process stands still.
    pub(super) paused: u64,
    /// The loop stands still.
    pub(super) stalled: u64,
    /// Somebody wants to lead without need.
    pub(super) ambitious: u64,
    /// The network is cut somewhere.
    pub(super) parted: u64,
    pub(super) slow_disk: u64,
    pub(super) full_disk: u64,
    pub(super) clock_jumps: u64,
    pub(super) power: u64,
}

impl Faults {
    /// Some of them, each more or less often.
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let mut often = |most: u64| if rng.chance(500) { rng.below(most + 1) } else { 0 };
        Self {
            lost: often(150),
            doubled: often(100),
            late: often(300),
            killed: often(20),
            wiped: often(500),
            stopped: often(20),
            disconnected: often(20),
            failing: often(200),
            hanging: often(150),
            damaged: often(100),
            fickle: often(400),
            cancelled: often(10),
            bad_commit: often(400),
            drained: often(6),
            silent: often(10),
            strange: often(20),
            crashed: often(15),
            paused: often(15),
            stalled: often(30),
            ambitious: often(20),
            parted: often(20),
            slow_disk: often(400),
            full_disk: often(5),
            clock_jumps: often(10),
            power: often(8),
        }
    }

    /// Those of the network alone, which parts often and stays so for a while.
    pub(super) fn of_the_network(&self, rng: &mut Rng) -> Self {
        let Self { lost, doubled, late, .. } = *self;
        Self { lost, doubled, late, parted: rng.between(15, 50), ..Self::default() }
    }
}

impl Life {
    pub(super) fn strike(&mut self) {
        self.strike_workers();
        if self.rng.chance(self.faults.strange) {
            self.speak_for_another();
        }
        (0..self.members.len()).for_each(|m| self.strike_member(m));
        self.part();
        for index in 0..self.clients.len() {
            if self.rng.chance(self.faults.silent) {
                self.clients[index].silent_until = step_ms(self.now, self.rng.between(1_000, 30_000));
            }
        }
        if self.rng.chance(self.faults.damaged) {
            let machine = self.rng.below(4) as usize;
            self.disks.entry(machine).or_default().pop_first();
        }
        if let Some(job) =
            self.state.live_jobs().first().copied().filter(|_| self.rng.chance(self.faults.cancelled))
        {
            // Some know its id before there is such a job.
            let early = self.rng.below(3);
            self.ask_to_cancel(JobId(job.0 + early));
        }
        if self.rng.chance(self.faults.power) {
            self.lose_power();
        }
    }

    fn strike_workers(&mut self) {
        for index in 0..self.workers.len() {
            if self.workers[index].is_up() && self.rng.chance(self.faults.killed) {
                self.kill(index);
            }
            if self.rng.chance(self.faults.stopped) {
                self.workers[index].stopped_until = step_ms(self.now, self.rng.between(100, 6_000));
            }
            if let Some(worker) = self.workers[index].id.filter(|_| self.rng.chance(self.faults.disconnected))
            {
                let gone = Input::WorkerGone { worker, cause: LossCause::Disconnected };
                self.tell_member(self.workers[index].target, gone);
            }
        }
        // One that is left alone does the work that the other will not.
        let drains = self.workers.split_first().filter(|(_, others)| !others.is_empty());
        let drains = drains.and_then(|(first, _)| first.id);
        if let Some(worker) = drains.filter(|_| self.rng.chance(self.faults.drained)) {
            self.ask_to_drain(worker);
        }
    }

    /// An earlier life of a worker, or what takes itself for one, reports what another life runs.
    fn speak_for_another(&mut self) {
        let Some((attempt, worker)) = self.ledger.running.iter().next().map(|(a, w)| (*a, *w)) else {
            return;
        };
        let reduces = self.ledger.jobs[&attempt.task.job].reduces;
        let report = match attempt.task.stage {
            Stage::Sample => fixtures::sampled(attempt, b"z", 1),
            Stage::Map => fixtures::mapped(attempt, reduces, 9, 1),
            Stage::Reduce => fixtures::reduced(attempt, 1),
        };
        self.tokens += 1;
        self.met.note("strange report");
        let poll = Poll {
            token: PollToken(self.tokens),
            worker,
            incarnation: Incarnation(u64::MAX),
            free_slots: 1,
            ahead: 0,
            held: 0,
            reports: vec![report],
            wait_ms: 100,
        };
        let anyone = self.rng.below(self.members.len() as u64) as usize;
        self.tell_member(anyone, Input::Poll(poll));
    }

    fn strike_member(&mut self, m: usize) {
        if self.members[m].down_until.is_some() {
            return;
        }
        if self.rng.chance(self.faults.crashed) {
            self.crash(m);
        } else if self.rng.chance(self.faults.paused) {
            self.met.note("member stands still");
            self.members[m].paused_until = step_ms(self.now, self.rng.between(100, 4_000));
        } else if self.rng.chance(self.faults.ambitious) {
            self.campaign(m);
        }
        if self.rng.chance(self.faults.full_disk) {
            self.members[m].full_until = step_ms(self.now, self.rng.between(500, 4_000));
        }
        if self.rng.chance(self.faults.clock_jumps) {
            self.met.note("clock jumps");
            let jump = self.rng.below(200_000) as i64 - 100_000;
            self.members[m].system_ms = jump;
        }
    }

    /// Cuts some ways, one or both directions, or heals them all.
    fn part(&mut self) {
        if !self.rng.chance(self.faults.parted) {
            return;
        }
        self.cuts.clear();
        if self.rng.chance(300) {
            return;
        }
        self.met.note("network parted");
        let leader = (0..self.members.len()).find(|m| self.reigns_in(*m).is_some());
        let anyone = self.rng.below(self.members.len() as u64) as usize;
        let lonely = leader.filter(|_| self.rng.chance(500)).unwrap_or(anyone);
        let others: Vec<usize> = (0..self.members.len()).filter(|other| *other != lonely).collect();
        let ways = self.rng.between(1, 3);
        let near = self.rng.below(4) as usize;
        match OUTSIDE.get(near) {
            // Some of those outside are on the side of the one, and some on that of the others.
            Some(near) => {
                others.iter().for_each(|other| self.cut(*other, *near, 3));
                OUTSIDE.iter().filter(|far| *far != near).for_each(|far| self.cut(lonely, *far, 3));
            }
            None if near == 2 => OUTSIDE.iter().for_each(|side| self.cut(lonely, *side, ways)),
            None => {}
        }
        others.into_iter().for_each(|other| self.cut(lonely, other, ways));
    }

    /// Cuts the way there, the way back, or both.
    fn cut(&mut self, one: usize, other: usize, ways: u64) {
        if ways & 1 > 0 {
            self.cuts.insert((one, other));
        }
        if ways & 2 > 0 {
            self.cuts.insert((other, one));
        }
    }

    /// Everything stops at once.
    pub(super) fn lose_power(&mut self) {
        self.met.note("power lost");
        for m in 0..self.members.len() {
            if self.members[m].down_until.is_none() {
                self.crash(m);
            }
        }
        for index in 0..self.workers.len() {
            if self.workers[index].is_up() {
                self.workers[index].dead_until = Some(step_ms(self.now, self.rng.between(100, 3_000)));
            }
        }
        self.files.lose_power(&mut self.rng);
        self.check_done();
        self.outputs.iter().for_each(|directory| self.check_whole(directory));
    }

    pub(super) fn kill(&mut self, index: usize) {
        let dead_ms = self.rng.between(100, 8_000);
        let (id, machine) = (self.workers[index].id, self.workers[index].machine);
        self.workers[index].dead_until = Some(step_ms(self.now, dead_ms));
        // A machine that goes down closes no connection.
        if let Some(worker) = id.filter(|_| self.rng.chance(600)) {
            let cause = if self.rng.chance(300) { LossCause::Goodbye } else { LossCause::Disconnected };
            self.tell_member(self.workers[index].target, Input::WorkerGone { worker, cause });
        }
        if self.rng.chance(self.faults.wiped) {
            self.disks.remove(&machine);
        }
    }

    pub(super) fn revive(&mut self, index: usize) {
        self.incarnations += 1;
        let old = &self.workers[index];
        let machine = if self.rng.chance(200) { self.rng.below(4) as usize } else { old.machine };
        self.workers[index] = Worker::new(self.incarnations, machine, old.slots);
    }

    pub(super) fn revive_members(&mut self) {
        for m in 0..self.members.len() {
            if self.members[m].down_until.is_some_and(|until| until <= self.now) {
                self.restart(m);
            }
        }
    }
}
