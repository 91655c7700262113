//! What clients do: they open sessions, submit and cancel jobs, drain workers and change keys, several calls at once, and repeat each until it is answered. Now and then one
//! is silent for so long that its session is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use gristmill_model::{
    Blob, ClientId, JobId, JobSpec, KvEntry, KvOp, Refusal, RequestId, RequestKey, Timestamp, WorkerId,
};
use gristmill_scheduler::{Asked, Input, KvCall, Planner, Recorded, VALUE_BYTES_MAX};

use super::life::{Life, step_ms};
use super::network::{Caller, Request};
use crate::fixtures;

const CALLS_MAX: usize = 3;
const REPEAT_MS: u64 = 400;

pub(super) struct Client {
    /// Of its present session.
    nonce: u64,
    /// It says which answers it has when it keeps its session, and not with its calls.
    terse: bool,
    /// It only reads, but for the jobs that it has, and needs no session for that.
    reads: bool,
    /// Now and then it writes so much that there is no room for it.
    bulky: bool,
    id: Option<ClientId>,
    /// The coordinator that it takes for the leader.
    pub(super) target: usize,
    last_request: u64,
    /// Calls that are yet to be answered.
    calls: BTreeMap<RequestId, Waiting>,
    next_open: Timestamp,
    next_keep: Timestamp,
    pub(super) silent_until: Timestamp,
    /// It asks for nothing new from then on, but for the jobs that it still has.
    retires: Option<Timestamp>,
    /// What it is to submit, and when.
    pub(super) jobs: Vec<(Timestamp, Arc<JobSpec>, Planner)>,
}

struct Waiting {
    call: Call,
    /// When it is sent again.
    again: Timestamp,
    /// When it was made, and how many entries were certain then.
    called: u64,
    entries: usize,
}

#[derive(Clone)]
enum Call {
    Read(Blob),
    Kv(Arc<KvOp>),
    Job(Arc<JobSpec>, Planner),
    Cancel(JobId),
    Drain(WorkerId),
}

impl Client {
    pub(super) fn new(nonce: u64, [terse, reads, bulky]: [bool; 3]) -> Self {
        Self {
            nonce,
            terse,
            reads,
            bulky,
            id: None,
            target: 0,
            last_request: 0,
            calls: BTreeMap::new(),
            next_open: Timestamp::default(),
            next_keep: Timestamp::default(),
            silent_until: Timestamp::default(),
            retires: None,
            jobs: Vec::new(),
        }
    }

    pub(super) fn retire(&mut self, at: Timestamp) {
        (self.retires, self.silent_until) = (Some(at), at);
    }

    pub(super) fn has_session(&self) -> bool {
        self.id.is_some()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.jobs.is_empty()
    }

    fn needs_session(&self, now: Timestamp) -> bool {
        let due = self.jobs.iter().any(|(at, ..)| *at <= now);
        let asked = self.calls.values().any(|waiting| !matches!(waiting.call, Call::Read(_)));
        !self.reads || due || asked
    }

    /// All answers before this request have arrived.
    fn done_below(&self) -> RequestId {
        self.calls.keys().next().copied().unwrap_or(RequestId(self.last_request + 1))
    }

    fn begin(&mut self, waiting: Waiting) {
        self.last_request += 1;
        self.calls.insert(RequestId(self.last_request), waiting);
    }
}

impl Life {
    pub(super) fn act_as_client(&mut self, index: usize) {
        let now = self.now;
        if self.clients[index].silent_until > now {
            return;
        }
        let id = self.clients[index].id;
        if id.is_none() && self.clients[index].needs_session(now) {
            return self.open_session(index);
        }
        self.begin_calls(index);
        let done_below = self.clients[index].done_below();
        if let Some(client) = id.filter(|_| self.clients[index].next_keep <= now) {
            self.clients[index].next_keep = step_ms(now, 1_000);
            self.call_as_client(index, Request::Act(Input::KeepSession { client, done_below }));
        }
        // Whoever has none only reads.
        let client = id.unwrap_or(ClientId(0));
        let due = self.clients[index].calls.iter_mut().filter(|(_, waiting)| waiting.again <= now);
        let due: Vec<_> = due
            .map(|(request, waiting)| {
                waiting.again = step_ms(now, REPEAT_MS);
                (RequestKey { client, request: *request }, waiting.call.clone())
            })
            .collect();
        let done_below = if self.clients[index].terse { RequestId(0) } else { done_below };
        for (key, call) in due {
            let request = match call {
                Call::Read(name) => Request::Read(key.request, name),
                Call::Kv(op) => Request::Act(Input::Kv(KvCall { key, done_below, op })),
                Call::Cancel(job) => Request::Act(Input::Cancel(Asked { key, done_below }, job)),
                Call::Drain(worker) => Request::Act(Input::Drain(Asked { key, done_below }, worker)),
                Call::Job(spec, planner) => {
                    Request::Act(Input::Submit(Arc::new(JobSpec { key, ..(*spec).clone() }), planner))
                }
            };
            self.call_as_client(index, request);
            self.look_elsewhere(index);
        }
    }

    fn open_session(&mut self, index: usize) {
        let now = self.now;
        if self.clients[index].next_open <= now {
            self.clients[index].next_open = step_ms(now, REPEAT_MS);
            let nonce = self.clients[index].nonce;
            self.call_as_client(index, Request::Act(Input::OpenSession { nonce }));
            self.look_elsewhere(index);
        }
    }

    fn call_as_client(&mut self, index: usize, request: Request) {
        let caller = Caller::Client(index, self.clients[index].nonce);
        self.call(self.clients[index].target, caller, request);
    }

    /// Whoever does not answer may not be the leader.
    fn look_elsewhere(&mut self, index: usize) {
        if self.rng.chance(400) {
            self.clients[index].target = (self.clients[index].target + 1) % self.members.len();
        }
    }

