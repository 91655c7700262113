//! From events to the scheduler's inputs, and what is owed to the callers once these were decided upon.

use gristmill_model::{
    AttemptId, AttemptLog, ClientId, Incarnation, JobId, KvAnswer, Refusal, Report, RequestKey, Segment,
};
use gristmill_protocol::limits::{ASSIGNMENTS_MAX, LONG_POLL_MAX, REPORTS_MAX};
use gristmill_protocol::{
    ConnectionId, Heartbeat, Orders, PROTOCOL_VERSION, PollReply, PollRequest, Registered, WorkerHello,
};
use gristmill_scheduler::{Asked, Hello, Input, LossCause, Poll, PollToken, State};

use super::{Finish, MainLoop, Parked};
use crate::event::{ClientCall, Event, Holder, Question, Reply, WorkerCall};
use crate::replica::Replica;
use crate::report_check;

/// Bytes that the assignments of one answer may take.
const ASSIGNMENTS_BYTES_MAX: usize = 4 << 20;
/// What an assignment may take beside its parameters and splits: paths, names, numbers.
const ASSIGNMENT_BYTES: usize = 16 << 10;
/// Longest name of a worker or machine.
const NAME_BYTES_MAX: usize = 256;
/// More slots than any machine has.
const SLOTS_MAX: u32 = 4096;

/// An answer that is due when the batch was decided upon and applied.
pub(super) enum Due {
    Registered(ConnectionId, Incarnation, Reply<Registered>),
    Orders(Holder, Reply<Orders>),
    Segments(Holder, AttemptId, u32, Reply<Vec<Segment>>),
    Gone(Reply<Vec<JobId>>),
    /// A prepared request has been put to the scheduler.
    Submitted(RequestKey),
    /// A request that asks for nothing but that something is done.
    Done(Asked, Reply<()>),
    Session(u64, Reply<ClientId>),
    KeptSession(ClientId, Reply<()>),
    Written(Asked, Reply<KvAnswer>),
    Answer(Question),
}

impl<R: Replica> MainLoop<R> {
    pub(super) fn take_in(
        &mut self,
        state: &State,
        event: Event,
        inputs: &mut Vec<Input>,
        due: &mut Vec<Due>,
    ) {
        match event {
            Event::Worker(connection, call) => self.take_worker_call(state, connection, call, inputs, due),
            Event::Client(call) => self.take_client_call(state, call, inputs, due),
            Event::Closed(connection) => {
                if let Some(worker) = self.connections.close(connection) {
                    inputs.push(Input::WorkerGone { worker, cause: LossCause::Disconnected });
                }
            }
            Event::Prepared(key, prepared) => self.prepared(key, prepared, inputs, due),
            Event::Committed(job, result) => inputs.push(Input::Committed { job, result }),
            Event::Cleaned(job) => {
                self.cleaning.remove(&job);
            }
            Event::Finish => {
                if matches!(self.finish, Finish::NotAsked) {
                    self.finish = Finish::Asked;
                }
            }
        }
    }

    fn take_client_call(
        &mut self,
        state: &State,
        call: ClientCall,
        inputs: &mut Vec<Input>,
        due: &mut Vec<Due>,
    ) {
        match call {
            ClientCall::Submit(key, request, reply) => self.submit(state, key, request, reply, inputs, due),
            ClientCall::Cancel(asked, job, reply) => {
                inputs.push(Input::Cancel(asked, job));
                due.push(Due::Done(asked, reply));
            }
            ClientCall::Drain(asked, worker, reply) => {
                inputs.push(Input::Drain(asked, worker));
                due.push(Due::Done(asked, reply));
            }
            ClientCall::Job { job, seen, wait_ms, reply } => self.watchers.add(job, seen, wait_ms, reply),
            ClientCall::OpenSession(nonce, reply) => {
                inputs.push(Input::OpenSession { nonce });
                due.push(Due::Session(nonce, reply));
            }
            ClientCall::KeepSession(client, done_below, reply) => {
                inputs.push(Input::KeepSession { client, done_below });
                due.push(Due::KeptSession(client, reply));
            }
            ClientCall::Write(call, reply) => {
                due.push(Due::Written(call.asked(), reply));
                inputs.push(Input::Kv(call));
            }
            ClientCall::Watch { prefix, from, wait_ms, reply } => {
                self.kv_watchers.add(prefix, from, wait_ms, reply);
            }
            ClientCall::Ask(question) => due.push(Due::Answer(question)),
        }
    }

