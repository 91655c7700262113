//! One life: a coordinator, its workers, its clients, and a network that cannot be trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{
    AttemptId, ClusterId, Incarnation, JobId, JobSpec, JobStatus, LostRun, Outcome, Progress, RequestKey,
    Stage, TaskId, Timestamp, Work, WorkerId,
};
use gristmill_scheduler::{
    Answer, Effect, Fact, Hello, Input, Leader, LossCause, Orders, Planner, Poll, PollToken, Settings, State,
    Verdict, apply,
};

use super::ledger::Ledger;
use super::rng::Rng;
use super::worker::{End, Running, Worker};
use crate::fixtures;

/// How long faults go on, and how long all jobs have to end afterwards.
const FAULTS_MS: u64 = 30_000;
const CALM_MS: u64 = 300_000;
const WAIT_MS: u64 = 2_000;

/// How often, in a thousand, things go wrong in this life.
#[derive(Clone, Debug, Default)]
struct Faults {
    lost: u64,
    doubled: u64,
    late: u64,
    killed: u64,
    wiped: u64,
    stopped: u64,
    disconnected: u64,
    failing: u64,
    hanging: u64,
    damaged: u64,
    fickle: u64,
    new_leader: u64,
    cancelled: u64,
    bad_commit: u64,
}

#[derive(Clone, Debug)]
enum Message {
    ToCoordinator(Input),
    Registered(usize, Incarnation, WorkerId),
    Answered(usize, Incarnation, Answer),
    Ordered(usize, Incarnation, Orders),
}

/// What happened in some lives.
#[derive(Debug, Default)]
pub(crate) struct Met {
    counts: BTreeMap<&'static str, u64>,
}

pub(crate) struct Life {
    rng: Rng,
    now: Timestamp,
    faults: Faults,
    settings: Settings,
    state: State,
    /// The same by replay of encoded facts.
    mirror: State,
    leader: Leader,
    log: Vec<Fact>,
    snapshot: (usize, State),
    ledger: Ledger,
    workers: Vec<Worker>,
    /// Run files, by machine.
    disks: BTreeMap<usize, BTreeSet<AttemptId>>,
    network: BTreeMap<(Timestamp, u64), Message>,
    sent: u64,
    tokens: u64,
    incarnations: u64,
    requests: Vec<(Timestamp, Arc<JobSpec>, Planner)>,
    reported_good: BTreeSet<AttemptId>,
    /// By split, what a deterministic app makes of it.
    met: Met,
}

impl Met {
    fn note(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }

    pub(crate) fn assert_rich(&self) {
        for what in [
            "job done",
            "job failed",
            "job cancelled",
            "job forgotten",
            "worker lost",
            "backup",
            "timed out",
            "failed",
            "run lost",
            "reduce outdated",
            "commit failed",
            "new leader",
            "lost log entry",
            "attempt outdated",
            "discarded",
            "segments refused",
            "runs unreadable",
            "effects lost",
            "given ahead",
            "sample won",
            "sample lost",
            "bounds chosen",
        ] {
            assert!(
                self.counts.get(what).copied().unwrap_or(0) >= 10,
                "the lives hardly met `{what}`: {:?}",
                self.counts
            );
        }
    }
}

fn step_ms(timestamp: Timestamp, ms: u64) -> Timestamp {
    timestamp + Duration::from_millis(ms)
}

