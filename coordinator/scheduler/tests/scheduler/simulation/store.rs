//! An independent account of sessions, keys and values: what each operation must be answered, worked out by a plain model, and which requests were
//! executed in which session.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::{ClientId, KvAnswer, KvEvents, KvOp, Refusal, RequestKey};
use gristmill_scheduler::{Asked, Fact, Recorded, Refused, VALUE_BYTES_MAX};

use super::life::Life;

#[derive(Debug, Default)]
pub(super) struct Store {
    /// Value, version and revision of each key.
    entries: BTreeMap<Vec<u8>, (Vec<u8>, u64, u64)>,
    revision: u64,
    /// Versions that each key has had.
    versions: BTreeMap<Vec<u8>, BTreeSet<u64>>,
    open: BTreeSet<ClientId>,
    ever_open: BTreeSet<ClientId>,
    /// What every request that was executed must be answered, ever.
    answers: BTreeMap<RequestKey, Recorded>,
    /// By which entry each was executed.
    executed_by: BTreeMap<RequestKey, usize>,
    /// What clients were told to be refused for good.
    told_refused: BTreeSet<RequestKey>,
    /// Large values that were written.
    pub(super) large: usize,
}

impl Store {
    fn execute(&mut self, key: RequestKey, answer: Recorded, entry: usize) {
        self.executed_by.insert(key, entry);
        assert!(self.open.contains(&key.client), "{key:?} is executed without a session");
        assert!(!self.told_refused.contains(&key), "{key:?} was refused, and is executed");
        assert!(self.answers.insert(key, answer).is_none(), "{key:?} is executed twice");
    }

    fn carry_out(&mut self, op: &KvOp) -> Option<KvAnswer> {
        let key = op.key().0.clone();
        let known = self.entries.get(&key).map_or(0, |(_, version, _)| *version);
        let value = match op {
            KvOp::Put { value, .. } => value.0.clone(),
            KvOp::Append { value, .. } => {
                let old = self.entries.get(&key).map_or(&[][..], |(value, ..)| value);
                [old, &value.0].concat()
            }
            KvOp::Cas { version, .. } if *version != known => {
                return Some(KvAnswer::Mismatch { version: known });
            }
            KvOp::Cas { value, .. } => value.0.clone(),
            KvOp::Delete { version: Some(version), .. } if *version != known => {
                return Some(KvAnswer::Mismatch { version: known });
            }
            KvOp::Delete { .. } => {
                let existed = self.entries.remove(&key).is_some();
                self.revision += u64::from(existed);
                return Some(KvAnswer::Deleted { revision: self.revision, existed });
            }
        };
        self.revision += 1;
        // Of a key that is new the version is the store's to choose, as long as the key never had it.
        let version = (known > 0).then_some(known + 1);
        self.entries.insert(key, (value, version.unwrap_or(0), self.revision));
        version.map(|version| KvAnswer::Written { version, revision: self.revision })
    }

    /// Takes the version that a new key was given.
    fn name_version(&mut self, op: &KvOp, answer: KvAnswer) {
        let KvAnswer::Written { version, revision } = answer else { return };
        let key = &op.key().0;
        let fresh = self.versions.entry(key.clone()).or_default().insert(version);
        assert!(fresh, "version {version} of {key:?} comes twice");
        assert_eq!(revision, self.revision);
        if let Some((_, known, _)) = self.entries.get_mut(key) {
            *known = version;
        }
    }
}

impl Life {
    /// What a client hears at last is what was executed or refused, at a time between its call and now.
    pub(super) fn check_answer(
        &mut self,
        key: RequestKey,
        called_at: usize,
        answer: &Result<Recorded, Refusal>,
    ) {
        match answer {
            Ok(answer) => {
                assert_eq!(self.store.answers.get(&key), Some(answer), "the answer to {key:?}");
                let executed = self.store.executed_by[&key];
                assert!((called_at..self.entries.len()).contains(&executed), "{key:?} by entry {executed}");
            }
            Err(refusal) => {
                if Refused::of(refusal).is_some() {
                    self.store.told_refused.insert(key);
                }
                let executed = self.store.answers.contains_key(&key);
                assert!(!executed, "{key:?} was executed, and refused: {answer:?}");
            }
        }
    }

