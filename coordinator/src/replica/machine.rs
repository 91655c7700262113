//! The scheduler's state as the machine that a group replicates.

use std::io::{self, Read, Write};

use gristmill_replication::{Machine, ReadError};
use gristmill_scheduler::{Effect, IllegalFact, State, apply};

use super::Entry;

/// The state, with the rule that an entry counts only in the term in which it was decided.
#[derive(Debug, Default)]
pub(crate) struct Replicated {
    pub(crate) state: State,
}

/// Why an entry changed nothing, or not all that it should have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Void {
    /// It was decided under an earlier leadership, on an older state.
    #[error("decided in term {decided}, but entered the log in term {entered}")]
    Stale {
        /// When it was decided.
        decided: u64,
        /// When it entered the log.
        entered: u64,
    },
    /// A fact does not fit.
    #[error(transparent)]
    Illegal(#[from] IllegalFact),
}

impl Machine for Replicated {
    type Entry = Entry;
    type Outcome = Result<Vec<Effect>, Void>;
    type Frozen = State;

    fn apply(&mut self, term: u64, entry: Entry) -> Self::Outcome {
        if entry.term != term {
            return Err(Void::Stale { decided: entry.term, entered: term });
        }
        let mut effects = Vec::new();
        for fact in entry.facts.iter() {
            effects.extend(apply(&mut self.state, fact)?);
        }
        Ok(effects)
    }

    fn freeze(&self) -> State {
        self.state.clone()
    }

    fn write(frozen: &State, out: &mut dyn Write) -> io::Result<()> {
        postcard::to_io(frozen, out).map(drop).map_err(io::Error::other)
    }

    fn read(input: &mut dyn Read) -> Result<Self, ReadError> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        let invalid =
            |error: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        let (state, rest) = postcard::take_from_bytes::<State>(&bytes).map_err(|error| invalid(&error))?;
        if !rest.is_empty() {
            return Err(invalid(&format!("{} bytes follow the state", rest.len())).into());
        }
        state.validate().map_err(|error| invalid(&error))?;
        Ok(Self { state })
    }
}