impl Life {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut often = |most: u64| if rng.chance(500) { rng.below(most + 1) } else { 0 };
        let faults = Faults {
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
        };
        let settings = Settings {
            lease_ms: 2_000,
            machine_grace_ms: rng.between(500, 4_000),
            history_jobs: rng.between(0, 3) as usize,
            setbacks_max: rng.between(6, 40) as u32,
            // With none, attempts are given ahead to the last one, and many wait in vain.
            ahead_reserve: rng.below(3) as u32,
            ..Settings::default()
        };
        let state = State::new();
        let now = Timestamp::from_ms(1_000_000);
        let leader = Leader::new(&state, now, settings.clone());
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
            mirror: state.clone(),
            snapshot: (0, state.clone()),
            state,
            leader,
            log: Vec::new(),
            ledger,
            workers: Vec::new(),
            disks: BTreeMap::new(),
            network: BTreeMap::new(),
            sent: 0,
            tokens: 0,
            incarnations: 0,
            requests: Vec::new(),
            reported_good: BTreeSet::new(),
            met: Met::default(),
        };
        life.round(&[Input::Found(ClusterId(1)), Input::OpenSession { nonce: 1 }], 0);
        life.populate();
        life
    }

    fn populate(&mut self) {
        let machines = self.rng.between(1, 4);
        for _ in 0..self.rng.between(1, 6) {
            self.incarnations += 1;
            let (machine, slots) = (self.rng.below(machines) as usize, self.rng.between(1, 3) as u32);
            self.workers.push(Worker::new(self.incarnations, machine, slots));
        }
        for request in 0..self.rng.between(1, 4) {
            let (maps, reduces) = (self.rng.below(7), self.rng.below(4) as u32);
            let ordered = self.rng.chance(300);
            let of_kind = if ordered { fixtures::ordered_spec } else { fixtures::spec };
            let spec = JobSpec {
                task_timeout_ms: self.rng.between(1_500, 4_000),
                max_attempts: self.rng.between(1, 5) as u32,
                ..of_kind(request, maps, reduces)
            };
            let at = step_ms(self.now, self.rng.below(FAULTS_MS / 2));
            let (spec, planner) =
                if self.rng.chance(300) { self.many_files(spec) } else { (spec, Planner::EvenPieces) };
            self.requests.push((at, Arc::new(spec), planner));
        }
    }

    /// With so many small files that they share tasks, and one that is cut into tasks of several sizes.
    fn many_files(&mut self, mut spec: JobSpec) -> (JobSpec, Planner) {
        let files = self.rng.between(17, 90);
        spec.inputs = (0..files).map(|n| fixtures::file(&n.to_string(), self.rng.below(5_000))).collect();
        spec.inputs.push(fixtures::file("large", self.rng.below(6 << 20)));
        spec.split_bytes = 2 << 20;
        (spec, Planner::FallingTasks { slots: 1 })
    }

    /// Lives to the end, and says what it met.
    pub(crate) fn live(mut self) -> Met {
        let calm = step_ms(self.now, FAULTS_MS);
        while self.now < calm {
            self.step();
        }
        self.faults = Faults::default();
        for worker in &mut self.workers {
            worker.stopped_until = self.now;
            worker.dead_until = worker.dead_until.map(|_| self.now);
        }
        let end = step_ms(calm, CALM_MS);
        while !self.is_over() {
            assert!(self.now < end, "jobs did not end: {}", self.stuck());
            self.step();
        }
        self.check_replay();
        self.met
    }

    fn is_over(&self) -> bool {
        let submitted = self.requests.iter().all(|(at, ..)| *at < self.now);
        submitted && self.network.is_empty() && self.state.live_jobs().is_empty()
            || submitted
                && self.state.live_jobs().is_empty()
                && self.workers.iter().all(|worker| worker.pending.is_empty())
    }

    fn stuck(&self) -> String {
        let explain = |job: &JobId| self.leader.explain(&self.state, self.now, *job, None);
        format!("{:?}", self.state.live_jobs().iter().map(explain).collect::<Vec<_>>())
    }

    fn step(&mut self) {
        self.now = step_ms(self.now, self.rng.between(10, 150));
        self.strike();
        self.submit();
        for index in 0..self.workers.len() {
            if let Some(until) = self.workers[index].dead_until.filter(|until| *until <= self.now) {
                let _ = until;
                self.revive(index);
            }
            if self.workers[index].acts(self.now) {
                self.act(index);
            }
        }
        let inputs = self.deliver();
        self.coordinate(inputs);
    }

    // The network.

    fn send(&mut self, message: Message) {
        if self.rng.chance(self.faults.lost) {
            return;
        }
        let copies = if self.rng.chance(self.faults.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            let delay =
                if self.rng.chance(self.faults.late) { self.rng.below(3_000) } else { self.rng.below(30) };
            self.sent += 1;
            self.network.insert((step_ms(self.now, delay), self.sent), message.clone());
        }
    }

    /// Delivers what is due: to workers at once, to the coordinator as one batch.
    fn deliver(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        let later = self.network.split_off(&(step_ms(self.now, 1), 0));
        for (_, message) in std::mem::replace(&mut self.network, later) {
            match message {
                Message::ToCoordinator(input) => inputs.push(input),
                Message::Registered(index, incarnation, id) => {
                    if let Some(worker) = self.hearing(index, incarnation) {
                        worker.id = Some(id);
                    }
                }
                Message::Answered(index, incarnation, answer) => {
                    let awake = self.hearing(index, incarnation).is_some();
                    if awake {
                        self.hear_answer(index, answer);
                    }
                }
                Message::Ordered(index, incarnation, orders) => {
                    if self.hearing(index, incarnation).is_some() {
                        self.hear_orders(index, &orders);
                    }
                }
            }
        }
        inputs
    }

    /// A stopped worker misses what is sent to it meanwhile; its calls time out.
    fn hearing(&mut self, index: usize, incarnation: Incarnation) -> Option<&mut Worker> {
        let now = self.now;
        self.workers.get_mut(index).filter(|worker| worker.acts(now) && worker.incarnation == incarnation)
    }

    // Faults.

    fn strike(&mut self) {
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

    fn kill(&mut self, index: usize) {
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

    fn revive(&mut self, index: usize) {
        self.incarnations += 1;
        let old = &self.workers[index];
        let machine = if self.rng.chance(200) { self.rng.below(4) as usize } else { old.machine };
        self.workers[index] = Worker::new(self.incarnations, machine, old.slots);
    }

    fn change_leader(&mut self) {
        self.met.note("new leader");
        self.check_replay();
        self.snapshot = (self.log.len(), roundtrip(&self.state));
        self.leader = Leader::new(&self.state, self.now, self.settings.clone());
        let effects = self.leader.resume(&self.state);
        self.perform(&effects);
    }

    // Clients.

    fn submit(&mut self) {
        for (at, spec, planner) in self.requests.clone() {
            // Until it is known, and sometimes again afterwards.
            let due = at <= self.now && (self.job_of(spec.key).is_none() || self.rng.chance(10));
            let forgotten = self.ledger.jobs.len() > self.state.jobs(JobId(0)).count();
            if due && !forgotten {
                self.send(Message::ToCoordinator(Input::Submit(spec, planner)));
            }
        }
    }

    fn job_of(&self, key: RequestKey) -> Option<JobId> {
        self.state.job_of(key)
    }

    // Workers.

    fn act(&mut self, index: usize) {
        self.finish_attempts(index);
        let now = self.now;
        let worker = &mut self.workers[index];
        let incarnation = worker.incarnation;
        let Some(id) = worker.id else {
            if worker.next_register <= now {
                worker.next_register = step_ms(now, 500);
                let hello = Hello {
                    name: format!("worker {index}"),
                    incarnation,
                    slots: worker.slots,
                    machine: format!("machine {}", worker.machine),
                    running: worker
                        .running
                        .keys()
                        .chain(worker.queue.iter().map(|(queued, _)| queued))
                        .copied()
                        .collect(),
                };
                self.send(Message::ToCoordinator(Input::Register(hello)));
            }
            return;
        };
        if worker.next_heartbeat <= now {
            worker.next_heartbeat = step_ms(now, 500);
            for running in worker.running.values_mut().filter(|running| running.ends.is_some()) {
                running.ticks += 1;
            }
            let progress = |(attempt, running): (&AttemptId, &Running)| Progress {
                attempt: *attempt,
                ticks: running.ticks,
                bytes_in: running.ticks,
                waits: false,
            };
            let queued = |(attempt, _): &(AttemptId, Work)| Progress {
                attempt: *attempt,
                ticks: 0,
                bytes_in: 0,
                waits: true,
            };
            let running =
                worker.running.iter().map(progress).chain(worker.queue.iter().map(queued)).collect();
            self.send(Message::ToCoordinator(Input::Heartbeat { worker: id, incarnation, running }));
        }
        let worker = &mut self.workers[index];
        let waits = worker.poll.is_some_and(|(_, until)| until > now);
        if !waits {
            self.tokens += 1;
            let token = PollToken(self.tokens);
            worker.poll = Some((token, step_ms(now, WAIT_MS + 1_000)));
            let (free_slots, reports) = (worker.free_slots(), worker.pending.clone());
            let ahead = worker.slots - worker.queue.len() as u32;
            let held = (worker.running.len() + worker.queue.len()) as u32;
            let poll =
                Poll { token, worker: id, incarnation, free_slots, ahead, held, reports, wait_ms: WAIT_MS };
            self.send(Message::ToCoordinator(Input::Poll(poll)));
        }
    }

    fn finish_attempts(&mut self, index: usize) {
        let now = self.now;
        let ended = |running: &Running| running.ends.is_some_and(|ends| ends <= now);
        let done: Vec<_> = self.workers[index].running.iter().filter(|(_, running)| ended(running)).collect();
        let done: Vec<_> =
            done.into_iter().map(|(attempt, running)| (*attempt, running.end.clone())).collect();
        for (attempt, mut end) in done {
            self.workers[index].running.remove(&attempt);
            if attempt.task.stage == Stage::Reduce && matches!(end, End::Good) {
                end = self.read_segments(index, attempt, true);
            }
            let report = match end {
                End::Failed => fixtures::failed(attempt, "it is broken"),
                End::RunsLost(runs) => fixtures::ended(attempt, Outcome::RunsLost(runs)),
                End::Cancelled => fixtures::ended(attempt, Outcome::Cancelled),
                End::Good => self.good_report(index, attempt),
            };
            self.workers[index].pending.push(report);
            // A poll that waits for work is given up for news.
            self.workers[index].poll = None;
        }
        self.begin_queued(index);
    }

    fn begin_queued(&mut self, index: usize) {
        while self.workers[index].free_slots() > 0 {
            let Some((attempt, work)) = self.workers[index].queue.pop_front() else { return };
            self.start(index, attempt, &work);
        }
    }

    fn good_report(&mut self, index: usize, attempt: AttemptId) -> gristmill_model::Report {
        self.reported_good.insert(attempt);
        let counter = self.rng.below(1_000) as i64;
        match attempt.task.stage {
            Stage::Sample => return fixtures::sampled(attempt, b"acb", counter),
            Stage::Reduce => return fixtures::reduced(attempt, counter),
            Stage::Map => {}
        }
        let reduces = self.state.spec(attempt.task.job).map_or(0, |spec| spec.reduces);
        if reduces > 0 {
            self.disks.entry(self.workers[index].machine).or_default().insert(attempt);
        }
        let fickle = self.rng.chance(self.faults.fickle);
        let digest = if fickle { self.rng.next() } else { u64::from(attempt.task.index) };
        fixtures::mapped(attempt, reduces, digest, counter)
    }

    /// Reads the first half of the segments, or the rest.
    fn read_segments(&mut self, index: usize, attempt: AttemptId, rest: bool) -> End {
        let worker = &self.workers[index];
        let Some(id) = worker.id else { return End::Cancelled };
        let maps = self.ledger.jobs.get(&attempt.task.job).map_or(0, |job| job.maps);
        let (from, limit) = if rest { (maps / 2, usize::MAX) } else { (0, (maps / 2) as usize) };
        let Ok(segments) = self.state.segments(id, worker.incarnation, attempt, from, limit) else {
            self.met.note("segments refused");
            return End::Cancelled;
        };
        let makers: BTreeSet<WorkerId> =
            self.workers.iter().filter(|maker| maker.is_up()).filter_map(|maker| maker.id).collect();
        let mut lost = Vec::new();
        for segment in segments {
            let on_disk =
                |machine: usize| self.disks.get(&machine).is_some_and(|disk| disk.contains(&segment.attempt));
            let served = makers.contains(&segment.worker) && (0..4).any(on_disk);
            if on_disk(self.workers[index].machine) || served {
                let digest = self.ledger.digests[&segment.attempt.task];
                self.ledger.read.entry(attempt).or_default().push(digest);
            } else {
                lost.push(LostRun { attempt: segment.attempt, reason: "it is not there".into() });
            }
        }
        if lost.is_empty() {
            return End::Good;
        }
        self.met.note("runs unreadable");
        End::RunsLost(lost)
    }

    fn hear_answer(&mut self, index: usize, answer: Answer) {
        let worker = &mut self.workers[index];
        if worker.poll.is_none_or(|(token, _)| token != answer.token) {
            return;
        }
        worker.poll = None;
        let Ok(reply) = answer.reply else {
            worker.id = None;
            return;
        };
        for (attempt, verdict) in reply.verdicts {
            self.workers[index].pending.retain(|report| report.attempt != attempt);
            if verdict == Verdict::Discarded {
                self.disks.entry(self.workers[index].machine).or_default().remove(&attempt);
            }
        }
        for assignment in reply.assignments {
            let attempt = assignment.attempt;
            let worker = &mut self.workers[index];
            if worker.has(attempt) {
                continue;
            }
            if worker.free_slots() > 0 {
                self.start(index, attempt, &assignment.work);
            } else if worker.queue.len() < worker.slots as usize {
                self.met.note("given ahead");
                worker.queue.push_back((attempt, assignment.work));
            }
        }
        self.hear_orders(index, &reply.orders);
    }

    fn start(&mut self, index: usize, attempt: AttemptId, work: &Work) {
        let mut end = match work {
            Work::Map(_) | Work::Sample(_) => End::Good,
            Work::Reduce(_) => self.read_segments(index, attempt, false),
        };
        if matches!(end, End::Good) && self.rng.chance(self.faults.failing) {
            end = End::Failed;
        }
        let hangs = self.rng.chance(self.faults.hanging);
        let ends = (!hangs).then(|| step_ms(self.now, self.rng.between(20, 3_000)));
        self.workers[index].running.insert(attempt, Running { ends, end, ticks: 0 });
    }

    fn hear_orders(&mut self, index: usize, orders: &Orders) {
        for attempt in &orders.cancel {
            let worker = &mut self.workers[index];
            let queued = worker.queue.len();
            worker.queue.retain(|(queued, _)| queued != attempt);
            if worker.running.remove(attempt).is_some() || worker.queue.len() < queued {
                self.workers[index].pending.push(fixtures::ended(*attempt, Outcome::Cancelled));
                self.workers[index].poll = None;
            }
        }
        for job in &orders.forget {
            let live = self.state.live_jobs().contains(job);
            assert!(!live, "a worker is told to forget {job}, which is live");
        }
    }

    // The coordinator.

    fn coordinate(&mut self, inputs: Vec<Input>) {
        let due = self.leader.next_deadline().is_some_and(|deadline| deadline <= self.now);
        if inputs.is_empty() && !due {
            return;
        }
        let fate = self.rng.below(1_000);
        self.round(&inputs, fate);
        for _ in 0..4 {
            match self.leader.next_deadline() {
                Some(deadline) if deadline <= self.now => self.round(&[], 0),
                _ => break,
            }
        }
        let deadline = self.leader.next_deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now), "the leader wants to decide for ever");
    }

    fn round(&mut self, inputs: &[Input], fate: u64) {
        let facts = self.leader.decide(&self.state, self.now, inputs);
        // Sometimes the entry is not committed, sometimes the leader dies between commit and act.
        if fate > 1_000 - self.faults.new_leader / 3 {
            self.met.note("lost log entry");
            return self.change_leader();
        }
        let mut effects = Vec::new();
        for fact in facts {
            effects.extend(self.commit(fact));
        }
        self.check();
        if fate > 1_000 - self.faults.new_leader {
            self.met.note("effects lost");
            return self.change_leader();
        }
        self.perform(&effects);
        for answer in self.leader.answers(&self.state, self.now) {
            self.check_verdicts(&answer);
            if let Some(index) = self
                .workers
                .iter()
                .position(|worker| worker.poll.is_some_and(|(token, _)| token == answer.token))
            {
                let incarnation = self.workers[index].incarnation;
                self.send(Message::Answered(index, incarnation, answer));
            }
        }
        for input in inputs {
            self.reply(input);
        }
        self.leader.validate(&self.state).unwrap_or_else(|wrong| panic!("the leader's memory: {wrong}"));
    }

    fn commit(&mut self, fact: Fact) -> Vec<Effect> {
        let effects = apply(&mut self.state, &fact).unwrap_or_else(|illegal| panic!("{illegal}"));
        let mirrored =
            apply(&mut self.mirror, &roundtrip(&fact)).unwrap_or_else(|illegal| panic!("{illegal}"));
        assert_eq!(effects, mirrored);
        self.note(&fact);
        let (samples, maps) = match &fact {
            Fact::JobSubmitted { job, .. } => {
                let status = self.leader.job_status(&self.state, *job).expect("it was submitted");
                (status.sample.total, status.map.total)
            }
            _ => (0, 0),
        };
        self.ledger.take_down(&fact, samples, maps, |attempt| self.reported_good.contains(&attempt));
        self.log.push(fact);
        effects
    }

    fn note(&mut self, fact: &Fact) {
        use gristmill_scheduler::EndCause;
        let what = match fact {
            Fact::WorkerLost { .. } => "worker lost",
            Fact::AttemptAssigned { backup: true, .. } => "backup",
            Fact::AttemptEnded { attempt, .. } if attempt.task.stage == Stage::Sample => "sample lost",
            Fact::AttemptEnded { cause: EndCause::TimedOut, .. } => "timed out",
            Fact::AttemptEnded { cause: EndCause::Failed { .. }, .. } => "failed",
            Fact::AttemptEnded { cause: EndCause::Outdated, .. } => "attempt outdated",
            Fact::RunLost { .. } => "run lost",
            Fact::ReduceOutdated { .. } => "reduce outdated",
            Fact::CommitFailed { .. } => "commit failed",
            Fact::JobCommitted { .. } => "job done",
            Fact::JobFailed { .. } => "job failed",
            Fact::JobCancelled { .. } => "job cancelled",
            Fact::JobForgotten { .. } => "job forgotten",
            Fact::TaskWon { attempt, .. } if attempt.task.stage == Stage::Sample => "sample won",
            Fact::BoundsChosen { .. } => "bounds chosen",
            _ => return,
        };
        self.met.note(what);
    }

    fn perform(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Commit { job, failures: _ } = effect {
                let parts = self.state.outputs(*job);
                let known = &self.ledger.jobs[job];
                let expected = if known.reduces == 0 { known.maps } else { known.reduces };
                if self.state.phase(*job) == Some(gristmill_model::JobPhase::Committing) {
                    assert_eq!(parts.len(), expected as usize, "an output for each task of the final stage");
                }
                for part in parts {
                    assert_eq!(
                        self.ledger.winners[&part.attempt.task].0, part.attempt,
                        "outputs are the winners'"
                    );
                }
                let bad = self.rng.chance(self.faults.bad_commit);
                let result = if bad { Err("no space left".to_owned()) } else { Ok(()) };
                // The coordinator does it itself: it may be late, but it is not lost as long as the leader lives.
                let at = step_ms(self.now, self.rng.below(500));
                self.sent += 1;
                let message = Message::ToCoordinator(Input::Committed { job: *job, result });
                self.network.insert((at, self.sent), message);
            }
        }
    }

    fn reply(&mut self, input: &Input) {
        match input {
            Input::Register(hello) => {
                let index = self.workers.iter().position(|worker| worker.incarnation == hello.incarnation);
                let id = self.state.worker_of(hello.incarnation);
                if let (Some(index), Some(id)) = (index, id) {
                    self.send(Message::Registered(index, hello.incarnation, id));
                }
            }
            Input::Heartbeat { worker, incarnation, .. } => {
                let index = self.workers.iter().position(|known| known.incarnation == *incarnation);
                let orders = self.leader.orders(&self.state, *worker, *incarnation);
                match (index, orders) {
                    (Some(index), Ok(orders)) => self.send(Message::Ordered(index, *incarnation, orders)),
                    (Some(index), Err(_)) if self.workers[index].id == Some(*worker) => {
                        self.workers[index].id = None;
                    }
                    _ => {}
                }
            }
            Input::Submit(spec, planner) => {
                let answered =
                    self.state.job_of(spec.key).is_some() || self.state.admit(spec, *planner).is_err();
                let forgotten = self.ledger.jobs.len() > self.state.jobs(JobId(0)).count();
                assert!(answered || forgotten, "a submission without an answer");
            }
            _ => {}
        }
    }

    // The rules.

    fn check_verdicts(&mut self, answer: &Answer) {
        let Ok(reply) = &answer.reply else { return };
        for (attempt, verdict) in &reply.verdicts {
            let winner = self.ledger.winners.get(&attempt.task).map(|(winner, _)| *winner);
            let live = self.state.live_jobs().contains(&attempt.task.job);
            let expected = if live && winner == Some(*attempt) { Verdict::Won } else { Verdict::Discarded };
            assert_eq!(*verdict, expected, "verdict on {attempt}");
            if expected == Verdict::Discarded {
                self.met.note("discarded");
            }
        }
        let live = self.state.live_jobs();
        for attempt in reply.orders.cancel.iter().filter(|attempt| live.contains(&attempt.task.job)) {
            let winner = self.ledger.winners.get(&attempt.task).map(|(winner, _)| *winner);
            assert_ne!(winner, Some(*attempt), "a winner is told to stop");
        }
    }

    fn check(&mut self) {
        self.state.validate().unwrap_or_else(|wrong| panic!("the state: {wrong}"));
        assert_eq!(self.state, self.mirror, "a replay gives another state");
        for (id, job) in &self.ledger.jobs {
            let Ok(status) = self.leader.job_status(&self.state, *id) else {
                assert!(job.over.is_some(), "{id} is forgotten and was not over");
                continue;
            };
            assert_eq!(status.phase.is_final(), job.over.is_some());
            let counted = status.counters.get("c").copied().unwrap_or(0);
            assert_eq!(counted, job.final_counter.unwrap_or(job.counter), "{id} counts winners only");
            assert_eq!(!status.warnings.is_empty(), job.changed_digest, "{id}: {:?}", status.warnings);
            if !status.phase.is_final() {
                self.check_owners(*id, &status);
            }
        }
    }

    /// Each unfinished task is queued, or runs with a deadline that has not passed, and says so.
    fn check_owners(&self, job: JobId, status: &JobStatus) {
        let of = |stage, total| (0..total).map(move |index| TaskId { job, stage, index });
        let samples = of(Stage::Sample, status.sample.total);
        let maps = of(Stage::Map, status.map.total);
        for task in samples.chain(maps).chain(of(Stage::Reduce, status.reduce.total)) {
            let explained =
                self.leader.explain(&self.state, self.now, job, Some(task)).expect("the task is there");
            let runs = explained[0].text.contains(" runs on ");
            if runs {
                let deadline = explained[0].deadline.expect("a running attempt has a deadline");
                assert!(deadline > self.now, "{task} is overdue: {explained:?}");
            }
        }
    }

    /// Replays the whole log, and the end of it on the last snapshot.
    fn check_replay(&self) {
        let mut replayed = State::new();
        for fact in &self.log {
            apply(&mut replayed, fact).unwrap_or_else(|illegal| panic!("{illegal}"));
        }
        assert_eq!(replayed, self.state, "a replay of the log gives another state");
        let (from, mut restored) = self.snapshot.clone();
        for fact in &self.log[from..] {
            apply(&mut restored, fact).unwrap_or_else(|illegal| panic!("{illegal}"));
        }
        assert_eq!(restored, self.state, "a snapshot and the rest of the log give another state");
    }
}

fn roundtrip<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let bytes = postcard::to_allocvec(value).expect("it encodes");
    postcard::from_bytes(&bytes).expect("it decodes")
}
