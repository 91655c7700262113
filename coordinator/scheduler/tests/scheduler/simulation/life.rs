//! One life: a group of coordinators, its workers, its clients, and a network and disks that cannot be trusted.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{AttemptId, JobId, JobSpec, Timestamp};
use gristmill_scheduler::{Fact, Leader, Planner, Settings, State};

use super::clients::Client;
use super::faults::Faults;
use super::files::Files;
use super::group::{Entry, Member};
use super::histories::Histories;
use super::ledger::Ledger;
use super::met::Met;
use super::network::{Cuts, Network};
use super::outputs::{CommitFate, StuckCommit};
use super::rng::Rng;
use super::store::Store;
use super::trace::Trace;
use super::worker::Worker;
use crate::fixtures;

/// How long faults go on, and how long all jobs have to end afterwards.
const FAULTS_MS: u64 = 30_000;
const CALM_MS: u64 = 300_000;

pub(crate) struct Life {
    pub(super) rng: Rng,
    pub(super) now: Timestamp,
    pub(super) faults: Faults,
    pub(super) settings: Settings,
    pub(super) members: Vec<Member>,
    /// A member takes a snapshot after so many entries.
    pub(super) snapshot_entries: u64,
    /// What is certain, the state after each entry (and before the first), and the facts that count.
    pub(super) entries: Vec<Rc<Entry>>,
    pub(super) states: Vec<State>,
    pub(super) log: Vec<Fact>,
    /// The newest state.
    pub(super) state: State,
    pub(super) ledger: Ledger,
    pub(super) store: Store,
    pub(super) histories: Histories,
    pub(super) workers: Vec<Worker>,
    pub(super) clients: Vec<Client>,
    /// Run files, by machine.
    pub(super) disks: BTreeMap<usize, BTreeSet<AttemptId>>,
    /// The file system of the outputs, their directories, which processes stand still in the middle of a commit, and which jobs are done.
    pub(super) files: Files,
    pub(super) outputs: Vec<PathBuf>,
    pub(super) stuck: Vec<StuckCommit>,
    /// What becomes of the next commits, where that is not left to chance.
    pub(super) commit_fates: VecDeque<CommitFate>,
    pub(super) done: BTreeMap<JobId, PathBuf>,
    pub(super) network: Network,
    pub(super) cuts: Cuts,
    pub(super) trace: Trace,
    pub(super) sent: u64,
    pub(super) tokens: u64,
    pub(super) incarnations: u64,
    pub(super) nonces: u64,
    pub(super) reported_good: BTreeSet<AttemptId>,
    pub(super) met: Met,
}

pub(super) fn step_ms(timestamp: Timestamp, ms: u64) -> Timestamp {
    timestamp + Duration::from_millis(ms)
}

