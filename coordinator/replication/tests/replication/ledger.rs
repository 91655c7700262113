//! The machine of the tests: it writes down every command, and under which term.

use std::io::{Read, Write};

use gristmill_replication::{Machine, ReadError};

/// All commands, in the order in which they were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    commands: Vec<(u64, String)>,
}

impl Ledger {
    /// The commands.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.commands.iter().map(|(_, command)| command.clone()).collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether this command is among them.
    pub(crate) fn has(&self, command: &str) -> bool {
        self.commands.iter().any(|(_, other)| other == command)
    }

    /// Those from a place on.
    pub(crate) fn since(&self, start: usize) -> &[(u64, String)] {
        self.commands.get(start..).unwrap_or_default()
    }
}

impl Machine for Ledger {
    type Entry = String;
    /// How many commands there are now.
    type Outcome = usize;
    type Frozen = Vec<(u64, String)>;

    fn apply(&mut self, term: u64, command: String) -> usize {
        self.commands.push((term, command));
        self.commands.len()
    }

    fn freeze(&self) -> Self::Frozen {
        self.commands.clone()
    }

    fn write(frozen: &Self::Frozen, out: &mut dyn Write) -> std::io::Result<()> {
        for (term, command) in frozen {
            out.write_all(&term.to_le_bytes())?;
            out.write_all(&u32::try_from(command.len()).unwrap().to_le_bytes())?;
            out.write_all(command.as_bytes())?;
        }
        Ok(())
    }

    fn read(input: &mut dyn Read) -> Result<Self, ReadError> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        let mut rest = bytes.as_slice();
        let mut commands = Vec::new();
        let unknown = || ReadError::Unknown("no ledger".into());
        while !rest.is_empty() {
            let (term, after) = rest.split_first_chunk::<8>().ok_or_else(unknown)?;
            let (len, after) = after.split_first_chunk::<4>().ok_or_else(unknown)?;
            let text = after.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or_else(unknown)?;
            let command = String::from_utf8(text.0.to_vec()).map_err(|_| unknown())?;
            commands.push((u64::from_le_bytes(*term), command));
            rest = text.1;
        }
        Ok(Self { commands })
    }
}
