//! A client of a group, as small as one can be that does what the real one does: finds the leader, numbers its requests within a session, and
//! repeats one under its number until it is answered.

use std::time::Duration;

use gristmill_linearizable::{Answer, Call, Operation};
use gristmill_model::{Blob, ClientId, KvAnswer, KvEntry, KvOp, Refusal, RequestId, RequestKey};
use gristmill_protocol::{ClientServiceRequest, ClientServiceResponse, KvServiceRequest, KvServiceResponse};
use gristmill_replication::NodeId;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep, timeout};

use super::history::History;
use super::wires::{ClientWires, Reply, Request};
use super::world::id_at;

/// How long one member may take to answer before the next is asked.
const ANSWER_MAX: Duration = Duration::from_millis(300);
/// After how long one that gives up gives up.
const IMPATIENCE: Duration = Duration::from_millis(1500);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// See the module.
pub(super) struct Clerk {
    pub(super) number: u64,
    pub(super) random: SmallRng,
    wires: ClientWires,
    members: Vec<NodeId>,
    /// Whom it asks next.
    next: NodeId,
    session: Option<Session>,
    /// So many more requests it gives up when it has repeated them for a while.
    gives_up: u32,
}

/// A session, and the number of the last request in it.
#[derive(Clone, Copy)]
struct Session {
    client: ClientId,
    last: u64,
}

impl Clerk {
    pub(super) fn new(number: u64, seed: u64, wires: ClientWires, members: Vec<NodeId>) -> Self {
        let random = SmallRng::seed_from_u64(seed ^ (number << 32));
        let next = members[usize::try_from(number).unwrap() % members.len()];
        Self { number, random, wires, members, next, session: None, gives_up: 0 }
    }

    /// One that gives so many requests up when they take long, before it has learnt to be patient. Each is one more of which a checker
    /// has to guess whether it happened.
    pub(super) fn giving_up(self, requests: u32) -> Self {
        Self { gives_up: requests, ..self }
    }

    /// Does it, and records it. Nothing when it was given up: a read has then told nothing, and a change may have happened, or may yet.
    pub(super) async fn operate(&mut self, history: &History, key: &str, call: Call) -> Option<Answer> {
        let key = key.as_bytes().to_vec();
        let called = history.now();
        let answer = match op(&key, &call) {
            None => self.get(&key).await.map(|entry| entry.map_or(Answer::Absent, held)),
            Some(op) => self.write(op).await.map(told),
        };
        if answer.is_some() || call != Call::Get {
            let answered = answer.clone().map(|answer| (history.now(), answer));
            history.add(Operation { key, client: self.number, call, called, answered });
        }
        answer
    }

    pub(super) async fn get(&mut self, key: &[u8]) -> Option<Option<KvEntry>> {
        let request = Request::Kv(KvServiceRequest::Get { key: Blob(key.to_vec()) });
        let answer = self.ask(&request, got).await?;
        Some(answer.unwrap_or_else(|refusal| panic!("a read was refused: {refusal}")))
    }

    /// Makes a change, once however often it is sent.
    pub(super) async fn write(&mut self, op: KvOp) -> Option<KvAnswer> {
        let key = self.next_key().await?;
        // What came before is answered, or given up for good.
        let request = Request::Kv(KvServiceRequest::Write { key, done_below: key.request, op });
        match self.ask(&request, written).await? {
            Ok(answer) => Some(answer),
            Err(Refusal::UnknownClient) => {
                self.session = None;
                None
            }
            Err(refusal) => panic!("a write was refused: {refusal}"),
        }
    }

    /// Sends a change once, to one member, and waits for whatever comes back; it is never repeated. Nothing if no member listens there.
    pub(super) async fn write_once(&mut self, to: NodeId, op: KvOp) -> Option<Result<KvAnswer, Refusal>> {
        let key = self.next_key().await?;
        let request = Request::Kv(KvServiceRequest::Write { key, done_below: key.request, op });
        let reply = self.wires.call(self.number, to, &request).await.ok()?;
        written(reply)
    }

