//! Many clients of a key/value store at once, inside the test process: fast enough for tens of thousands of operations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gristmill_linearizable::{Answer, Call, Operation};
use gristmill_model::KvEntry;
use gristmill_protocol::{CallError, Client, Endpoint, KvClient, Mismatch, Written};

use crate::{Random, Recorder};

/// What they do.
#[derive(Clone, Debug)]
pub struct KvClients {
    /// The store: addresses with commas between them. Each client begins at another one.
    pub address: String,
    /// How many.
    pub clients: u64,
    /// How many keys they share.
    pub keys: u64,
    /// Seed of their choices.
    pub seed: u64,
}

/// A client, and what it has seen.
struct KvTask {
    number: u64,
    kv: KvClient,
    random: Random,
    keys: u64,
    /// The versions that it last saw, for compare-and-swap.
    versions: BTreeMap<u64, u64>,
    recorder: Arc<Recorder<Call, Answer>>,
}

impl KvClients {
    /// Runs them until the recorder is ended.
    pub async fn run(self, recorder: Arc<Recorder<Call, Answer>>) {
        let tasks: Vec<_> =
            (0..self.clients).map(|number| tokio::spawn(self.task(number, recorder.clone()).run())).collect();
        for task in tasks {
            task.await.expect("a client does not panic");
        }
    }

    /// Reads every key once.
    pub async fn read_all(&self, recorder: Arc<Recorder<Call, Answer>>) {
        let mut reader = self.task(self.clients, recorder);
        for key in 0..self.keys {
            reader.operate(key, Call::Get).await;
        }
    }

    fn task(&self, number: u64, recorder: Arc<Recorder<Call, Answer>>) -> KvTask {
        // Every other client gives up soon, and does not know then what became of its operation.
        let patience = Duration::from_millis(if number.is_multiple_of(2) { 60_000 } else { 300 });
        let kv = client_at(&self.address, number, patience).kv();
        let random = Random::new(self.seed ^ (number << 32));
        KvTask { number, kv, random, keys: self.keys, versions: BTreeMap::new(), recorder }
    }
}

/// A client that begins at the `number`-th address, counted round and round.
pub(crate) fn client_at(address: &str, number: u64, patience: Duration) -> Client {
    let mut addresses: Vec<&str> = address.split(',').collect();
    let first = usize::try_from(number).unwrap_or(0) % addresses.len();
    addresses.rotate_left(first);
    let endpoint = Endpoint::parse(&addresses.join(",")).expect("the addresses of a group");
    Client::new(endpoint, patience)
}

impl KvTask {
    async fn run(mut self) {
        while !self.recorder.is_over() {
            let key = self.random.below(self.keys);
            let call = self.choose(key);
            self.operate(key, call).await;
        }
    }

    fn choose(&mut self, key: u64) -> Call {
        let value = format!("{}.{};", self.number, self.random.below(1 << 32)).into_bytes().into();
        let seen = self.versions.get(&key).copied().unwrap_or(0);
        match self.random.below(20) {
            0..8 => Call::Get,
            8..11 => Call::Put(value),
            11..15 => Call::Append(value),
            15..18 => Call::Cas(seen, value),
            18 => Call::Delete(None),
            _ => Call::Delete(Some(seen)),
        }
    }

    /// Does it, and records it. A read that fails says nothing; a change that fails may have happened.
    async fn operate(&mut self, key: u64, call: Call) {
        let name = format!("key{key:03}").into_bytes();
        let called = self.recorder.now();
        let answer = self.ask(&name, &call).await;
        let answered = self.recorder.now();
        match &answer {
            Ok(
                Answer::Written { version, .. }
                | Answer::Entry { version, .. }
                | Answer::Mismatch { version },
            ) => {
                self.versions.insert(key, *version);
            }
            Ok(Answer::Absent | Answer::Deleted { .. }) => {
                self.versions.remove(&key);
            }
            Err(CallError::Refused(refusal)) => {
                assert!(is_of_the_moment(refusal), "{call:?} of `{}`: {refusal}", name.escape_ascii());
            }
            Err(_) => {}
        }
        if answer.is_ok() || call != Call::Get {
            let answered = answer.ok().map(|answer| (answered, answer));
            self.recorder.add(Operation { key: name, client: self.number, call, called, answered });
        }
    }

    async fn ask(&self, key: &[u8], call: &Call) -> Result<Answer, CallError> {
        let kv = &self.kv;
        Ok(match call {
            Call::Get => kv.get(key).await?.map_or(Answer::Absent, entry),
            Call::Put(value) => written(kv.put(key, value.bytes()).await?),
            Call::Append(tail) => written(kv.append(key, tail.bytes()).await?),
            Call::Cas(version, value) => {
                kv.cas(key, *version, value.bytes()).await?.map_or_else(mismatch, written)
            }
            Call::Delete(None) => Answer::Deleted { existed: kv.delete(key).await?, revision: None },
            // Whoever names version 0 wants it to be absent.
            Call::Delete(Some(version)) => kv
                .delete_version(key, *version)
                .await?
                .map_or_else(mismatch, |()| Answer::Deleted { existed: *version != 0, revision: None }),
        })
    }
}

/// Whether a refusal can be of a group that is in trouble, rather than of a call that is wrong.
fn is_of_the_moment(refusal: &gristmill_model::Refusal) -> bool {
    use gristmill_model::Refusal;
    matches!(
        refusal,
        Refusal::NotLeader { .. }
            | Refusal::NoMember { .. }
            | Refusal::Unavailable(_)
            | Refusal::UnknownClient
    )
}

fn entry(entry: KvEntry) -> Answer {
    Answer::Entry { value: entry.value.0.into(), version: entry.version, revision: entry.revision }
}

fn written(written: Written) -> Answer {
    Answer::Written { version: written.version, revision: written.revision }
}

fn mismatch(mismatch: Mismatch) -> Answer {
    Answer::Mismatch { version: mismatch.version }
}
