//! Sessions of clients: what each was answered, so that a request that is repeated is answered again and executed once.
//!
//! An answer is kept until its client says that it has it, or until the session expires. The number of answers is bounded, so a
//! client that never says so is refused. A session with one answer is a few words.

use std::sync::Arc;

use gristmill_model::{ClientId, JobId, KvAnswer, Refusal, RequestId, RequestKey};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::records::Records;
use super::validate::COUNT_MAX;
use super::{Refused, encoding};

/// Answers kept for one client.
pub(crate) const RECORDS_MAX: usize = 1_024;

/// All sessions. A copy costs next to nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sessions {
    next: ClientId,
    #[serde(with = "encoding::map")]
    sessions: OrdMap<ClientId, Arc<Session>>,
    /// By the number that its opening call bore: the same call is the same session.
    #[serde(with = "encoding::map")]
    nonces: OrdMap<u64, ClientId>,
}

/// What is kept of one client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Session {
    nonce: u64,
    /// The client has the answers of all requests before this one.
    done_below: RequestId,
    records: Records,
}

/// What a request was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recorded {
    /// It submitted this job.
    Job(JobId),
    /// It was an operation of the key/value store.
    Kv(KvAnswer),
    /// It was refused, and is never executed.
    Refused(Refused),
    /// It was done, and there is nothing else to say.
    Done,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { next: ClientId(1), sessions: OrdMap::new(), nonces: OrdMap::new() }
    }
}

impl Sessions {
    pub(crate) fn next(&self) -> ClientId {
        self.next
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.sessions.keys().copied()
    }

    pub(crate) fn contains(&self, client: ClientId) -> bool {
        self.sessions.contains_key(&client)
    }

    pub(crate) fn of_nonce(&self, nonce: u64) -> Option<ClientId> {
        self.nonces.get(&nonce).copied()
    }

    /// How many answers are kept for a client.
    pub(crate) fn records(&self, client: ClientId) -> usize {
        self.sessions.get(&client).map_or(0, |session| session.records.len())
    }

    /// How many answers a client would give back by saying this.
    pub(crate) fn releases(&self, client: ClientId, done_below: RequestId) -> usize {
        let session = self.sessions.get(&client);
        session.map_or(0, |session| session.records.count_below(done_below))
    }

    /// What a request was answered, if it was executed; refused when nobody can tell any more, or when its client has no session.
    pub(crate) fn recorded(&self, key: RequestKey) -> Result<Option<Recorded>, Refusal> {
        let session = self.sessions.get(&key.client).ok_or(Refusal::UnknownClient)?;
        if key.request < session.done_below {
            return Err(acknowledged(key));
        }
        Ok(session.records.get(key.request).cloned())
    }

    /// Whether the request may be executed: it was not yet, and its answer can be kept.
    pub(crate) fn check(&self, key: RequestKey, done_below: RequestId) -> Result<(), Refusal> {
        if self.recorded(key)?.is_some() {
            return Err(Refusal::Invalid(format!("request {} of {} is executed", key.request.0, key.client)));
        }
        if key.request < done_below {
            return Err(acknowledged(key));
        }
        if self.records(key.client).saturating_sub(self.releases(key.client, done_below)) >= RECORDS_MAX {
            // Nothing can be recorded of it, so it is not refused for good.
            return Err(Refusal::Unavailable(format!(
                "{} has not acknowledged {RECORDS_MAX} answers; it must say which it has before it asks for more",
                key.client
            )));
        }
        Ok(())
    }

    pub(crate) fn open(&mut self, nonce: u64) {
        let client = self.next;
        self.next = ClientId(client.0.saturating_add(1));
        self.nonces.insert(nonce, client);
        let session = Session { nonce, done_below: RequestId(0), records: Records::default() };
        self.sessions.insert(client, Arc::new(session));
    }

    /// The client has the answers of all requests before this one.
    pub(crate) fn release(&mut self, client: ClientId, done_below: RequestId) {
        let Some(session) = self.sessions.get_mut(&client) else { return };
        if session.done_below >= done_below {
            return;
        }
        let session = Arc::make_mut(session);
        session.done_below = done_below;
        session.records.remove_below(done_below);
    }

    /// Records an answer. The client has those of all requests before `done_below`.
    pub(crate) fn record(&mut self, key: RequestKey, done_below: RequestId, answer: Recorded) {
        self.release(key.client, done_below);
        if let Some(session) = self.sessions.get_mut(&key.client) {
            Arc::make_mut(session).records.insert(key.request, answer);
        }
    }

    pub(crate) fn expire(&mut self, client: ClientId) {
        if let Some(session) = self.sessions.remove(&client) {
            self.nonces.remove(&session.nonce);
        }
    }

    /// Whether they are ones that facts can lead to.
    pub(crate) fn validate(&self, next_job: JobId) -> Result<(), String> {
        if self.next.0 >= COUNT_MAX {
            return Err("the next client is too high".into());
        }
        let nonces = self.sessions.iter().map(|(client, session)| (session.nonce, *client));
        if nonces.collect::<OrdMap<_, _>>() != self.nonces || self.nonces.len() != self.sessions.len() {
            return Err("the numbers of their openings differ from the sessions'".into());
        }
        for (client, session) in &self.sessions {
            let valid = |answer: &Recorded| match answer {
                Recorded::Job(job) => *job < next_job,
                Recorded::Kv(_) | Recorded::Done => true,
                Recorded::Refused(refused) => refused.is_valid(),
            };
            let kept = session.records.all(|at, answer| at >= session.done_below && valid(answer));
            if *client >= self.next || !kept || session.records.len() > RECORDS_MAX {
                return Err(format!("the session of {client} holds what it cannot"));
            }
        }
        Ok(())
    }
}

fn acknowledged(key: RequestKey) -> Refusal {
    Refusal::Invalid(format!(
        "request {} of {} is one whose answer the client said it has; it is not executed",
        key.request.0, key.client
    ))
}