    /// Opens its session, if it has none.
    pub(super) async fn begin(&mut self) {
        self.next_key().await;
    }

    async fn next_key(&mut self) -> Option<RequestKey> {
        let mut session = match self.session {
            Some(session) => session,
            None => {
                let nonce = self.random.random();
                let request = Request::Client(ClientServiceRequest::OpenSession { nonce });
                let client = self.ask(&request, opened).await?;
                Session { client: client.expect("a session is opened for everybody"), last: 0 }
            }
        };
        session.last += 1;
        self.session = Some(session);
        Some(RequestKey { client: session.client, request: RequestId(session.last) })
    }

    /// Asks one member after the other until one answers for the group.
    async fn ask<T>(
        &mut self,
        request: &Request,
        read: fn(Reply) -> Option<Result<T, Refusal>>,
    ) -> Option<Result<T, Refusal>> {
        let begun = Instant::now();
        while self.gives_up == 0 || begun.elapsed() < IMPATIENCE {
            let asked = self.wires.call(self.number, self.next, request);
            match timeout(ANSWER_MAX, asked).await {
                Ok(Ok(reply)) => match read(reply).expect("the answer to what was asked") {
                    Err(Refusal::NotLeader { leader: Some(leader) }) if self.random.random_bool(0.9) => {
                        self.next = id_at(&leader);
                    }
                    // Two may name each other, and one that is dead may be named for long.
                    Err(Refusal::NotLeader { .. } | Refusal::Unavailable(_)) => self.turn_away(),
                    answer => return Some(answer),
                },
                Ok(Err(_)) | Err(_) => self.turn_away(),
            }
            sleep(PAUSE_MAX.mul_f64(self.random.random_range(0.05..1.0))).await;
        }
        self.gives_up -= 1;
        None
    }

    fn turn_away(&mut self) {
        let at = self.members.iter().position(|id| *id == self.next).unwrap_or(0);
        self.next = self.members[(at + 1) % self.members.len()];
    }
}

fn got(reply: Reply) -> Option<Result<Option<KvEntry>, Refusal>> {
    match reply {
        Reply::Kv(KvServiceResponse::Get(answer)) => Some(answer),
        _ => None,
    }
}

fn written(reply: Reply) -> Option<Result<KvAnswer, Refusal>> {
    match reply {
        Reply::Kv(KvServiceResponse::Write(answer)) => Some(answer),
        _ => None,
    }
}

fn opened(reply: Reply) -> Option<Result<ClientId, Refusal>> {
    match reply {
        Reply::Client(response) => match *response {
            ClientServiceResponse::OpenSession(answer) => Some(answer),
            _ => None,
        },
        Reply::Kv(_) => None,
    }
}

/// The change that a call is; nothing for a read.
fn op(key: &[u8], call: &Call) -> Option<KvOp> {
    let key = Blob(key.to_vec());
    let value = |value: &gristmill_linearizable::Value| Blob(value.bytes().to_vec());
    Some(match call {
        Call::Get => return None,
        Call::Put(put) => KvOp::Put { key, value: value(put) },
        Call::Append(tail) => KvOp::Append { key, value: value(tail) },
        Call::Cas(version, new) => KvOp::Cas { key, version: *version, value: value(new) },
        Call::Delete(version) => KvOp::Delete { key, version: *version },
    })
}

fn held(entry: KvEntry) -> Answer {
    Answer::Entry { value: entry.value.0.into(), version: entry.version, revision: entry.revision }
}

fn told(answer: KvAnswer) -> Answer {
    match answer {
        KvAnswer::Written { version, revision } => Answer::Written { version, revision },
        KvAnswer::Deleted { revision, existed } => Answer::Deleted { existed, revision: Some(revision) },
        KvAnswer::Mismatch { version } => Answer::Mismatch { version },
    }
}