    /// Whether the answer that a fact has made is the right one.
    pub(super) fn check_clients(&mut self, fact: &Fact) {
        match fact {
            Fact::SessionOpened { client, .. } => {
                assert!(self.store.ever_open.insert(*client), "{client} is opened twice");
                self.store.open.insert(*client);
            }
            Fact::SessionExpired { client, .. } => {
                assert!(self.store.open.remove(client), "{client} expires and was not open");
            }
            Fact::JobSubmitted { job, spec, .. } => {
                self.store.execute(spec.key, Recorded::Job(*job), self.entries.len());
            }
            Fact::KvApplied { key, op, .. } => {
                let expected = self.store.carry_out(op);
                let Ok(Some(Recorded::Kv(answer))) = self.state.recorded(*key) else {
                    panic!("{key:?} was executed and is not recorded")
                };
                assert!(
                    expected.is_none_or(|expected| expected == answer),
                    "{op:?}: {answer:?}, not {expected:?}"
                );
                self.store.name_version(op, answer);
                self.store.large += usize::from(is_large(op));
                self.store.execute(*key, Recorded::Kv(answer), self.entries.len());
                self.met.note(match answer {
                    KvAnswer::Written { .. } => "kv written",
                    KvAnswer::Deleted { .. } => "kv deleted",
                    KvAnswer::Mismatch { .. } => "kv mismatch",
                });
            }
            Fact::RequestRefused { asked, refused, .. } => {
                let answer = Recorded::Refused(refused.clone());
                assert_eq!(self.state.recorded(asked.key), Ok(Some(answer.clone())), "{asked:?} was refused");
                self.store.execute(asked.key, answer, self.entries.len());
            }
            Fact::JobCancelled { asked, .. }
            | Fact::WorkerDraining { asked, .. }
            | Fact::RequestFulfilled { asked, .. } => {
                assert_eq!(self.state.recorded(asked.key), Ok(Some(Recorded::Done)), "{asked:?} was done");
                self.store.execute(asked.key, Recorded::Done, self.entries.len());
            }
            _ => {}
        }
    }

    /// What the coordinator says to a request after the batch.
    pub(super) fn answer_request(&mut self, m: usize, asked: Asked) -> Result<Recorded, Refusal> {
        let Some(answer) = self.member_state(m).recorded(asked.key)? else {
            let refusal = self.member_state(m).done_answer(asked).expect_err("nothing is recorded");
            let undone = matches!(refusal, Refusal::Unavailable(_));
            assert!(!undone, "nothing that may be carried out or refused is left undone: {asked:?}");
            return Err(refusal);
        };
        assert_eq!(self.store.answers.get(&asked.key), Some(&answer), "{asked:?}");
        self.met.note(match &answer {
            Recorded::Refused(refused) if matches!(refused.refusal(), Refusal::NotFound(_)) => {
                "named too early"
            }
            Recorded::Refused(_) => "kv refused",
            _ => "answered",
        });
        Ok(answer)
    }

    /// The store is what the model says, and its changes can be watched.
    pub(super) fn check_kv(&mut self) {
        let kv = self.state.kv();
        assert_eq!(kv.revision(), self.store.revision);
        let listed: Vec<_> = kv.list(b"", None, usize::MAX);
        let listed =
            listed.into_iter().map(|entry| (entry.key.0, (entry.value.0, entry.version, entry.revision)));
        assert!(listed.eq(self.store.entries.clone()), "the store is not {:?}", self.store.entries);
        let mut watched = 1;
        loop {
            let KvEvents::Events { events, next } = kv.events(b"", watched) else {
                panic!("so few changes are remembered")
            };
            assert_eq!(next, watched + events.len() as u64);
            if events.is_empty() {
                break;
            }
            self.met.note("watched");
            watched = next;
        }
        assert_eq!(watched, self.store.revision + 1);
    }
}

/// Whether it writes so much that there may be no room for it.
fn is_large(op: &KvOp) -> bool {
    matches!(op, KvOp::Append { value, .. } if value.0.len() + 1 == VALUE_BYTES_MAX)
}