    fn begin_calls(&mut self, index: usize) {
        let now = self.now;
        let open = self.clients[index].calls.len() < CALLS_MAX && self.clients[index].retires.is_none();
        let entries = self.entries.len();
        if open && self.rng.chance(if self.clients[index].terse { 300 } else { 100 }) {
            let op = self.draw_op(index);
            let read = self.clients[index].reads || self.rng.chance(300);
            let call = if read { Call::Read(op.key().clone()) } else { Call::Kv(Arc::new(op)) };
            let called = self.histories.tick();
            self.clients[index].begin(Waiting { call, again: now, called, entries });
        }
        let client = &mut self.clients[index];
        if let Some(at) = client.jobs.iter().position(|(at, ..)| *at <= now) {
            let (_, spec, planner) = client.jobs.remove(at);
            let called = self.histories.tick();
            client.begin(Waiting { call: Call::Job(spec, planner), again: now, called, entries });
        }
    }

    /// A client asks for this alone, of this member and once, and then says nothing until it is told to.
    fn ask_once(&mut self, index: usize, member: usize, call: Call) {
        let (called, entries) = (self.histories.tick(), self.entries.len());
        let client = &mut self.clients[index];
        (client.target, client.silent_until) = (member, self.now);
        client.begin(Waiting { call, again: self.now, called, entries });
        self.act_as_client(index);
        self.clients[index].silent_until = Timestamp::from_ms(u64::MAX);
    }

    pub(super) fn write_once(&mut self, index: usize, member: usize, key: &str, value: &str) {
        self.ask_once(index, member, Call::Kv(Arc::new(fixtures::put(key, value))));
    }

    pub(super) fn read_once(&mut self, index: usize, member: usize, key: &str) {
        self.ask_once(index, member, Call::Read(fixtures::blob(key)));
    }

    /// Somebody wants a job to end.
    pub(super) fn ask_to_cancel(&mut self, job: JobId) {
        self.ask(Call::Cancel(job));
    }

    /// Somebody wants a worker to leave.
    pub(super) fn ask_to_drain(&mut self, worker: WorkerId) {
        self.ask(Call::Drain(worker));
    }

    fn ask(&mut self, call: Call) {
        let (called, entries) = (self.histories.tick(), self.entries.len());
        let index = self.rng.below(self.clients.len() as u64) as usize;
        self.clients[index].begin(Waiting { call, again: self.now, called, entries });
    }

    fn draw_op(&mut self, index: usize) -> KvOp {
        if self.clients[index].bulky && self.rng.chance(300) && self.has_little_room() {
            return fixtures::append("a", &"v".repeat(VALUE_BYTES_MAX - 1));
        }
        let key = ["a", "a/1", "a/2", "b", ""][self.rng.below(5) as usize];
        let key = if self.rng.chance(900) && key.is_empty() { "c" } else { key };
        let value = self.rng.below(100).to_string();
        match self.rng.below(4) {
            0 => fixtures::put(key, &value),
            1 => fixtures::append(key, &value),
            2 => fixtures::cas(key, self.rng.below(12), &value),
            _ => {
                let version = self.rng.chance(300).then(|| self.rng.below(12));
                fixtures::delete(key, version)
            }
        }
    }

    /// Whether a large value does not fit beside what a key has. Few are written nevertheless: they cost time.
    fn has_little_room(&self) -> bool {
        let entry = self.state.kv().get(&fixtures::blob("a"));
        entry.is_some_and(|entry| entry.value.0.len() > 1) && self.store.large < 2
    }

    pub(super) fn hear_opened(&mut self, index: usize, nonce: u64, id: ClientId) {
        let client = &mut self.clients[index];
        if client.nonce == nonce {
            client.id = Some(id);
        }
    }

    /// An answer may be late or come twice. One that says that the session is over ends all that was asked in it.
    pub(super) fn hear_executed(
        &mut self,
        index: usize,
        nonce: u64,
        key: RequestKey,
        answer: Result<Recorded, Refusal>,
    ) {
        if self.clients[index].nonce != nonce {
            return;
        }
        if answer == Err(Refusal::UnknownClient) {
            self.met.note("session lost");
            let nonce = self.next_nonce();
            let client = &mut self.clients[index];
            for waiting in std::mem::take(&mut client.calls).into_values() {
                if let Call::Kv(op) = waiting.call {
                    self.histories.wrote(index, waiting.called, &op, None);
                }
            }
            (client.nonce, client.id, client.last_request) = (nonce, None, 0);
            return;
        }
        if let Some(waiting) = self.clients[index].calls.remove(&key.request) {
            self.check_answer(key, waiting.entries, &answer);
            match (waiting.call, answer) {
                (Call::Kv(op), Ok(Recorded::Kv(answer))) => {
                    self.histories.wrote(index, waiting.called, &op, Some(answer));
                }
                (Call::Job(..), Ok(answer)) => self.histories.submitted(index, waiting.called, key, answer),
                // It was not executed.
                _ => {}
            }
        }
    }

    /// What a key held at some time between the call and now.
    pub(super) fn hear_read(&mut self, index: usize, nonce: u64, request: RequestId, found: Option<KvEntry>) {
        let client = &mut self.clients[index];
        if client.nonce != nonce {
            return;
        }
        let Some(waiting) = client.calls.remove(&request) else { return };
        let Call::Read(key) = waiting.call else { panic!("only a read is answered so") };
        let mut since = self.states[waiting.entries..].iter();
        assert!(
            since.any(|state| state.kv().get(&key) == found),
            "{key:?} did not hold {found:?} at any time since it was asked for"
        );
        self.histories.read(index, waiting.called, &key, found);
        self.met.note("key read");
    }
}
