//! Whose directory it is.
//!
//! ```text
//!   magic [8] · version u8 · CRC32C of the rest, little-endian u32 · postcard(Identity)
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::Path;

use crc32c::crc32c;
use serde::{Deserialize, Serialize};

use crate::network::NodeId;

const MAGIC: &[u8; 8] = b"GMNODEID";
/// The format of the whole directory. A node refuses a later one.
pub(crate) const DIRECTORY_VERSION: u8 = 1;

/// Whose directory it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) id: NodeId,
    /// A random number: tells this directory from any other that the same node may have had.
    pub(crate) lineage: u64,
    /// The members that founded its group.
    pub(crate) founders: BTreeMap<NodeId, String>,
}

/// Why an identity cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is of version {found}")]
    Newer { found: u8 },
    #[error("{0}")]
    Damaged(&'static str),
}

impl Identity {
    /// The name of its file.
    pub(crate) const FILE: &str = "identity";

    pub(crate) fn new(id: NodeId, founders: BTreeMap<NodeId, String>) -> Self {
        Self { id, lineage: RandomState::new().hash_one(id), founders }
    }

    /// The identity in this directory, if it has one.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, IdentityError> {
        match fs::read(directory.join(Self::FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
            Ok(bytes) => Self::decode(&bytes).map(Some),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let rest =
            bytes.strip_prefix(MAGIC).ok_or(IdentityError::Damaged("it does not begin as it should"))?;
        let (&version, rest) = rest.split_first().ok_or(IdentityError::Damaged("it is cut off"))?;
        if version > DIRECTORY_VERSION {
            return Err(IdentityError::Newer { found: version });
        }
        let (sum, body) = rest.split_first_chunk::<4>().ok_or(IdentityError::Damaged("it is cut off"))?;
        if crc32c(body) != u32::from_le_bytes(*sum) || version != DIRECTORY_VERSION {
            return Err(IdentityError::Damaged("its checksum does not fit"));
        }
        postcard::from_bytes(body).map_err(|_| IdentityError::Damaged("it says nothing known"))
    }

    /// Writes it: it is durable, or not there.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        let body = postcard::to_stdvec(self).map_err(io::Error::other)?;
        let unfinished = directory.join("identity.new");
        let mut file = File::create(&unfinished)?;
        file.write_all(MAGIC)?;
        file.write_all(&[DIRECTORY_VERSION])?;
        file.write_all(&crc32c(&body).to_le_bytes())?;
        file.write_all(&body)?;
        file.sync_all()?;
        fs::rename(&unfinished, directory.join(Self::FILE))?;
        File::open(directory)?.sync_all()
    }
}

/// Members in one line, as the command line takes them.
pub(crate) fn text(members: &BTreeMap<NodeId, String>) -> String {
    let parts: Vec<_> = members.iter().map(|(id, address)| format!("{id}={address}")).collect();
    parts.join(",")
}
