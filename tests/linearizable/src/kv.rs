//! The key/value store's promise for one key.
//!
//! Versions grow by one with each write; a key that comes back after a deletion, or comes at all, has a version above all that it had before:
//! which one depends on other keys, so only the answers tell. Revisions grow with each change of anything in the store; an answer that
//! tells one must fit what is known of those before it.

use std::fmt;
use std::sync::Arc;

use crate::Model;

/// The model of one key.
#[derive(Clone, Copy, Debug)]
pub enum Kv {}

/// Bytes that many operations and states may share.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Value(Arc<[u8]>);

/// What is asked of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// What does it hold?
    Get,
    /// Hold this.
    Put(Value),
    /// Hold this at the end of what it holds.
    Append(Value),
    /// Hold this if the version is still so (0: absent).
    Cas(u64, Value),
    /// Hold nothing any more; with a version, only if it is still so.
    Delete(Option<u64>),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It holds this.
    Entry {
        /// The value.
        value: Value,
        /// Its version.
        version: u64,
        /// The revision that wrote it.
        revision: u64,
    },
    /// It holds nothing.
    Absent,
    /// It is written.
    Written {
        /// Its version now.
        version: u64,
        /// The revision that this made.
        revision: u64,
    },
    /// It is deleted.
    Deleted {
        /// Whether it was there.
        existed: bool,
        /// The store's revision after that, if the client was told.
        revision: Option<u64>,
    },
    /// It has another version, and was not changed.
    Mismatch {
        /// This one (0: absent).
        version: u64,
    },
}

/// One key at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// What it holds.
    value: Option<Value>,
    /// The version of what it holds, or the highest that it had before it was deleted.
    version: Known,
    /// The revision that changed it last.
    revision: Known,
}

/// A number that somebody has told, or that is only known to be at least this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Known {
    Exactly(u64),
    AtLeast(u64),
}

impl Known {
    fn least(self) -> u64 {
        match self {
            Self::Exactly(number) | Self::AtLeast(number) => number,
        }
    }

    /// Whether it may be this number; then it is.
    fn is(self, number: u64) -> Option<Self> {
        let fits = match self {
            Self::Exactly(known) => known == number,
            Self::AtLeast(least) => number >= least,
        };
        fits.then_some(Self::Exactly(number))
    }

    /// The next one, which is one more.
    fn next(self) -> Self {
        match self {
            Self::Exactly(number) => Self::Exactly(number.saturating_add(1)),
            Self::AtLeast(number) => Self::AtLeast(number.saturating_add(1)),
        }
    }

    /// A later one, which is any larger number.
    fn later(self) -> Self {
        Self::AtLeast(self.least().saturating_add(1))
    }
}

impl Key {
    fn is_there(&self) -> bool {
        self.value.is_some()
    }

    /// It is written; if the answer is known, it must have said so.
    fn written(&self, value: Value, answer: Option<&Answer>) -> Option<Self> {
        let version = if self.is_there() { self.version.next() } else { self.version.later() };
        let revision = self.revision.later();
        let (version, revision) = match answer {
            None => (version, revision),
            Some(Answer::Written { version: told, revision: at }) => (version.is(*told)?, revision.is(*at)?),
            Some(_) => return None,
        };
        Some(Self { value: Some(value), version, revision })
    }

    /// It was found to have this version (0: absent).
    fn found(&self, told: u64) -> Option<Self> {
        match (self.is_there(), told) {
            (false, 0) => Some(self.clone()),
            (true, 1..) => Some(Self { version: self.version.is(told)?, ..self.clone() }),
            _ => None,
        }
    }

    /// It was found to have another version than `wanted`, and stays as it is.
    fn mismatched(&self, wanted: u64, answer: Option<&Answer>) -> Option<Self> {
        match answer {
            None => Some(self.clone()),
            Some(Answer::Mismatch { version }) if *version != wanted => self.found(*version),
            Some(_) => None,
        }
    }

    /// With an unknown answer the version may be just the wanted one, or not: either way the state is named after the change, as the
    /// unchanged one needs no step at all.
    fn if_version(
        &self,
        wanted: u64,
        answer: Option<&Answer>,
        change: impl FnOnce(&Self) -> Option<Self>,
    ) -> Option<Self> {
        if matches!(answer, Some(Answer::Mismatch { .. })) {
            return self.mismatched(wanted, answer);
        }
        match self.found(wanted) {
            Some(found) => change(&found),
            None => self.mismatched(wanted, answer),
        }
    }

    fn deleted(&self, answer: Option<&Answer>) -> Option<Self> {
        let (existed, revision) = match answer {
            None => (self.is_there(), None),
            Some(Answer::Deleted { existed, revision }) => (*existed, *revision),
            Some(_) => return None,
        };
        if existed != self.is_there() {
            return None;
        }
        let changed = if existed { self.revision.later() } else { self.revision };
        let revision = match (revision, existed) {
            (None, _) => changed,
            (Some(told), true) => changed.is(told)?,
            // The store's, which other keys may have raised: it may not be below.
            (Some(told), false) if told >= changed.least() => changed,
            (Some(_), false) => return None,
        };
        Some(Self { value: None, version: self.version, revision })
    }

    fn got(&self, answer: Option<&Answer>) -> Option<Self> {
        match (answer, &self.value) {
            (None, _) => Some(self.clone()),
            (Some(Answer::Absent), None) => Some(self.clone()),
            (Some(Answer::Entry { value, version, revision }), Some(held)) if value == held => Some(Self {
                value: Some(held.clone()),
                version: self.version.is(*version)?,
                revision: self.revision.is(*revision)?,
            }),
            _ => None,
        }
    }
}

impl Value {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0.escape_ascii())
    }
}

impl Model for Kv {
    type State = Key;
    type Call = Call;
    type Answer = Answer;

    fn initial() -> Key {
        Key { value: None, version: Known::AtLeast(0), revision: Known::AtLeast(0) }
    }

    fn step(key: &Key, call: &Call, answer: Option<&Answer>) -> Option<Key> {
        match call {
            Call::Get => key.got(answer),
            Call::Put(value) => key.written(value.clone(), answer),
            Call::Append(tail) => {
                let held = key.value.as_ref().map(|held| &held.0[..]).unwrap_or_default();
                key.written([held, &tail.0].concat().into(), answer)
            }
            Call::Cas(version, value) => {
                key.if_version(*version, answer, |key| key.written(value.clone(), answer))
            }
            Call::Delete(None) => key.deleted(answer),
            Call::Delete(Some(version)) => key.if_version(*version, answer, |key| key.deleted(answer)),
        }
    }

    /// Versions never fall, not even when the key is deleted.
    fn age(key: &Key) -> u64 {
        key.version.least()
    }

    fn age_max(_: &Call, answer: &Answer) -> u64 {
        match answer {
            Answer::Written { version, .. } => version.saturating_sub(1),
            Answer::Entry { version, .. } | Answer::Mismatch { version: version @ 1.. } => *version,
            Answer::Absent | Answer::Deleted { .. } | Answer::Mismatch { version: 0 } => u64::MAX,
        }
    }
}
