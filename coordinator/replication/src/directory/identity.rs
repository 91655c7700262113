//! Whose directory it is.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::sealed::{Sealed, SealedError};
use crate::network::NodeId;

/// Whose directory it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) id: NodeId,
    /// A random number: tells this directory from any other that the same node may have had.
    pub(crate) lineage: u64,
    /// The members that founded its group.
    pub(crate) founders: BTreeMap<NodeId, String>,
}

impl Identity {
    /// Its version is that of the whole directory.
    pub(crate) const FILE: Sealed = Sealed { name: "identity", magic: b"GMNODEID", version: 1 };

    pub(crate) fn new(id: NodeId, founders: BTreeMap<NodeId, String>) -> Self {
        Self { id, lineage: RandomState::new().hash_one(id), founders }
    }

    /// The identity in this directory, if it has one.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, SealedError> {
        Self::FILE.read(directory)
    }

    /// Writes it: it is durable, or not there.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        Self::FILE.write(directory, self)
    }
}

/// Members in one line, as the command line takes them.
pub(crate) fn text(members: &BTreeMap<NodeId, String>) -> String {
    let parts: Vec<_> = members.iter().map(|(id, address)| format!("{id}={address}")).collect();
    parts.join(",")
}
