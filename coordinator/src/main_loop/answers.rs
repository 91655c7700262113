//! Answers: to polls, to calls that were waiting for a decision, and to questions.

use gristmill_model::{Incarnation, JobId, JobStatus, NotFound, Refusal, Timestamp, WorkerId};
use gristmill_protocol::limits::{PAGE, SEGMENTS_PAGE};
use gristmill_protocol::{ConnectionId, CoordinatorInfo, Orders, PollReply, Registered, Verdict};
use gristmill_scheduler::{Input, LossCause};

use super::intake::Due;
use super::{Finish, MainLoop, Parked};
use crate::event::{Holder, Question, Reply};
use crate::fact_log::FactLog;

/// Explanations of one answer.
const EXPLANATIONS_MAX: usize = 1000;
/// What a page of jobs may have in bytes: far below a frame.
const PAGE_BYTES_MAX: usize = 4 << 20;

impl<L: FactLog> MainLoop<L> {
    /// Sends what the leader has to say to waiting polls.
    pub(super) fn answer_polls(&mut self, now: Timestamp) {
        for answer in self.leader.answers(&self.state, now) {
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
            let _ = parked.reply.send(reply);
        }
    }

    /// Tells every waiting worker to leave.
    pub(super) fn send_all_away(&mut self) {
        for (_, Parked { holder, reply }) in std::mem::take(&mut self.polls) {
            let orders = self.orders(holder);
            let _ = reply.send(orders.map(|orders| PollReply { orders, ..PollReply::default() }));
        }
    }

    pub(super) fn answer_due(&mut self, due: Vec<Due>, now: Timestamp) {
        for due in due {
            match due {
                Due::Registered(connection, incarnation, reply) => {
                    self.welcome(connection, incarnation, reply);
                }
                Due::Orders(holder, reply) => drop(reply.send(self.orders(holder))),
                Due::Segments(Holder { worker, incarnation }, attempt, from, reply) => {
                    let page = self.state.segments(worker, incarnation, attempt, from, SEGMENTS_PAGE);
                    let _ = reply.send(page);
                }
                Due::Gone(reply) => drop(reply.send(Ok(self.state.live_jobs()))),
                Due::Cancelled(reply) => drop(reply.send(Ok(()))),
                Due::Submitted(key) => self.answer_submission(key),
                Due::Answer(question) => self.answer_question(question, now),
            }
        }
    }

    fn is_leaving(&self) -> bool {
        matches!(self.finish, Finish::Leaving(_))
    }

    fn orders(&mut self, holder: Holder) -> Result<Orders, Refusal> {
        let finished = self.is_leaving();
        let given = self.leader.orders(&self.state, holder.worker, holder.incarnation)?;
        Ok(orders(given, finished))
    }

    fn welcome(&mut self, connection: ConnectionId, incarnation: Incarnation, reply: Reply<Registered>) {
        let Some(worker) = self.state.worker_of(incarnation) else {
            let _ = reply.send(Err(Refusal::Unavailable("the registration was overtaken".to_owned())));
            return;
        };
        if reply.is_closed() {
            self.left_while_joining(worker);
            return;
        }
        self.connections.bind(connection, worker);
        let _ = reply.send(Ok(Registered {
            worker,
            cluster: self.state.cluster(),
            live_jobs: self.state.live_jobs(),
            heartbeat_ms: self.tools.heartbeat_ms,
        }));
    }

    /// Its connection has been reported closed already, before it was known whose it was.
    fn left_while_joining(&mut self, worker: WorkerId) {
        if !self.connections.has(worker) {
            self.next_inputs.push(Input::WorkerGone { worker, cause: LossCause::Disconnected });
        }
    }

    fn answer_question(&mut self, question: Question, now: Timestamp) {
        let (state, leader) = (&self.state, &self.leader);
        match question {
            Question::Info(reply) => {
                let version = env!("CARGO_PKG_VERSION").to_owned();
                let (cluster, slots) = (state.cluster(), state.slots());
                let info = CoordinatorInfo { cluster, version, slots, node: None, leader: None };
                let _ = reply.send(Ok(info));
            }
            Question::Jobs(after, reply) => drop(reply.send(Ok(self.jobs_page(after)))),
            Question::Explain(job, task, reply) => {
                let explained = leader.explain(state, now, job, task).map(|mut all| {
                    all.truncate(EXPLANATIONS_MAX);
                    all
                });
                let _ = reply.send(explained.map_err(Into::into));
            }
            Question::Known(job, reply) => {
                let known = state.spec(job).map(|_| ()).ok_or_else(|| NotFound::Job(job).into());
                let _ = reply.send(known);
            }
            Question::Workers(reply) => drop(reply.send(Ok(leader.workers(state, now)))),
        }
    }

    fn jobs_page(&self, after: JobId) -> Vec<JobStatus> {
        let mut page: Vec<JobStatus> = Vec::new();
        let mut bytes = 0;
        for job in self.state.jobs(after).take(PAGE) {
            let Ok(status) = self.leader.job_status(&self.state, job) else { continue };
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
    Orders { cancel: orders.cancel, forget: orders.forget, finished, leave: false }
}

fn wire(verdict: gristmill_scheduler::Verdict) -> Verdict {
    match verdict {
        gristmill_scheduler::Verdict::Won => Verdict::Won,
        gristmill_scheduler::Verdict::Discarded => Verdict::Discarded,
    }
}
