//! Plugins and job requests, named by their SHA-256: uploads, reads, and a bound on what they take.
//!
//! A blob becomes visible only when its content has been seen to have its hash; where jobs outlive the process it is durable then. One from
//! an earlier life is hashed again before it is used, so one that a power cut spoilt counts as absent. All functions block.

mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gristmill_model::{Refusal, Sha256};
use gristmill_protocol::limits::{BLOB_BYTES_MAX, CHUNK_BYTES};
use sha2::Digest;

use self::upload::{Progress, UPLOAD_PREFIX, Upload, Uploads};

/// All blobs of a coordinator.
pub(crate) struct Blobs {
    directory: PathBuf,
    bytes_max: u64,
    durable: bool,
    in_use: InUse,
    shelf: Mutex<Shelf>,
    uploads: Mutex<Uploads>,
}

/// Says which blobs live jobs need: these are never removed.
pub(crate) type InUse = Box<dyn Fn() -> BTreeSet<Sha256> + Send + Sync>;

#[derive(Default)]
struct Shelf {
    blobs: BTreeMap<Sha256, Kept>,
    /// Grows with every use, so that the least recently used is known.
    uses: u64,
}

#[derive(Default)]
struct Kept {
    bytes: u64,
    verified: bool,
    last_use: u64,
}

