//! A snapshot on its way in: piece after piece, and resumed where it stopped.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::store::{LoadError, StoredSnapshot, load, load_bytes};
use crate::machine::Machine;
use crate::raft::wire::Piece;

/// What has come of one snapshot.
#[derive(Debug)]
pub(crate) struct Incoming {
    digest: u128,
    total: u64,
    received: u64,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Memory(Vec<u8>),
    File(Unfinished, File),
}

/// A file that is removed unless it is kept.
#[derive(Debug)]
pub(crate) struct Unfinished(Option<PathBuf>);

impl Unfinished {
    /// It has another name from now on, or is somebody else's.
    pub(crate) fn keep(mut self) -> PathBuf {
        self.0.take().unwrap_or_default()
    }

    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// What a piece was good for.
pub(crate) enum Taken {
    /// It is the bytes from here on that are wanted.
    Next(u64),
    /// It was the last.
    Whole(Incoming),
}

impl Incoming {
    /// Begins with the snapshot that this piece belongs to, at this path or in memory.
    pub(crate) fn begin(piece: &Piece, path: Option<PathBuf>) -> io::Result<Self> {
        let sink = match path {
            None => Sink::Memory(Vec::new()),
            Some(path) => {
                let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
                Sink::File(Unfinished(Some(path)), file)
            }
        };
        Ok(Self { digest: piece.digest, total: piece.total, received: 0, sink })
    }

    /// Whether the piece belongs to this snapshot.
    pub(crate) fn is_of(&self, piece: &Piece) -> bool {
        self.digest == piece.digest && self.total == piece.total
    }

    /// Takes a piece in, if it is the one that comes next. Blocks.
    pub(crate) fn take(mut self, piece: &Piece) -> io::Result<(Option<Self>, Taken)> {
        let bytes = &piece.bytes.0;
        let fits = piece.offset == self.received && bytes.len() as u64 <= self.total - self.received;
        if fits {
            match &mut self.sink {
                Sink::Memory(all) => all.extend_from_slice(bytes),
                Sink::File(_, file) => file.write_all(bytes)?,
            }
            self.received += bytes.len() as u64;
        }
        if self.received == self.total {
            return Ok((None, Taken::Whole(self)));
        }
        let next = Taken::Next(self.received);
        Ok((Some(self), next))
    }

    /// Reads it whole: the state, and where it is until it is kept. Blocks.
    pub(crate) fn read<M: Machine>(self) -> Result<(M, StoredSnapshot, Option<Unfinished>), LoadError> {
        match self.sink {
            Sink::Memory(bytes) => {
                let (machine, stored) = load_bytes(bytes)?;
                Ok((machine, stored, None))
            }
            Sink::File(path, file) => {
                file.sync_all().map_err(super::file::BadSnapshot::Io)?;
                let (machine, stored) = load(path.path())?;
                Ok((machine, stored, Some(path)))
            }
        }
    }
}