    fn take_worker_call(
        &mut self,
        state: &State,
        connection: ConnectionId,
        call: WorkerCall,
        inputs: &mut Vec<Input>,
        due: &mut Vec<Due>,
    ) {
        match call {
            WorkerCall::Register(hello, reply) => self.register(state, connection, hello, reply, inputs, due),
            WorkerCall::Poll(request, reply) => self.poll(state, connection, request, reply, inputs),
            WorkerCall::Heartbeat(heartbeat, reply) => {
                let Heartbeat { worker, incarnation, running } = heartbeat;
                let holder = Holder { worker, incarnation };
                self.heard(state, connection, holder);
                inputs.push(Input::Heartbeat { worker, incarnation, running });
                due.push(Due::Orders(holder, reply));
            }
            WorkerCall::Segments(holder, attempt, from, reply) => {
                self.heard(state, connection, holder);
                due.push(Due::Segments(holder, attempt, from, reply));
            }
            WorkerCall::Goodbye(holder, reply) => {
                let Holder { worker, incarnation } = holder;
                if state.check_worker(worker, incarnation).is_ok() {
                    self.connections.forget(worker);
                    inputs.push(Input::WorkerGone { worker, cause: LossCause::Goodbye });
                }
                due.push(Due::Gone(reply));
            }
        }
    }

    /// A registered worker has spoken on this connection.
    fn heard(&mut self, state: &State, connection: ConnectionId, holder: Holder) {
        if state.check_worker(holder.worker, holder.incarnation).is_ok() {
            self.connections.bind(connection, holder.worker);
        }
    }

    fn register(
        &mut self,
        state: &State,
        connection: ConnectionId,
        hello: WorkerHello,
        reply: Reply<Registered>,
        inputs: &mut Vec<Input>,
        due: &mut Vec<Due>,
    ) {
        if let Err(refusal) = check_hello(&hello) {
            let _ = reply.send(Err(refusal));
            return;
        }
        let WorkerHello { name, incarnation, slots, machine, running, .. } = hello;
        if let Some(worker) = state.worker_of(incarnation) {
            self.connections.bind(connection, worker);
        }
        inputs.push(Input::Register(Hello { name, incarnation, slots, machine, running }));
        due.push(Due::Registered(connection, incarnation, reply));
    }

    fn poll(
        &mut self,
        state: &State,
        connection: ConnectionId,
        request: PollRequest,
        reply: Reply<PollReply>,
        inputs: &mut Vec<Input>,
    ) {
        let PollRequest { worker, incarnation, free_slots, ahead, held, mut reports, wait_ms } = request;
        if reports.len() > REPORTS_MAX {
            let text = format!("{} reports in one poll are more than {REPORTS_MAX}", reports.len());
            let _ = reply.send(Err(Refusal::Invalid(text)));
            return;
        }
        let holder = Holder { worker, incarnation };
        self.heard(state, connection, holder);
        if state.check_worker(worker, incarnation).is_ok() {
            reports.iter_mut().for_each(|report| self.take_report(state, holder, report));
        }
        self.last_token += 1;
        let token = PollToken(self.last_token);
        self.polls.insert(token, Parked { holder, reply });
        let most = assignments_max(state);
        let free_slots = free_slots.min(most);
        let ahead = ahead.min(most - free_slots);
        let wait_ms = wait_ms.min(u64::try_from(LONG_POLL_MAX.as_millis()).unwrap_or(u64::MAX));
        let poll = Poll { token, worker, incarnation, free_slots, ahead, held, reports, wait_ms };
        inputs.push(Input::Poll(poll));
    }

    /// Makes a report safe, and keeps what the attempt printed.
    fn take_report(&mut self, state: &State, holder: Holder, report: &mut Report) {
        let job = report.attempt.task.job;
        let Some(spec) = state.spec(job) else { return };
        report_check::check(report, spec, &self.tools.outputs.staging(self.cluster, job, spec));
        let (outcome, failed) = report_check::outcome(report);
        if failed || !report.log.0.is_empty() {
            let log = report.log.clone();
            let log = AttemptLog { attempt: report.attempt, worker: holder.worker, outcome, log };
            self.tools.logs.append(&log, failed);
        }
    }
}

/// So many fit into one answer, whatever jobs they are of.
fn assignments_max(state: &State) -> u32 {
    let bytes = |job: &JobId| {
        let spec = state.spec(*job)?;
        let params: usize = spec.params.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
        Some(params + state.splits_bytes_max(*job) + state.order_bytes(*job))
    };
    let each = state.live_jobs().iter().filter_map(bytes).max().unwrap_or(0) + ASSIGNMENT_BYTES;
    let fit = (ASSIGNMENTS_BYTES_MAX / each).clamp(1, ASSIGNMENTS_MAX);
    u32::try_from(fit).unwrap_or(1)
}

fn check_hello(hello: &WorkerHello) -> Result<(), Refusal> {
    if hello.protocol != PROTOCOL_VERSION {
        return Err(Refusal::Version { coordinator: PROTOCOL_VERSION, caller: hello.protocol });
    }
    let invalid = |text: String| Err(Refusal::Invalid(text));
    if hello.name.len() > NAME_BYTES_MAX || hello.machine.len() > NAME_BYTES_MAX {
        return invalid(format!("the names of a worker and its machine have at most {NAME_BYTES_MAX} bytes"));
    }
    if hello.slots > SLOTS_MAX {
        return invalid(format!("{} slots are more than {SLOTS_MAX}", hello.slots));
    }
    if hello.running.len() > SLOTS_MAX as usize {
        return invalid(format!("a worker runs at most {SLOTS_MAX} attempts"));
    }
    Ok(())
}
