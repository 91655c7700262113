//! The verdict on a history: each key for itself.

use std::collections::BTreeMap;
use std::fmt;

use crate::history::seen;
use crate::search::{Found, search};
use crate::{Evidence, Model, Operation, evidence};

/// What came of a check. Only the first is good: what is not known counts as failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// All operations could have happened one at a time.
    Linearizable,
    /// Those of a key could not.
    NotLinearizable(Evidence),
    /// The budget was spent before that was known of a key.
    Unknown {
        /// The key.
        key: Vec<u8>,
        /// How many operations it has.
        operations: usize,
    },
}

/// Checks a history, with at most `budget` configurations for each key. The operations may come in any order.
pub fn check<M: Model>(history: &[Operation<M::Call, M::Answer>], budget: u64) -> Verdict {
    let mut keys = BTreeMap::<&[u8], Vec<&Operation<M::Call, M::Answer>>>::new();
    for operation in history {
        keys.entry(&operation.key).or_default().push(operation);
    }
    for (key, mut operations) in keys {
        operations.sort_by_key(|operation| operation.called);
        match search::<M>(&seen(&operations, u64::MAX), budget) {
            Found::Order => {}
            Found::NoOrder { deepest } => {
                return Verdict::NotLinearizable(evidence::of::<M>(key, &operations, deepest, budget));
            }
            Found::Exhausted => {
                return Verdict::Unknown { key: key.to_vec(), operations: operations.len() };
            }
        }
    }
    Verdict::Linearizable
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linearizable => f.write_str("linearizable"),
            Self::NotLinearizable(evidence) => write!(f, "not linearizable: {evidence}"),
            Self::Unknown { key, operations } => write!(
                f,
                "not known within the budget: the {operations} operations of key `{}`",
                key.escape_ascii()
            ),
        }
    }
}
