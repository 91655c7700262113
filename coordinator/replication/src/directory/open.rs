//! Opens a data directory: everything in it is checked before anything of it is used.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::identity::Identity;
use super::sealed::{Sealed, SealedError};
use crate::config::Config;
use crate::error::StartError;
use crate::health::Health;
use crate::log::scan::{self, Scan};
use crate::log::{DiskLog, LogStore};
use crate::machine::{Machine, ReadError};
use crate::peers::{FORGOTTEN, Peers};
use crate::raft::types::SnapshotMeta;
use crate::snapshot::{
    BadSnapshot, LoadError, SNAPSHOT, SNAPSHOT_VERSION, SnapshotStore, load, remove_unfinished,
};

/// What a node starts from.
pub(crate) struct Opened<M> {
    pub(crate) log: LogStore,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) machine: M,
    pub(crate) meta: SnapshotMeta,
    pub(crate) identity: Identity,
    pub(crate) peers: Peers,
    /// Held as long as the node runs.
    pub(crate) lock: Option<File>,
}

/// Opens the directory, or makes it. Blocks.
pub(crate) fn open<M: Machine>(
    config: &Config,
    path: &Path,
    initial: M,
    health: &Arc<Health>,
) -> Result<Opened<M>, StartError> {
    let log_path = path.join("log");
    fs::create_dir_all(&log_path).map_err(io_error(&log_path))?;
    let lock = lock(path)?;
    remove_unfinished(path).map_err(io_error(path))?;
    let known = Identity::read(path).map_err(|error| bad_file(path, &Identity::FILE, error))?;
    if let Some(known) = &known
        && known.id != config.id
    {
        return Err(StartError::OtherNode { path: path.into(), found: known.id, expected: config.id });
    }
    let known_peers = Peers::read(path).map_err(|error| bad_file(path, &Peers::FILE, error))?;
    let scan = checked(&log_path, known.is_some())?;
    let snapshot_path = path.join(SNAPSHOT);
    let has_snapshot = snapshot_path.try_exists().map_err(io_error(&snapshot_path))?;
    if known.is_none() && (has_snapshot || !scan.state.is_pristine()) {
        let what = "it is missing, and the directory is not empty".into();
        return Err(StartError::Damaged { path: path.join(Identity::FILE.name), offset: 0, what });
    }
    if known.is_none() && config.was_here {
        return Err(StartError::Lost { path: path.into() });
    }
    let (machine, meta, snapshot) = match has_snapshot {
        false => (initial, SnapshotMeta::default(), None),
        true => {
            let (machine, stored) =
                load::<M>(&snapshot_path).map_err(|error| bad_snapshot(&snapshot_path, error))?;
            let meta = SnapshotMeta::try_from(stored.about.clone())
                .map_err(|error| damaged(&snapshot_path, 0, error))?;
            (machine, meta, Some(stored))
        }
    };
    let reaches = snapshot.as_ref().and_then(|snapshot| snapshot.about.last).map(|last| last.index);
    if let Some(purged) = scan.state.purged.map(|purged| purged.index)
        && reaches < Some(purged)
    {
        return Err(StartError::SnapshotLost { path: snapshot_path, purged });
    }
    let has_met_others = scan.state.has_met_others()
        || snapshot.as_ref().is_some_and(|snapshot| snapshot.about.members.are_several());
    let peers = match known_peers {
        Some(peers) => peers,
        None if has_met_others => return Err(damaged(&path.join(Peers::FILE.name), 0, FORGOTTEN)),
        None => Peers::new(path),
    };
    let log = DiskLog::open(&log_path, config.log_file_bytes, health.clone()).map_err(io_error(&log_path))?;
    let identity = match known {
        Some(known) => known,
        None => {
            // With an identity, a directory without a log is one that has lost it.
            sync_files(&log_path).map_err(io_error(&log_path))?;
            let identity = Identity::new(config.id, config.members.clone());
            identity.write(path).inspect_err(|_| log.close()).map_err(io_error(path))?;
            identity
        }
    };
    let snapshots = SnapshotStore::directory(path.into(), health.clone(), snapshot);
    Ok(Opened { log: LogStore::Disk(log), snapshots, machine, meta, identity, peers, lock: Some(lock) })
}

/// Takes the directory for this process.
pub(crate) fn lock(path: &Path) -> Result<File, StartError> {
    let name = path.join("lock");
    let file =
        File::options().write(true).create(true).truncate(false).open(&name).map_err(io_error(&name))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse { path: path.into() }),
        Err(TryLockError::Error(source)) => Err(StartError::Io { path: name, source }),
    }
}

/// The log, with what a crash left unfinished taken off. A node that has been here before has a log.
fn checked(log_path: &Path, was_here: bool) -> Result<Scan, StartError> {
    let mut found = scan::scan(log_path).map_err(io_error(log_path))?;
    if was_here && found.files.is_empty() {
        return Err(StartError::LogLost { path: log_path.into() });
    }
    let torn = found.damage.as_ref().is_none_or(|damage| damage.torn);
    if torn && (found.damage.is_some() || !found.unfinished.is_empty()) {
        let what = match scan::heal(&found).map_err(io_error(log_path))? {
            0 => "removed an empty file, which was only begun, from".to_owned(),
            bytes => format!("cut {bytes} bytes of an unfinished write off"),
        };
        tracing::warn!("{what} the log in {}", log_path.display());
        found = scan::scan(log_path).map_err(io_error(log_path))?;
    }
    match &found.damage {
        None => Ok(found),
        Some(damage) => Err(damaged(&damage.path, damage.offset, &damage.what)),
    }
}

fn sync_files(log_path: &Path) -> io::Result<()> {
    for (_, file) in scan::files(log_path)? {
        File::open(file)?.sync_all()?;
    }
    File::open(log_path)?.sync_all()
}

fn damaged(path: &Path, offset: u64, what: impl ToString) -> StartError {
    StartError::Damaged { path: path.into(), offset, what: what.to_string() }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> StartError {
    let path = PathBuf::from(path);
    move |source| StartError::Io { path, source }
}

fn bad_file(directory: &Path, file: &Sealed, error: SealedError) -> StartError {
    let path = directory.join(file.name);
    match error {
        SealedError::Io(source) => StartError::Io { path, source },
        SealedError::Newer { found, known } => StartError::Newer { path, found, known },
        SealedError::Damaged(what) => damaged(&path, 0, what),
    }
}

fn bad_snapshot(path: &Path, error: LoadError) -> StartError {
    match error {
        LoadError::File(BadSnapshot::Io(source)) | LoadError::State(ReadError::Io(source)) => {
            StartError::Io { path: path.into(), source }
        }
        LoadError::File(BadSnapshot::Newer { found }) => {
            StartError::Newer { path: path.into(), found, known: SNAPSHOT_VERSION }
        }
        LoadError::File(BadSnapshot::Damaged { offset, what }) => damaged(path, offset, what),
        LoadError::State(ReadError::Unknown(what)) => damaged(path, 0, what),
    }
}
