//! Answers: to polls, to calls that were waiting for a decision, and to questions.

use gristmill_model::{Incarnation, JobId, JobStatus, NotFound, Refusal, Timestamp, WorkerId};
use gristmill_protocol::limits::{PAGE, SEGMENTS_PAGE};
use gristmill_protocol::{ConnectionId, Orders, PollReply, Registered, Verdict};
use gristmill_scheduler::{Input, LossCause, State};

use super::intake::Due;
use super::told::Told;
use super::{Finish, MainLoop, Parked, sessions};
use crate::event::{Holder, Question, Reply};
use crate::replica::Replica;

/// Explanations of one answer.
const EXPLANATIONS_MAX: usize = 1000;
/// What a page of jobs may have in bytes: far below a frame.
const PAGE_BYTES_MAX: usize = 4 << 20;

impl<R: Replica> MainLoop<R> {
    /// Everything that can be answered now.
    pub(super) fn prepare_answers(&mut self, replica: &R, due: Vec<Due>, now: Timestamp) -> Told {
        let state = replica.read();
        let mut told = Told::default();
        self.answer_polls(&state, now, &mut told);
        self.answer_due(&state, due, now, &mut told);
        self.serve_watchers(&state, &mut told);
        self.kv_watchers.serve(&state, &mut told);
        told
    }

    /// What the leader has to say to waiting polls.
    fn answer_polls(&mut self, state: &State, now: Timestamp, told: &mut Told) {
        for answer in self.leader.answers(state, now) {
            let Some(parked) = self.polls.remove(&answer.token) else { continue };
            let finished = self.is_leaving();
            let reply = answer.reply.map(|reply| PollReply {
                assignments: reply.assignments,
                verdicts: reply
                    .verdicts
                    .into_iter()
                    .map(|(attempt, verdict)| (attempt, wire(verdict)))
                    .collect(),
                orders: orders(reply.orders, finished),
            });
            match reply {
                Ok(empty) if empty == PollReply::default() => told.say_nothing(parked.reply, Ok(empty)),
                reply => told.say(parked.reply, reply),
            }
        }
    }

    /// Tells every waiting worker to leave.
    pub(super) fn send_all_away(&mut self, state: &State) {
        for (_, Parked { holder, reply }) in std::mem::take(&mut self.polls) {
            let orders = self.orders(state, holder);
            let _ = reply.send(orders.map(|orders| PollReply { orders, ..PollReply::default() }));
        }
    }

    fn answer_due(&mut self, state: &State, due: Vec<Due>, now: Timestamp, told: &mut Told) {
        for due in due {
            match due {
                Due::Registered(connection, incarnation, reply) => {
                    self.welcome(state, connection, incarnation, reply, told);
                }
                Due::Orders(holder, reply) => match self.orders(state, holder) {
                    Ok(none) if none == Orders::default() => told.say_nothing(reply, Ok(none)),
                    orders => told.say(reply, orders),
                },
                Due::Segments(Holder { worker, incarnation }, attempt, from, reply) => {
                    told.say(reply, state.segments(worker, incarnation, attempt, from, SEGMENTS_PAGE));
                }
                Due::Gone(reply) => told.say(reply, Ok(state.live_jobs())),
                Due::Done(asked, reply) => told.say(reply, state.done_answer(asked)),
                Due::Submitted(key) => self.answer_submission(state, key, told),
                Due::Session(nonce, reply) => told.say(reply, sessions::opened(state, nonce)),
                Due::KeptSession(client, reply) => told.say(reply, sessions::kept(state, client)),
                Due::Written(asked, reply) => told.say(reply, state.kv_answer(asked)),
                Due::Answer(question) => self.answer_question(state, question, now, told),
            }
        }
    }

    fn is_leaving(&self) -> bool {
        matches!(self.finish, Finish::Leaving(_))
    }

    fn orders(&mut self, state: &State, holder: Holder) -> Result<Orders, Refusal> {
        let finished = self.is_leaving();
        let given = self.leader.orders(state, holder.worker, holder.incarnation)?;
        Ok(orders(given, finished))
    }

    fn welcome(
        &mut self,
        state: &State,
        connection: ConnectionId,
        incarnation: Incarnation,
        reply: Reply<Registered>,
        told: &mut Told,
    ) {
        let Some(worker) = state.worker_of(incarnation) else {
            told.say(reply, Err(Refusal::Unavailable("the registration was overtaken".to_owned())));
            return;
        };
        if reply.is_closed() {
            self.left_while_joining(worker);
            return;
        }
        self.connections.bind(connection, worker);
        let registered = Registered {
            worker,
            cluster: self.cluster,
            live_jobs: state.live_jobs(),
            heartbeat_ms: self.tools.heartbeat_ms,
            idle_heartbeat_ms: self.tools.idle_heartbeat_ms,
        };
        told.say(reply, Ok(registered));
    }

    /// Its connection has been reported closed already, before it was known whose it was.
    fn left_while_joining(&mut self, worker: WorkerId) {
        if !self.connections.has(worker) {
            self.next_inputs.push(Input::WorkerGone { worker, cause: LossCause::Disconnected });
        }
    }

    fn answer_question(&self, state: &State, question: Question, now: Timestamp, told: &mut Told) {
        match question {
            Question::Slots(reply) => told.say(reply, Ok((self.cluster, state.slots()))),
            Question::Jobs(after, reply) => told.say(reply, Ok(self.jobs_page(state, after))),
            Question::Explain(job, task, reply) => {
                let explained = self.leader.explain(state, now, job, task).map(|mut all| {
                    all.truncate(EXPLANATIONS_MAX);
                    all
                });
                told.say(reply, explained.map_err(Into::into));
            }
            Question::Known(job, reply) => {
                told.say(reply, state.spec(job).map(|_| ()).ok_or_else(|| NotFound::Job(job).into()));
            }
            Question::Submitted(answer, reply) => told.say(reply, answer),
            Question::Workers(reply) => told.say(reply, Ok(self.leader.workers(state, now))),
            Question::Entry(key, reply) => told.say(reply, Ok(state.kv().get(&key))),
            Question::Entries { prefix, after, limit, reply } => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                told.say(reply, Ok(state.kv().list(&prefix.0, after.as_ref(), limit)));
            }
        }
    }

    fn jobs_page(&self, state: &State, after: JobId) -> Vec<JobStatus> {
        let mut page: Vec<JobStatus> = Vec::new();
        let mut bytes = 0;
        for job in state.jobs(after).take(PAGE) {
            let Ok(status) = self.leader.job_status(state, job) else { continue };
            bytes += postcard::experimental::serialized_size(&status).unwrap_or(PAGE_BYTES_MAX);
            if bytes > PAGE_BYTES_MAX && !page.is_empty() {
                break;
            }
            page.push(status);
        }
        page
    }
}

fn orders(orders: gristmill_scheduler::Orders, finished: bool) -> Orders {
    Orders { cancel: orders.cancel, forget: orders.forget, finished, leave: orders.leave }
}

fn wire(verdict: gristmill_scheduler::Verdict) -> Verdict {
    match verdict {
        gristmill_scheduler::Verdict::Won => Verdict::Won,
        gristmill_scheduler::Verdict::Discarded => Verdict::Discarded,
    }
}