impl Blobs {
    /// Takes over what an earlier life left in `directory`, except what it was still uploading. What is not ours stays.
    pub(crate) fn open(directory: PathBuf, bytes_max: u64, durable: bool, in_use: InUse) -> io::Result<Self> {
        let mut shelf = Shelf::default();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file()))
            else {
                continue;
            };
            if let Some(name) = parse_name(name) {
                let bytes = entry.metadata()?.len();
                shelf.blobs.insert(name, Kept { bytes, ..Kept::default() });
            } else if name.starts_with(UPLOAD_PREFIX) {
                fs::remove_file(entry.path())?;
            }
        }
        let (shelf, uploads) = (Mutex::new(shelf), Mutex::default());
        Ok(Self { directory, bytes_max, durable, in_use, shelf, uploads })
    }

    /// What live jobs need.
    pub(crate) fn in_use(&self) -> BTreeSet<Sha256> {
        (self.in_use)()
    }

    /// How many bytes of it are here; its size when it is complete.
    pub(crate) fn bytes(&self, name: Sha256, now: Instant) -> u64 {
        if let Some(bytes) = self.complete(name) {
            return bytes;
        }
        // Not under the lock of all uploads: one that is being written keeps its own for a while.
        let upload = self.uploads().find(name, now);
        upload.map_or(0, |upload| upload.lock().unwrap_or_else(PoisonError::into_inner).here())
    }

    /// The size of a complete blob.
    pub(crate) fn complete(&self, name: Sha256) -> Option<u64> {
        {
            let mut shelf = self.shelf();
            let (bytes, verified) = shelf.touch(name)?;
            if verified {
                return Some(bytes);
            }
        }
        let hash = hash_file(&self.path(name));
        let mut shelf = self.shelf();
        if hash.is_ok_and(|hash| hash == name) {
            let kept = shelf.blobs.get_mut(&name)?;
            kept.verified = true;
            return Some(kept.bytes);
        }
        tracing::warn!(blob = %name, "a blob was spoilt; it must be uploaded again");
        self.remove(&mut shelf, name);
        None
    }

    /// Takes the next piece of a blob of `total` bytes. Returns how many are here now: one that does not follow is not taken.
    pub(crate) fn put(
        &self,
        name: Sha256,
        total: u64,
        offset: u64,
        piece: &[u8],
        now: Instant,
    ) -> Result<u64, Refusal> {
        if total > BLOB_BYTES_MAX {
            return Err(Refusal::Invalid(format!("a blob of {total} bytes is larger than {BLOB_BYTES_MAX}")));
        }
        if piece.len() > CHUNK_BYTES || offset.checked_add(piece.len() as u64).is_none_or(|end| end > total) {
            let text = format!("{} bytes at {offset} are no piece of a blob of {total}", piece.len());
            return Err(Refusal::Invalid(text));
        }
        if let Some(bytes) = self.complete(name) {
            return Ok(bytes);
        }
        let cannot = |error: io::Error| Refusal::Unavailable(format!("cannot store blob {name}: {error}"));
        let upload = self.uploads().begin(name, total, now, &self.directory).map_err(cannot)?;
        let mut upload = upload.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = upload.append(offset, piece).inspect_err(|_| self.uploads().end(name));
        match progress.map_err(cannot)? {
            Progress::Partial(here) => Ok(here),
            Progress::Whole(hash) if hash == name => {
                self.make_room(total)?;
                upload.keep(&self.path(name), self.durable).map_err(cannot)?;
                self.shelf().add(name, total);
                self.uploads().end(name);
                Ok(total)
            }
            Progress::Whole(hash) => {
                self.uploads().end(name);
                Err(Refusal::Invalid(format!("the uploaded bytes have the hash {hash}, not {name}")))
            }
        }
    }

    /// Up to [`CHUNK_BYTES`] from `offset` on; empty at the end.
    pub(crate) fn read(&self, name: Sha256, offset: u64) -> Result<Vec<u8>, Refusal> {
        let bytes = self.complete(name).ok_or_else(|| Refusal::UnknownBlob(name.to_string()))?;
        let left = usize::try_from(bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut piece = vec![0; left.min(CHUNK_BYTES)];
        let read = File::open(self.path(name)).and_then(|file| file.read_exact_at(&mut piece, offset));
        match read {
            Ok(()) => Ok(piece),
            Err(error) => Err(Refusal::Unavailable(format!("cannot read blob {name}: {error}"))),
        }
    }

    /// The whole of it, if it has at most `bytes_max` bytes.
    pub(crate) fn read_whole(&self, name: Sha256, bytes_max: u64) -> Result<Vec<u8>, Refusal> {
        let bytes = self.complete(name).ok_or_else(|| Refusal::UnknownBlob(name.to_string()))?;
        if bytes > bytes_max {
            return Err(Refusal::Invalid(format!("blob {name} has {bytes} bytes, more than {bytes_max}")));
        }
        fs::read(self.path(name))
            .map_err(|error| Refusal::Unavailable(format!("cannot read blob {name}: {error}")))
    }

    /// Removes those that were not used for longest until `bytes` more fit.
    fn make_room(&self, bytes: u64) -> Result<(), Refusal> {
        let mut shelf = self.shelf();
        if shelf.bytes() + bytes <= self.bytes_max {
            return Ok(());
        }
        let in_use = self.in_use();
        while shelf.bytes() + bytes > self.bytes_max {
            let Some(oldest) = shelf.least_used(&in_use) else {
                return Err(Refusal::Unavailable(
                    "the blobs of running jobs fill the coordinator's disk".to_owned(),
                ));
            };
            self.remove(&mut shelf, oldest);
        }
        Ok(())
    }

    fn remove(&self, shelf: &mut Shelf, name: Sha256) {
        shelf.blobs.remove(&name);
        if let Err(error) = fs::remove_file(self.path(name)) {
            tracing::warn!(blob = %name, %error, "cannot remove a blob");
        }
    }

    fn path(&self, name: Sha256) -> PathBuf {
        self.directory.join(name.to_string())
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uploads(&self) -> MutexGuard<'_, Uploads> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn touch(&mut self, name: Sha256) -> Option<(u64, bool)> {
        let kept = self.blobs.get_mut(&name)?;
        self.uses += 1;
        kept.last_use = self.uses;
        Some((kept.bytes, kept.verified))
    }

    fn add(&mut self, name: Sha256, bytes: u64) {
        self.uses += 1;
        let kept = self.blobs.entry(name).or_default();
        (kept.bytes, kept.verified, kept.last_use) = (bytes, true, self.uses);
    }

    fn bytes(&self) -> u64 {
        self.blobs.values().map(|kept| kept.bytes).sum()
    }

    fn least_used(&self, in_use: &BTreeSet<Sha256>) -> Option<Sha256> {
        let free = self.blobs.iter().filter(|(name, _)| !in_use.contains(*name));
        free.min_by_key(|(_, kept)| kept.last_use).map(|(name, _)| *name)
    }
}

fn parse_name(text: &str) -> Option<Sha256> {
    let mut name = Sha256([0; 32]);
    for (byte, digits) in name.0.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    (name.to_string() == text).then_some(name)
}

fn hash_file(path: &Path) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Sha256(hasher.finalize().into())),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// An upload that several calls may hold; they take turns.
type Shared = Arc<Mutex<Upload>>;

#[cfg(test)]
mod tests;
