//! A small language for stories: a coordinator with workers that do just what the story says.

use std::time::Duration;

use gristmill_model::{
    AttemptId, ClusterId, Incarnation, JobId, JobSpec, JobStatus, Outcome, Progress, Report, TaskId,
    Timestamp, WorkerId,
};
use gristmill_scheduler::{
    Answer, Effect, EndCause, Fact, Hello, Input, Leader, LossCause, Poll, PollToken, Settings, State,
    Verdict, apply,
};

use crate::fixtures;

pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) leader: Leader,
    pub(crate) now: Timestamp,
    pub(crate) effects: Vec<Effect>,
    told: Vec<String>,
    answers: Vec<Answer>,
    tokens: u64,
    incarnations: u64,
    requests: u64,
}

pub(crate) fn map(index: u32, attempt: u32) -> AttemptId {
    TaskId::map(JobId(1), index).attempt(attempt)
}

pub(crate) fn reduce(index: u32, attempt: u32) -> AttemptId {
    TaskId::reduce(JobId(1), index).attempt(attempt)
}

pub(crate) fn sample(index: u32, attempt: u32) -> AttemptId {
    TaskId::sample(JobId(1), index).attempt(attempt)
}

pub(crate) fn settings() -> Settings {
    Settings { setbacks_max: 3, ..Settings::default() }
}

impl World {
    /// Founded, and with the session of client 1.
    pub(crate) fn new() -> Self {
        let (state, now) = (State::new(), Timestamp::from_ms(1_000));
        let leader = Leader::new(&state, now, settings());
        let mut world = Self {
            state,
            leader,
            now,
            effects: vec![],
            told: vec![],
            answers: vec![],
            tokens: 0,
            incarnations: 0,
            requests: 1_000_000,
        };
        world.happen(&[Input::Found(ClusterId(9)), Input::OpenSession { nonce: 1 }]);
        world.look_away();
        world
    }

    /// With one job of so many maps and reduces, and one worker on each machine named, of two slots each, which all wait for work.
    pub(crate) fn with_job(maps: u64, reduces: u32, machines: &[&str]) -> Self {
        Self::with(fixtures::spec(1, maps, reduces), machines)
    }

    /// With this job, and workers as above.
    pub(crate) fn with(spec: JobSpec, machines: &[&str]) -> Self {
        let mut world = Self::new();
        for machine in machines {
            world.join(machine, 2);
        }
        world.submit(spec);
        world.told.clear();
        for worker in 1..=machines.len() as u64 {
            world.poll(worker, 2);
        }
        world
    }

    /// One batch: decide, apply, answer; again while the leader wants to.
    pub(crate) fn happen(&mut self, inputs: &[Input]) {
        let mut inputs = inputs.to_vec();
        loop {
            let facts = self.leader.decide(&self.state, self.now, &inputs);
            for fact in &facts {
                self.told.push(tell(fact));
                let effects = apply(&mut self.state, fact).expect("the leader decides what is legal");
                let again = apply(&mut self.state.clone(), fact);
                let repeatable = matches!(fact, Fact::CommitFailed { .. });
                assert!(repeatable || again.is_err(), "a repeated fact is refused: {fact:?}");
                self.effects.extend(effects);
            }
            self.answers.extend(self.leader.answers(&self.state, self.now));
            self.state.validate().expect("a valid state");
            self.leader.validate(&self.state).expect("a valid memory");
            inputs.clear();
            if self.leader.next_deadline().is_none_or(|deadline| deadline > self.now) {
                return;
            }
        }
    }

