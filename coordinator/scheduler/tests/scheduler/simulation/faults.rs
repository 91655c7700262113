//! What goes wrong: workers die, stop and are wiped out, connections close, disks lose runs, leaders change.

use gristmill_scheduler::{Input, Leader, LossCause};

use super::life::{Life, step_ms};
use super::network::Message;
use super::rng::Rng;
use super::roundtrip;
use super::worker::Worker;

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
    pub(super) new_leader: u64,
    pub(super) cancelled: u64,
    pub(super) bad_commit: u64,
    pub(super) drained: u64,
    pub(super) silent: u64,
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
            new_leader: often(30),
            cancelled: often(10),
            bad_commit: often(400),
            drained: often(6),
            silent: often(10),
        }
    }
}

impl Life {
    pub(super) fn strike(&mut self) {
        for index in 0..self.workers.len() {
            if self.workers[index].is_up() && self.rng.chance(self.faults.killed) {
                self.kill(index);
            }
            if self.rng.chance(self.faults.stopped) {
                self.workers[index].stopped_until = step_ms(self.now, self.rng.between(100, 6_000));
            }
            if let Some(worker) = self.workers[index].id.filter(|_| self.rng.chance(self.faults.disconnected))
            {
                self.send(Message::ToCoordinator(Input::WorkerGone {
                    worker,
                    cause: LossCause::Disconnected,
                }));
            }
        }
        // One that is left alone does the work that the other will not.
        let drains = self.workers.split_first().filter(|(_, others)| !others.is_empty());
        let drains = drains.and_then(|(first, _)| first.id);
        if let Some(worker) = drains.filter(|_| self.rng.chance(self.faults.drained)) {
            self.send(Message::ToCoordinator(Input::Drain(worker)));
        }
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
            self.send(Message::ToCoordinator(Input::Cancel(job)));
        }
        if self.rng.chance(self.faults.new_leader) {
            self.change_leader();
        }
    }

    pub(super) fn kill(&mut self, index: usize) {
        let dead_ms = self.rng.between(100, 8_000);
        let (id, machine) = (self.workers[index].id, self.workers[index].machine);
        self.workers[index].dead_until = Some(step_ms(self.now, dead_ms));
        // A machine that goes down closes no connection.
        if let Some(worker) = id.filter(|_| self.rng.chance(600)) {
            let cause = if self.rng.chance(300) { LossCause::Goodbye } else { LossCause::Disconnected };
            self.send(Message::ToCoordinator(Input::WorkerGone { worker, cause }));
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

    pub(super) fn change_leader(&mut self) {
        self.met.note("new leader");
        self.check_replay();
        self.snapshot = (self.log.len(), roundtrip(&self.state));
        self.leader = Leader::new(&self.state, self.now, self.settings.clone());
        let effects = self.leader.resume(&self.state);
        self.perform(&effects);
    }
}
