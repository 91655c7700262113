//! Uploads that are under way: appended in order, hashed as they come, given up when they stand still.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gristmill_model::Sha256;
use sha2::Digest;
use tempfile::NamedTempFile;

use super::Shared;

/// How long an upload may stand still.
pub(super) const STANDSTILL_MAX: Duration = Duration::from_secs(600);
/// How many uploads may be under way.
pub(super) const UPLOADS_MAX: usize = 64;

/// How the names of unfinished uploads begin; particular enough to be removed wherever it is found.
pub(super) const UPLOAD_PREFIX: &str = ".gristmill-upload-";

/// All uploads.
#[derive(Default)]
pub(super) struct Uploads {
    open: BTreeMap<Sha256, Entry>,
}

struct Entry {
    upload: Shared,
    total: u64,
    touched: Instant,
}

/// One upload.
pub(super) struct Upload {
    file: Option<NamedTempFile>,
    hasher: sha2::Sha256,
    here: u64,
    total: u64,
}

/// How far an upload is.
pub(super) enum Progress {
    /// So many bytes are here.
    Partial(u64),
    /// All bytes are here, and this is their hash.
    Whole(Sha256),
}

impl Uploads {
    /// The upload of this blob, begun if there is none. One that was begun with another size is begun anew.
    pub(super) fn begin(
        &mut self,
        name: Sha256,
        total: u64,
        now: Instant,
        directory: &Path,
    ) -> io::Result<Shared> {
        self.open.retain(|_, entry| now.saturating_duration_since(entry.touched) < STANDSTILL_MAX);
        if let Some(entry) = self.open.get_mut(&name).filter(|entry| entry.total == total) {
            entry.touched = now;
            return Ok(entry.upload.clone());
        }
        if self.open.len() >= UPLOADS_MAX {
            return Err(io::Error::other("too many uploads are under way"));
        }
        let file = NamedTempFile::with_prefix_in(UPLOAD_PREFIX, directory)?;
        let upload = Upload { file: Some(file), hasher: sha2::Sha256::new(), here: 0, total };
        let upload = Arc::new(Mutex::new(upload));
        self.open.insert(name, Entry { upload: upload.clone(), total, touched: now });
        Ok(upload)
    }

    /// The upload of this blob, if one is under way.
    pub(super) fn find(&self, name: Sha256, now: Instant) -> Option<Shared> {
        let alive = |entry: &&Entry| now.saturating_duration_since(entry.touched) < STANDSTILL_MAX;
        self.open.get(&name).filter(alive).map(|entry| entry.upload.clone())
    }

    /// Forgets it; what it has not kept is removed.
    pub(super) fn end(&mut self, name: Sha256) {
        self.open.remove(&name);
    }
}

impl Upload {
    /// Takes a piece if it follows what is here.
    pub(super) fn append(&mut self, offset: u64, piece: &[u8]) -> io::Result<Progress> {
        let Some(file) = &mut self.file else { return Ok(Progress::Partial(self.here)) };
        if offset == self.here {
            if let Err(error) = file.write_all(piece) {
                // How much was written is not known: what is here cannot be continued.
                self.file = None;
                return Err(error);
            }
            self.hasher.update(piece);
            self.here += piece.len() as u64;
        }
        if self.here < self.total {
            return Ok(Progress::Partial(self.here));
        }
        Ok(Progress::Whole(Sha256(self.hasher.clone().finalize().into())))
    }

    /// How many bytes are here.
    pub(super) fn here(&self) -> u64 {
        self.here
    }

    /// Gives the whole upload its name.
    pub(super) fn keep(&mut self, path: &Path, durably: bool) -> io::Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        if durably {
            file.as_file().sync_data()?;
        }
        file.persist(path).map_err(|error| error.error)?;
        match path.parent() {
            Some(directory) if durably => File::open(directory)?.sync_all(),
            _ => Ok(()),
        }
    }
}
