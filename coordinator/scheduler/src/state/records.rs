//! The answers that are kept for one client.
//!
//! Nearly every client has one, for each of its calls takes back those before it; and there may be a hundred thousand clients. So one answer
//! lies in place, where a node of a tree would take ten times as much.

use gristmill_model::RequestId;
use imbl::OrdMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::encoding::map;
use super::sessions::Recorded;

/// Answers by their requests. A copy costs next to nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Records {
    /// At most one.
    One(Option<(RequestId, Recorded)>),
    /// At least two.
    Many(OrdMap<RequestId, Recorded>),
}

impl Default for Records {
    fn default() -> Self {
        Self::One(None)
    }
}

impl Records {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(answer) => usize::from(answer.is_some()),
            Self::Many(answers) => answers.len(),
        }
    }

    pub(super) fn get(&self, request: RequestId) -> Option<&Recorded> {
        match self {
            Self::One(answer) => answer.as_ref().filter(|(of, _)| *of == request).map(|(_, answer)| answer),
            Self::Many(answers) => answers.get(&request),
        }
    }

    /// How many are of requests before this one.
    pub(super) fn count_below(&self, request: RequestId) -> usize {
        match self {
            Self::One(answer) => usize::from(answer.as_ref().is_some_and(|(of, _)| *of < request)),
            Self::Many(answers) => answers.range(..request).count(),
        }
    }

    /// Whether this is so for each.
    pub(super) fn all(&self, holds: impl Fn(RequestId, &Recorded) -> bool) -> bool {
        match self {
            Self::One(answer) => answer.iter().all(|(request, answer)| holds(*request, answer)),
            Self::Many(answers) => answers.iter().all(|(request, answer)| holds(*request, answer)),
        }
    }

    pub(super) fn insert(&mut self, request: RequestId, answer: Recorded) {
        match self {
            Self::One(None) => *self = Self::One(Some((request, answer))),
            Self::One(Some(first)) => {
                let both = [first.clone(), (request, answer)];
                *self = both.into_iter().collect::<OrdMap<_, _>>().into();
            }
            Self::Many(answers) => drop(answers.insert(request, answer)),
        }
    }

    /// Forgets those of requests before this one.
    pub(super) fn remove_below(&mut self, request: RequestId) {
        match self {
            Self::One(answer) => drop(answer.take_if(|(of, _)| *of < request)),
            Self::Many(answers) => {
                while let Some(first) = answers.get_min().map(|(first, _)| *first)
                    && first < request
                {
                    answers.remove(&first);
                }
                if answers.len() < 2 {
                    *self = std::mem::take(answers).into();
                }
            }
        }
    }
}

impl From<OrdMap<RequestId, Recorded>> for Records {
    fn from(answers: OrdMap<RequestId, Recorded>) -> Self {
        match answers.len() {
            0 | 1 => Self::One(answers.into_iter().next()),
            _ => Self::Many(answers),
        }
    }
}

/// Written as a map, however many there are.
impl Serialize for Records {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(answer) => {
                let answers: OrdMap<RequestId, Recorded> = answer.iter().cloned().collect();
                map::serialize(&answers, serializer)
            }
            Self::Many(answers) => map::serialize(answers, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        map::deserialize(deserializer).map(|answers: OrdMap<_, _>| answers.into())
    }
}