    /// Time passes, and nothing comes in.
    pub(crate) fn wait(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(deadline) = self.leader.next_deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline;
            self.happen(&[]);
        }
        self.now = end;
    }

    /// Time passes while these workers send heartbeats in which the attempts named get on.
    pub(crate) fn wait_alive(&mut self, ms: u64, workers: &[u64], getting_on: &[AttemptId]) {
        let end = self.now.ms + ms;
        while self.now.ms < end {
            self.wait(500.min(end - self.now.ms));
            for worker in workers {
                let running = self.running(*worker);
                let ticks = |attempt: AttemptId| if getting_on.contains(&attempt) { self.now.ms } else { 0 };
                let progress =
                    |attempt| Progress { attempt, ticks: ticks(attempt), bytes_in: 0, waits: false };
                let beat = self.heartbeat(*worker, running.into_iter().map(progress).collect());
                self.happen(&[beat]);
            }
        }
    }

    pub(crate) fn running(&self, worker: u64) -> Vec<AttemptId> {
        let workers = self.leader.workers(&self.state, self.now);
        workers
            .into_iter()
            .filter(|known| known.id == WorkerId(worker))
            .flat_map(|known| known.running)
            .collect()
    }

    pub(crate) fn heartbeat(&self, worker: u64, running: Vec<Progress>) -> Input {
        Input::Heartbeat { worker: WorkerId(worker), incarnation: Incarnation(worker), running }
    }

    pub(crate) fn submit(&mut self, spec: JobSpec) {
        self.happen(&[fixtures::submit(spec)]);
    }

    /// Each call is a request of its own, far above those of the stories.
    pub(crate) fn cancel(&mut self, job: u64) {
        self.requests += 1;
        self.happen(&[fixtures::cancel(self.requests, job)]);
    }

    pub(crate) fn drain(&mut self, worker: u64) {
        self.requests += 1;
        self.happen(&[fixtures::drain(self.requests, worker)]);
    }

    /// The n-th worker has incarnation n.
    pub(crate) fn join(&mut self, machine: &str, slots: u32) {
        self.incarnations += 1;
        self.register(self.incarnations, machine, slots);
    }

    pub(crate) fn register(&mut self, incarnation: u64, machine: &str, slots: u32) {
        let hello = Hello {
            name: format!("n{incarnation}"),
            incarnation: Incarnation(incarnation),
            slots,
            machine: machine.into(),
            running: vec![],
        };
        self.happen(&[Input::Register(hello)]);
    }

    pub(crate) fn poll(&mut self, worker: u64, free_slots: u32) {
        let poll = self.poll_with(worker, free_slots, vec![]);
        self.happen(&[poll]);
    }

    pub(crate) fn report(&mut self, worker: u64, report: Report) {
        let poll = self.poll_with(worker, 0, vec![report]);
        self.happen(&[poll]);
    }

    /// Reports the end of an attempt and asks for another.
    pub(crate) fn report_and_ask(&mut self, worker: u64, report: Report) {
        let poll = self.poll_with(worker, 1, vec![report]);
        self.happen(&[poll]);
    }

    /// A poll of a worker of two slots that takes nothing ahead.
    pub(crate) fn poll_with(&mut self, worker: u64, free_slots: u32, reports: Vec<Report>) -> Input {
        Input::Poll(Poll { reports, ..self.poll_of(worker, free_slots, 0, 2_u32.saturating_sub(free_slots)) })
    }

    pub(crate) fn poll_of(&mut self, worker: u64, free_slots: u32, ahead: u32, held: u32) -> Poll {
        self.tokens += 1;
        Poll {
            token: PollToken(self.tokens),
            worker: WorkerId(worker),
            incarnation: Incarnation(worker),
            free_slots,
            ahead,
            held,
            reports: vec![],
            wait_ms: 60_000,
        }
    }

    pub(crate) fn finish_map(&mut self, worker: u64, attempt: AttemptId) {
        let reduces = self.state.spec(attempt.task.job).expect("the job").reduces;
        self.report(worker, fixtures::mapped(attempt, reduces, 1, 1));
    }

    pub(crate) fn finish_reduce(&mut self, worker: u64, attempt: AttemptId) {
        self.report(worker, fixtures::reduced(attempt, 1));
    }

    pub(crate) fn lose_run(&mut self, worker: u64, attempt: AttemptId, lost: AttemptId) {
        let run = gristmill_model::LostRun { attempt: lost, reason: "block 3 is damaged".into() };
        self.report(worker, fixtures::ended(attempt, Outcome::RunsLost(vec![run])));
    }

    pub(crate) fn disconnect(&mut self, worker: u64) {
        self.happen(&[Input::WorkerGone { worker: WorkerId(worker), cause: LossCause::Disconnected }]);
    }

    pub(crate) fn status(&self) -> JobStatus {
        self.leader.job_status(&self.state, JobId(1)).expect("job 1")
    }

    /// What was decided since it was last asked.
    pub(crate) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    pub(crate) fn answers(&mut self) -> Vec<String> {
        std::mem::take(&mut self.answers).iter().map(tell_answer).collect()
    }

    /// Nobody asks what has happened so far.
    pub(crate) fn look_away(&mut self) {
        self.told.clear();
        self.answers.clear();
        self.effects.clear();
    }

    pub(crate) fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