impl Life {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let faults = Faults::draw(&mut rng);
        let settings = Settings {
            lease_ms: 2_000,
            machine_grace_ms: rng.between(500, 4_000),
            history_jobs: rng.between(0, 3) as usize,
            history_age_ms: rng.between(5_000, 200_000),
            session_ms: rng.between(4_000, 40_000),
            sessions_max: rng.between(2, 6) as usize,
            setbacks_max: rng.between(6, 40) as u32,
            // With none, attempts are given ahead to the last one, and many wait in vain.
            ahead_reserve: rng.below(3) as u32,
            ..Settings::default()
        };
        let members = [1, 3, 3, 3, 5][rng.below(5) as usize];
        let snapshot_entries = rng.between(5, 80);
        let mut life = Self::of(rng, faults, settings, members, snapshot_entries);
        life.populate();
        life
    }

    /// A group without workers and clients.
    pub(super) fn of(
        rng: Rng,
        faults: Faults,
        settings: Settings,
        members: usize,
        snapshot_entries: u64,
    ) -> Self {
        let state = State::new();
        let now = Timestamp::from_ms(1_000_000);
        let ledger = Ledger {
            setbacks_max: settings.setbacks_max,
            commit_tries_max: settings.commit_tries_max,
            ..Ledger::default()
        };
        let mut life = Self {
            rng,
            now,
            faults,
            settings,
            members: (0..members).map(|_| Member::new()).collect(),
            snapshot_entries,
            entries: Vec::new(),
            states: vec![state.clone()],
            log: Vec::new(),
            state,
            ledger,
            store: Store::default(),
            histories: Histories::default(),
            workers: Vec::new(),
            clients: Vec::new(),
            disks: BTreeMap::new(),
            files: Files::new(),
            outputs: Vec::new(),
            stuck: Vec::new(),
            commit_fates: VecDeque::new(),
            done: BTreeMap::new(),
            network: BTreeMap::new(),
            cuts: Cuts::new(),
            trace: Trace::default(),
            sent: 0,
            tokens: 0,
            incarnations: 0,
            nonces: 0,
            reported_good: BTreeSet::new(),
            met: Met::default(),
        };
        (0..members).for_each(|m| life.restart(m));
        life
    }

    fn populate(&mut self) {
        // With nothing but the store to serve, leaders that are cut off have no proposal that fails, and may not notice.
        let quiet = self.rng.chance(200);
        if quiet {
            self.faults = self.faults.of_the_network(&mut self.rng);
        }
        let machines = self.rng.between(1, 4);
        let workers = if quiet { 0 } else { self.rng.between(1, 6) };
        for _ in 0..workers {
            self.incarnations += 1;
            let (machine, slots) = (self.rng.below(machines) as usize, self.rng.between(1, 3) as u32);
            self.workers.push(Worker::new(self.incarnations, machine, slots));
        }
        let clients = if quiet { 4 } else { self.rng.between(1, 3) };
        for index in 0..clients {
            let nonce = self.next_nonce();
            let [terse, reads, bulky] = [300, 300, 100].map(|per_mille| self.rng.chance(per_mille));
            // On one side of a network that parts, somebody may read what they write on the other.
            let reads = if quiet { index % 2 == 0 } else { reads };
            self.clients.push(Client::new(nonce, [terse, reads, bulky]));
        }
        let jobs = if quiet { 0 } else { self.rng.between(1, 4) };
        for number in 0..jobs {
            let at = step_ms(self.now, self.rng.below(FAULTS_MS / 2));
            let (spec, planner) = self.draw_job(number);
            self.outputs.push(spec.output.to_path());
            let client = self.rng.below(self.clients.len() as u64) as usize;
            self.clients[client].jobs.push((at, Arc::new(spec), planner));
        }
    }

    fn draw_job(&mut self, number: u64) -> (JobSpec, Planner) {
        let (maps, reduces) = (self.rng.below(7), self.rng.below(4) as u32);
        let ordered = self.rng.chance(300);
        let of_kind = if ordered { fixtures::ordered_spec } else { fixtures::spec };
        let mut spec = JobSpec {
            task_timeout_ms: self.rng.between(1_500, 4_000),
            max_attempts: self.rng.between(1, 5) as u32,
            priority: self.rng.below(3) as i8 - 1,
            ..of_kind(number, maps, reduces)
        };
        if self.rng.chance(300) {
            self.leave_old_output(&mut spec);
        }
        if self.rng.chance(300) { self.many_files(spec) } else { (spec, Planner::EvenPieces) }
    }

    pub(super) fn next_nonce(&mut self) -> u64 {
        self.nonces += 1;
        self.nonces
    }

    /// With so many small files that they share tasks, and one that is cut into tasks of several sizes.
    fn many_files(&mut self, mut spec: JobSpec) -> (JobSpec, Planner) {
        let files = self.rng.between(17, 90);
        spec.inputs = (0..files).map(|n| fixtures::file(&n.to_string(), self.rng.below(5_000))).collect();
        spec.inputs.push(fixtures::file("large", self.rng.below(6 << 20)));
        spec.split_bytes = 2 << 20;
        let planner = if self.rng.chance(500) {
            Planner::JoinedTasks { slots: 1 }
        } else {
            Planner::FallingTasks { slots: 1 }
        };
        (spec, planner)
    }

    /// Lives to the end, and says what it met.
    pub(crate) fn live(mut self) -> (Met, Trace) {
        let calm = step_ms(self.now, FAULTS_MS);
        while self.now < calm {
            self.step();
        }
        self.end()
    }

    /// Lives on without faults until all is over, and says what it met.
    pub(super) fn end(mut self) -> (Met, Trace) {
        self.calm_down();
        let end = step_ms(self.now, CALM_MS);
        while !self.is_over() {
            assert!(self.now < end, "jobs did not end: {}", self.stuck_on());
            self.step();
        }
        self.check_replay();
        (0..self.members.len()).for_each(|m| self.check_replica(m));
        self.check_done();
        self.histories.check();
        (self.met, self.trace)
    }

    /// From now on nothing goes wrong.
    fn calm_down(&mut self) {
        self.faults = Faults::default();
        self.cuts.clear();
        for worker in &mut self.workers {
            worker.stopped_until = self.now;
            worker.dead_until = worker.dead_until.map(|_| self.now);
        }
        for member in &mut self.members {
            (member.paused_until, member.stalled_until) = (self.now, self.now);
            (member.full_until, member.slow_until) = (self.now, self.now);
            member.down_until = member.down_until.map(|_| self.now);
        }
        let calm = self.now;
        self.clients.iter_mut().for_each(|client| client.retire(calm));
    }

    /// A state in the middle of it, and the facts that have led there.
    pub(crate) fn halfway(mut self) -> (State, Vec<Fact>) {
        let middle = step_ms(self.now, FAULTS_MS / 2);
        while self.now < middle {
            self.step();
        }
        (self.state, self.log)
    }

    fn is_over(&self) -> bool {
        let told = self.workers.iter().all(|worker| worker.pending.is_empty());
        let answered = self.clients.iter().all(Client::is_idle);
        answered && self.state.live_jobs().is_empty() && (told || self.network.is_empty())
    }

    fn stuck_on(&self) -> String {
        let leader = Leader::new(&self.state, self.now, self.settings.clone());
        let explain = |job: &JobId| leader.explain(&self.state, self.now, *job, None);
        format!("{:?}", self.state.live_jobs().iter().map(explain).collect::<Vec<_>>())
    }

    pub(super) fn step(&mut self) {
        let time = self.rng.between(10, 150);
        self.step_by(time);
    }

    pub(super) fn step_by(&mut self, ms: u64) {
        self.now = step_ms(self.now, ms);
        self.strike();
        self.revive_members();
        for index in 0..self.clients.len() {
            self.act_as_client(index);
        }
        for index in 0..self.workers.len() {
            if self.workers[index].dead_until.is_some_and(|until| until <= self.now) {
                self.revive(index);
            }
            if self.workers[index].acts(self.now) {
                self.act(index);
            }
        }
        self.deliver();
        self.go_on_with_commits();
        (0..self.members.len()).for_each(|m| self.coordinate(m));
    }
}
