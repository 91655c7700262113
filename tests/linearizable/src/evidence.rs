//! Why a history is refused, told as shortly as can be.

use std::fmt;

use crate::history::seen;
use crate::search::{Found, search};
use crate::{Model, Operation};

/// How many operations are told beside the one that cannot be explained.
const TOLD_MAX: usize = 12;

/// The first answer of a key that no order explains: up to just before it, the history could have happened one operation at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The key.
    pub key: Vec<u8>,
    /// The operation whose answer does not fit.
    pub culprit: String,
    /// The operations that were under way with it or shortly before it, in the order of their calls.
    pub around: Vec<String>,
    /// The key behind the longest order that fits.
    pub state: String,
}

/// Finds the shortest history that begins as this one does and is refused as well. `deepest` is the state that the whole one led to.
pub(crate) fn of<M: Model>(
    key: &[u8],
    operations: &[&Operation<M::Call, M::Answer>],
    deepest: M::State,
    budget: u64,
) -> Evidence {
    let mut answers: Vec<(u64, usize)> = operations
        .iter()
        .enumerate()
        .filter_map(|(index, operation)| Some((operation.answered_at()?, index)))
        .collect();
    answers.sort_unstable();
    // What begins a linearizable history is linearizable: so the first answer too many is found by halving.
    let (mut refused, mut state) = (answers.len().saturating_sub(1), deepest);
    let mut low = 0;
    while low < refused {
        let middle = low + (refused - low) / 2;
        match search::<M>(&seen(operations, answers[middle].0), budget) {
            Found::NoOrder { deepest } => (refused, state) = (middle, deepest),
            Found::Order | Found::Exhausted => low = middle + 1,
        }
    }
    let (time, culprit) = answers.get(refused).copied().unwrap_or((u64::MAX, 0));
    let before = operations.iter().enumerate().filter(|(index, o)| *index != culprit && o.called <= time);
    let before: Vec<String> = before.map(|(_, operation)| told(operation)).collect();
    Evidence {
        key: key.to_vec(),
        culprit: operations.get(culprit).map(|operation| told(operation)).unwrap_or_default(),
        around: before[before.len().saturating_sub(TOLD_MAX)..].to_vec(),
        state: format!("{state:?}"),
    }
}

fn told<C: fmt::Debug, A: fmt::Debug>(operation: &Operation<C, A>) -> String {
    let Operation { client, call, called, answered, .. } = operation;
    match answered {
        Some((time, answer)) => format!("{called}..{time} client {client}: {call:?} -> {answer:?}"),
        None => format!("{called}.. client {client}: {call:?} -> not known"),
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, culprit, around, state } = self;
        writeln!(f, "key `{}`: no order explains the answer of", key.escape_ascii())?;
        writeln!(f, "  {culprit}")?;
        writeln!(f, "the longest order that fits ends at {state}; before it and beside it:")?;
        around.iter().try_for_each(|operation| writeln!(f, "  {operation}"))
    }
}