fn tell(fact: &Fact) -> String {
    match fact {
        Fact::JobSubmitted { job, .. } => format!("{job} submitted"),
        Fact::WorkerJoined { worker, machine, .. } => format!("{worker} joins on {machine}"),
        Fact::WorkerLost { worker, cause, .. } => format!("{worker} lost: {cause:?}"),
        Fact::AttemptAssigned { attempt, worker, backup: false, .. } => format!("{attempt} to {worker}"),
        Fact::AttemptAssigned { attempt, worker, backup: true, .. } => {
            format!("backup {attempt} to {worker}")
        }
        Fact::TaskWon { attempt, .. } => format!("{attempt} wins"),
        Fact::AttemptEnded { attempt, cause: EndCause::Failed { .. }, .. } => format!("{attempt} fails"),
        Fact::AttemptEnded { attempt, cause, .. } => format!("{attempt} ends: {cause:?}"),
        Fact::RunLost { attempt, loss, .. } => format!("run of {attempt} lost: {loss:?}"),
        Fact::ReduceOutdated { attempt, by, .. } => format!("{attempt} outdated by {by}"),
        Fact::CommitFailed { job, message, .. } => format!("commit of {job} fails: {message}"),
        Fact::JobCommitted { job, .. } => format!("{job} done"),
        Fact::JobFailed { job, message, .. } => format!("{job} failed: {message}"),
        Fact::JobCancelled { job, .. } => format!("{job} cancelled"),
        Fact::JobForgotten { job } => format!("{job} forgotten"),
        Fact::BoundsChosen { job, bounds, .. } => {
            let bounds: Vec<_> = bounds.0.iter().map(|bound| String::from_utf8_lossy(&bound.0)).collect();
            format!("{job} parted at {}", bounds.join(" "))
        }
        Fact::Founded { cluster } => format!("{cluster} founded"),
        Fact::SessionOpened { client, nonce, .. } => format!("{client} opened by {nonce}"),
        Fact::SessionKept { client, done_below, .. } => format!("{client} is done below {}", done_below.0),
        Fact::SessionExpired { client, .. } => format!("{client} expired"),
        Fact::KvApplied { key, .. } => format!("{} of {} carried out", key.request.0, key.client),
        Fact::WorkerDraining { worker, .. } => format!("{worker} drains"),
        Fact::RequestFulfilled { asked, .. } => {
            format!("{} of {} changes nothing", asked.key.request.0, asked.key.client)
        }
        Fact::RequestRefused { asked, refused, .. } => {
            format!("{} of {} refused: {}", asked.key.request.0, asked.key.client, refused.refusal())
        }
    }
}

fn tell_answer(answer: &Answer) -> String {
    let reply = match &answer.reply {
        Ok(reply) => reply,
        Err(refusal) => return format!("{}: {refusal}", answer.worker),
    };
    let mut parts: Vec<String> =
        reply.assignments.iter().map(|given| format!("run {}", given.attempt)).collect();
    parts.extend(reply.verdicts.iter().map(|(attempt, verdict)| match verdict {
        Verdict::Won => format!("{attempt} won"),
        Verdict::Discarded => format!("{attempt} discarded"),
    }));
    parts.extend(reply.orders.cancel.iter().map(|attempt| format!("end {attempt}")));
    parts.extend(reply.orders.forget.iter().map(|job| format!("forget {job}")));
    parts.extend(reply.orders.leave.then(|| "leave".to_owned()));
    format!("{}: {}", answer.worker, parts.join(", "))
}
