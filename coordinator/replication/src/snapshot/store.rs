//! Where the current snapshot of a node is kept.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Cursor, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::file::{BadSnapshot, SnapshotReader, SnapshotWriter};
use crate::health::{Health, cannot_keep};
use crate::log::MemoryStore;
use crate::machine::{Machine, ReadError};
use crate::raft::wire::About;

/// Beside the log.
pub(crate) const SNAPSHOT: &str = "snapshot";
const UNFINISHED: &str = "snapshot.new";
const INCOMING: &str = "snapshot.incoming-";

/// A whole snapshot, in memory or in a file that stays readable even when a later snapshot takes its name.
#[derive(Clone, Debug)]
pub(crate) struct StoredSnapshot {
    pub(crate) about: About,
    pub(crate) digest: u128,
    len: u64,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Memory(Arc<Vec<u8>>),
    File(Arc<File>),
}

impl StoredSnapshot {
    pub(crate) fn in_memory(about: About, bytes: Vec<u8>, digest: u128) -> Self {
        Self { about, digest, len: bytes.len() as u64, content: Content::Memory(Arc::new(bytes)) }
    }

    fn in_file(about: About, file: File, len: u64, digest: u128) -> Self {
        Self { about, digest, len, content: Content::File(Arc::new(file)) }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Up to `len` bytes from `offset` on. May block.
    pub(crate) fn bytes(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let rest = self.len.saturating_sub(offset);
        let len = usize::try_from(rest).unwrap_or(usize::MAX).min(len);
        let mut bytes = vec![0; len];
        match &self.content {
            Content::File(file) => file.read_exact_at(&mut bytes, offset)?,
            Content::Memory(all) => {
                let start = usize::try_from(offset).map_err(io::Error::other)?;
                let found = all.get(start..start.saturating_add(len)).ok_or(io::ErrorKind::UnexpectedEof)?;
                bytes.copy_from_slice(found);
            }
        }
        Ok(bytes)
    }

    /// The state in it. May block.
    pub(crate) fn machine<M: Machine>(&self) -> Result<M, LoadError> {
        Ok(read_whole::<M>(Sequential { snapshot: self, at: 0 })?.0)
    }
}

struct Sequential<'a> {
    snapshot: &'a StoredSnapshot,
    at: u64,
}

impl Read for Sequential<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.snapshot.bytes(self.at, out.len())?;
        self.at += bytes.len() as u64;
        out.get_mut(..bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

/// Why a snapshot cannot become a state.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    File(#[from] BadSnapshot),
    #[error(transparent)]
    State(#[from] ReadError),
}

/// Reads a state and all that is around it, and checks every byte.
fn read_whole<M: Machine>(input: impl Read) -> Result<(M, About, u64, u128), LoadError> {
    let mut reader = SnapshotReader::new(BufReader::with_capacity(128 << 10, input))?;
    let machine = match M::read(&mut reader) {
        Ok(machine) => machine,
        // A checksum that does not fit is told as that, not as a state that could not be read.
        Err(ReadError::Io(error)) => return Err(bad_file(error).into()),
        Err(error) => return Err(error.into()),
    };
    let about = reader.about().clone();
    let (len, digest) = reader.finish()?;
    Ok((machine, about, len, digest))
}

fn bad_file(error: io::Error) -> BadSnapshot {
    match error.downcast::<BadSnapshot>() {
        Ok(bad) => bad,
        Err(error) => BadSnapshot::Io(error),
    }
}

/// Reads the snapshot at `path` whole. May block.
pub(crate) fn load<M: Machine>(path: &Path) -> Result<(M, StoredSnapshot), LoadError> {
    let file = File::open(path).map_err(BadSnapshot::Io)?;
    let (machine, about, len, digest) = read_whole::<M>(&file)?;
    Ok((machine, StoredSnapshot::in_file(about, file, len, digest)))
}

/// What a sound snapshot is.
pub(crate) struct Verified {
    pub(crate) bytes: u64,
    pub(crate) last: Option<u64>,
    /// Whether several voted when it was taken.
    pub(crate) has_several: bool,
}

/// Checks every byte of the snapshot at `path`, if there is one, without knowing the state in it.
pub(crate) fn verify(path: &Path) -> Result<Option<Verified>, BadSnapshot> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut reader = SnapshotReader::new(BufReader::with_capacity(128 << 10, file))?;
    io::copy(&mut reader, &mut io::sink()).map_err(bad_file)?;
    let last = reader.about().last.map(|last| last.index);
    let has_several = reader.about().members.are_several();
    let (bytes, _) = reader.finish()?;
    Ok(Some(Verified { bytes, last, has_several }))
}

