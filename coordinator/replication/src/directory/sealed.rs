//! A small file that is whole or not there.
//!
//! ```text
//!   magic [8] · version u8 · CRC32C of the rest, little-endian u32 · postcard of what it says
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crc32c::crc32c;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A kind of such files.
pub(crate) struct Sealed {
    pub(crate) name: &'static str,
    pub(crate) magic: &'static [u8; 8],
    /// A later one is refused.
    pub(crate) version: u8,
}

/// Why such a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealedError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is of version {found}")]
    Newer { found: u8, known: u8 },
    #[error("{0}")]
    Damaged(&'static str),
}

impl Sealed {
    /// What the file in this directory says, if it is there.
    pub(crate) fn read<T: DeserializeOwned>(&self, directory: &Path) -> Result<Option<T>, SealedError> {
        match fs::read(directory.join(self.name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
            Ok(bytes) => self.decode(&bytes).map(Some),
        }
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, SealedError> {
        let damaged = SealedError::Damaged;
        let rest = bytes.strip_prefix(self.magic).ok_or(damaged("it does not begin as it should"))?;
        let (&version, rest) = rest.split_first().ok_or(damaged("it is cut off"))?;
        if version > self.version {
            return Err(SealedError::Newer { found: version, known: self.version });
        }
        let (sum, body) = rest.split_first_chunk::<4>().ok_or(damaged("it is cut off"))?;
        if crc32c(body) != u32::from_le_bytes(*sum) || version != self.version {
            return Err(damaged("its checksum does not fit"));
        }
        postcard::from_bytes(body).map_err(|_| damaged("it says nothing known"))
    }

    /// Writes it in the place of what was there: it is durable then.
    pub(crate) fn write(&self, directory: &Path, what: &impl Serialize) -> io::Result<()> {
        let body = postcard::to_stdvec(what).map_err(io::Error::other)?;
        let unfinished = directory.join(format!("{}.new", self.name));
        let mut file = File::create(&unfinished)?;
        file.write_all(self.magic)?;
        file.write_all(&[self.version])?;
        file.write_all(&crc32c(&body).to_le_bytes())?;
        file.write_all(&body)?;
        file.sync_all()?;
        fs::rename(&unfinished, directory.join(self.name))?;
        File::open(directory)?.sync_all()
    }
}
