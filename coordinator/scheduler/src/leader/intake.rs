//! Takes in what happened outside: who joined, who asks, who is alive, what clients want.

use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{
    AttemptId, ClusterId, Incarnation, JobId, JobPhase, JobSpec, NotFound, Progress, Refusal, RequestId,
    WorkerId,
};

use super::decision::Decision;
use super::memory::{Parked, Timer};
use crate::effect::{Answer, Reply};
use crate::fact::{Fact, LossCause};
use crate::input::{Asked, Hello, Input, Poll};
use crate::plan::Planner;
use crate::sampler::Sampler;
use crate::state::{Store, Worker, check_output, check_spec, is_registered};

/// Slots of one worker: more than any machine has cores.
const SLOTS_MAX: u32 = 4_096;
/// Characters of a worker's or a machine's name.
const NAME_CHARS_MAX: usize = 256;

impl Decision<'_> {
    pub(crate) fn take_in(&mut self, input: &Input) {
        // What comes before the cluster is founded has no state to act on; polls are answered.
        let early = self.draft.cluster().is_none() && !matches!(input, Input::Found(_) | Input::Poll(_));
        if early {
            return;
        }
        match input {
            Input::Found(cluster) => self.found(*cluster),
            Input::OpenSession { nonce } => self.open_session(*nonce),
            Input::KeepSession { client, done_below } => self.keep_session(*client, *done_below),
            Input::Kv(call) => self.carry_out(call),
            Input::Drain(asked, worker) => self.drain(*asked, *worker),
            Input::Refuse(asked, refusal) => self.refuse(*asked, refusal),
            Input::Submit(spec, planner) => self.submit(spec, *planner),
            Input::Register(hello) => self.register(hello),
            Input::Poll(poll) => self.poll(poll),
            Input::Heartbeat { worker, incarnation, running } => {
                self.heartbeat(*worker, *incarnation, running);
            }
            Input::WorkerGone { worker, cause } => self.lose(*worker, *cause),
            Input::Cancel(asked, job) => self.cancel(*asked, *job),
            Input::Committed { job, result } => self.committed(*job, result),
        }
    }

    fn found(&mut self, cluster: ClusterId) {
        if self.draft.cluster().is_none() {
            self.record(Fact::Founded { cluster });
        }
    }

    fn submit(&mut self, spec: &Arc<JobSpec>, planner: Planner) {
        if self.draft.job_of(spec.key).is_some() {
            return self.hear_client(spec.key.client);
        }
        let checked = check_spec(spec, planner).and_then(|()| {
            let live = self.draft.live_jobs().filter_map(|job| Some((job, self.draft.head(job)?)));
            check_output(spec, live)
        });
        let asked = Asked { key: spec.key, done_below: RequestId(0) };
        if let Err(refusal) = checked {
            self.refuse(asked, &refusal);
        } else {
            let (job, at, spec) = (self.draft.next_job(), self.now, Arc::clone(spec));
            let sampler = Sampler::of(&spec);
            self.record_once(asked, Fact::JobSubmitted { job, at, spec, planner, sampler });
        }
    }

    fn register(&mut self, hello: &Hello) {
        let slots = hello.slots.min(SLOTS_MAX);
        let machine = clipped(&hello.machine);
        if let Some(known) = self.draft.worker_of(hello.incarnation) {
            let same = |worker: &Worker| worker.slots == slots && worker.machine == machine;
            if self.draft.worker(known).is_some_and(same) {
                return self.hear_running(known, hello);
            }
            self.lose(known, LossCause::Replaced);
        }
        let worker = self.draft.next_worker();
        let (at, incarnation, name) = (self.now, hello.incarnation, clipped(&hello.name));
        self.record(Fact::WorkerJoined { worker, at, incarnation, name, machine, slots });
        self.hear_running(worker, hello);
    }

    fn hear_running(&mut self, worker: WorkerId, hello: &Hello) {
        let Some(contact) = self.leader.contacts.get_mut(&worker) else { return };
        contact.heard = self.now;
        contact.holds.extend(hello.running.iter().take(SLOTS_MAX as usize));
        for attempt in &hello.running {
            if let Some(watch) = self.leader.watches.get_mut(attempt).filter(|watch| watch.worker == worker) {
                watch.seen = true;
            }
        }
    }

    fn heartbeat(&mut self, worker: WorkerId, incarnation: Incarnation, running: &[Progress]) {
        if !is_registered(self.draft.worker(worker), incarnation) {
            return;
        }
        let Some(contact) = self.leader.contacts.get_mut(&worker) else { return };
        contact.heard = self.now;
        let watches = &mut self.leader.watches;
        // What has ended and is not listed has left the worker; what lives may not have arrived yet.
        contact.holds.retain(|attempt| watches.get(attempt).is_some_and(|watch| watch.worker == worker));
        for progress in running.iter().take(SLOTS_MAX as usize) {
            contact.holds.insert(progress.attempt);
            let watch = watches.get_mut(&progress.attempt).filter(|watch| watch.worker == worker);
            let Some(watch) = watch else { continue };
            watch.seen = true;
            if progress.waits {
                // Nobody expects it to get on.
                watch.progressed = self.now;
                let head = self.draft.head(progress.attempt.task.job);
                let priority = head.map_or(0, |head| head.spec.priority);
                self.leader.waiting.add(progress.attempt, worker, priority);
            } else {
                self.leader.waiting.remove(progress.attempt);
            }
            if watch.ticks != progress.ticks {
                watch.ticks = progress.ticks;
                watch.bytes_in = progress.bytes_in;
                watch.progressed = self.now;
                *self.leader.progress.entry(progress.attempt.task.job).or_default() += 1;
            }
        }
    }

    fn poll(&mut self, poll: &Poll) {
        if !is_registered(self.draft.worker(poll.worker), poll.incarnation) {
            let reply = Err(Refusal::UnknownWorker);
            self.leader.answers.push(Answer { token: poll.token, worker: poll.worker, reply });
            return;
        }
        for report in &poll.reports {
            self.report(poll.worker, report);
        }
        let slots = self.draft.worker(poll.worker).map_or(0, |worker| worker.slots);
        self.leader.waiting.keep_last(poll.worker, slots.saturating_sub(poll.ahead) as usize);
        self.supersede(poll.worker);
        let until = self.now + Duration::from_millis(poll.wait_ms);
        let Some(contact) = self.leader.contacts.get_mut(&poll.worker) else { return };
        contact.heard = self.now;
        contact.parked = Some(Parked {
            token: poll.token,
            free: poll.free_slots,
            ahead: poll.ahead,
            until,
            reported: poll.reports.iter().map(|report| report.attempt).collect(),
            assignments: Vec::new(),
        });
        self.leader.timers.set(until, Timer::Poll(poll.worker));
        if poll.free_slots > 0 {
            self.leader.idle.insert(poll.worker);
        }
        if !poll.reports.is_empty() {
            self.leader.due.insert(poll.worker);
        }
        self.deliver_again(poll.worker, poll.held);
    }

    /// A worker has one poll at a time; when it has given up an older one, that is answered without content.
    fn supersede(&mut self, worker: WorkerId) {
        if let Some(parked) = self.leader.unpark(worker) {
            let reply = Ok(Reply::default());
            self.leader.answers.push(Answer { token: parked.token, worker, reply });
        }
    }

    /// When a worker has fewer attempts than it should, an answer with assignments was lost: it gets those again of which it has never
    /// spoken. One that it has after all it ignores.
    fn deliver_again(&mut self, id: WorkerId, held: u32) {
        let Some(worker) = self.draft.worker(id) else { return };
        let Some(contact) = self.leader.contacts.get_mut(&id) else { return };
        let Some(parked) = contact.parked.as_mut() else { return };
        let missing = worker.running.len().saturating_sub(held as usize).min(parked.room() as usize);
        let watches = &self.leader.watches;
        let unseen = |attempt: &&AttemptId| watches.get(attempt).is_some_and(|watch| !watch.seen);
        parked.assignments.extend(worker.running.iter().filter(unseen).take(missing).copied());
        if !parked.assignments.is_empty() {
            self.leader.due.insert(id);
        }
    }

    fn cancel(&mut self, asked: Asked, job: JobId) {
        let at = self.now;
        match self.draft.head(job) {
            None => self.refuse(asked, &NotFound::Job(job).into()),
            Some(head) if head.is_live() && !head.is_complete() => {
                self.record_once(asked, Fact::JobCancelled { job, at, asked });
            }
            Some(_) => self.record_once(asked, Fact::RequestFulfilled { asked, at }),
        }
    }

    fn committed(&mut self, job: JobId, result: &Result<(), String>) {
        let Some(head) = self.draft.head(job).filter(|head| head.phase() == JobPhase::Committing) else {
            return;
        };
        let tries = head.commit_failures.saturating_add(1);
        let at = self.now;
        self.record(match result {
            Ok(()) => Fact::JobCommitted { job, at },
            Err(message) if tries < self.leader.settings.commit_tries_max => {
                Fact::CommitFailed { job, at, message: super::message::clip(message) }
            }
            Err(message) => Fact::JobFailed { job, at, message: super::message::of_commit(tries, message) },
        });
    }
}

fn clipped(name: &str) -> Arc<str> {
    name.chars().take(NAME_CHARS_MAX).collect::<String>().into()
}