/// Reads a snapshot in memory.
pub(crate) fn load_bytes<M: Machine>(bytes: Vec<u8>) -> Result<(M, StoredSnapshot), LoadError> {
    let (machine, about, _, digest) = read_whole::<M>(Cursor::new(&bytes))?;
    Ok((machine, StoredSnapshot::in_memory(about, bytes, digest)))
}

/// Where the current snapshot is kept. There is at most one; a later one replaces it at once and wholly.
#[derive(Clone, Debug)]
pub(crate) enum SnapshotStore {
    Memory(MemoryStore),
    Directory(Arc<Directory>),
}

#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    health: Arc<Health>,
    current: Mutex<Option<StoredSnapshot>>,
}

impl SnapshotStore {
    pub(crate) fn directory(path: PathBuf, health: Arc<Health>, current: Option<StoredSnapshot>) -> Self {
        Self::Directory(Arc::new(Directory { path, health, current: Mutex::new(current) }))
    }

    pub(crate) fn current(&self) -> Option<StoredSnapshot> {
        match self {
            Self::Memory(store) => store.snapshot(),
            Self::Directory(directory) => {
                directory.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
        }
    }

    /// Writes a state; it is the current snapshot, and durable, once this has returned. Blocks.
    pub(crate) fn save<M: Machine>(&self, frozen: &M::Frozen, about: &About) -> io::Result<()> {
        match self {
            Self::Memory(_) => {
                let (bytes, _, digest) = write::<M, _>(Vec::new(), frozen, about)?;
                self.keep(StoredSnapshot::in_memory(about.clone(), bytes, digest), None)
            }
            Self::Directory(directory) => {
                let path = directory.path.join(UNFINISHED);
                let saved = write_file::<M>(&path, frozen, about);
                let saved = saved.and_then(|snapshot| self.keep(snapshot, Some(&path)));
                saved.inspect_err(|error| {
                    let _ = fs::remove_file(&path);
                    self.failed(error);
                })
            }
        }
    }

    /// Makes a whole snapshot, which so far is the file `written`, the current one; unless the current one is later. Blocks.
    pub(crate) fn keep(&self, snapshot: StoredSnapshot, written: Option<&Path>) -> io::Result<()> {
        match self {
            Self::Memory(store) => {
                if store.snapshot().is_none_or(|current| current.about.last <= snapshot.about.last) {
                    store.keep_snapshot(snapshot);
                }
            }
            Self::Directory(directory) => {
                let mut current = directory.current.lock().unwrap_or_else(PoisonError::into_inner);
                if current.as_ref().is_some_and(|current| current.about.last > snapshot.about.last) {
                    return written.map_or(Ok(()), fs::remove_file);
                }
                if let Some(written) = written {
                    fs::rename(written, directory.path.join(SNAPSHOT))?;
                    File::open(&directory.path)?.sync_all()?;
                }
                *current = Some(snapshot);
            }
        }
        Ok(())
    }

    /// Tells why the node stops.
    pub(crate) fn failed(&self, error: &io::Error) {
        if let Self::Directory(directory) = self {
            let path = directory.path.to_string_lossy();
            directory.health.fail(|| cannot_keep("snapshot", &path, error));
        }
    }

    /// The name of a new file for a snapshot that comes from another node; none where it is kept in memory.
    pub(crate) fn incoming_path(&self) -> Option<PathBuf> {
        // Never the same twice: an older one may still be read.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        match self {
            Self::Memory(_) => None,
            Self::Directory(directory) => {
                let name = format!("{INCOMING}{}", NEXT.fetch_add(1, Ordering::Relaxed));
                Some(directory.path.join(name))
            }
        }
    }
}

/// Removes what an earlier life of the node has left unfinished.
pub(crate) fn remove_unfinished(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == UNFINISHED || name.as_encoded_bytes().starts_with(INCOMING.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn write<M: Machine, W: Write>(out: W, frozen: &M::Frozen, about: &About) -> io::Result<(W, u64, u128)> {
    let mut writer = SnapshotWriter::new(out, about)?;
    M::write(frozen, &mut writer)?;
    writer.finish()
}

fn write_file<M: Machine>(path: &Path, frozen: &M::Frozen, about: &About) -> io::Result<StoredSnapshot> {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    let out = BufWriter::with_capacity(256 << 10, file);
    let (out, len, digest) = write::<M, _>(out, frozen, about)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(StoredSnapshot::in_file(about.clone(), file, len, digest))
}
