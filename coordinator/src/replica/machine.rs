//! The scheduler's state as the machine that a group replicates.

use std::io::{self, Read, Write};

use gristmill_replication::{Machine, ReadError};
use gristmill_scheduler::{Effect, IllegalFact, STATE_VERSION, State, apply};

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
        out.write_all(&STATE_VERSION.to_le_bytes())?;
        postcard::to_io(frozen, out).map(drop).map_err(io::Error::other)
    }

    fn read(input: &mut dyn Read) -> Result<Self, ReadError> {
        let mut version = [0; size_of::<u16>()];
        input.read_exact(&mut version)?;
        let version = u16::from_le_bytes(version);
        if version != STATE_VERSION {
            return Err(ReadError::Unknown(format!(
                "a state of version {version} is not understood by this gristmill, which writes version {STATE_VERSION}"
            )));
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gristmill_model::ClusterId;
    use gristmill_scheduler::Fact;

    use super::*;

    fn founded() -> Replicated {
        let mut machine = Replicated::default();
        let facts = Arc::new([Fact::Founded { cluster: ClusterId(7) }]);
        machine.apply(3, Entry::new(3, facts)).unwrap();
        machine
    }

    #[test]
    fn an_entry_of_an_earlier_leadership_changes_nothing() {
        let mut machine = founded();
        let before = machine.state.clone();
        let facts = Arc::new([Fact::SessionOpened {
            client: gristmill_model::ClientId(1),
            at: Default::default(),
            nonce: 5,
        }]);
        let late = Entry::new(3, facts);
        assert_eq!(machine.apply(4, late.clone()), Err(Void::Stale { decided: 3, entered: 4 }));
        assert_eq!(machine.state, before);
        assert!(machine.apply(3, late).is_ok());
        assert_ne!(machine.state, before);
    }

    #[test]
    fn a_state_comes_back_from_its_snapshot_and_no_other_version_does() {
        let machine = founded();
        let mut bytes = Vec::new();
        Replicated::write(&machine.freeze(), &mut bytes).unwrap();
        assert_eq!(Replicated::read(&mut bytes.as_slice()).unwrap().state, machine.state);
        bytes[0] ^= 0x40;
        let error = Replicated::read(&mut bytes.as_slice()).unwrap_err().to_string();
        assert!(error.contains("version"), "{error}");
        bytes[0] ^= 0x40;
        for cut in 0..bytes.len() {
            assert!(Replicated::read(&mut &bytes[..cut]).is_err(), "{cut}");
        }
        bytes.push(0);
        assert!(Replicated::read(&mut bytes.as_slice()).is_err());
    }
}
