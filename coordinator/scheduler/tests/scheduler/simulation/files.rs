//! The file system that holds the outputs, in memory: names that were changed and not synced may be lost with the power.
//!
//! A rename happens as a whole or not at all, also between two directories: without that no order of syncs could keep a file.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gristmill_storage::{DirectoryLock, Kind, Operation, ReadAt, Stat, Storage, StorageError, Version};

use super::rng::Rng;
use super::visible::Found;

/// `None` for a directory.
type Names = BTreeMap<PathBuf, Option<Vec<u8>>>;

#[derive(Clone)]
enum Change {
    Moved(PathBuf, PathBuf),
    Removed(PathBuf),
}

/// As one process sees it, whose locks bear its number.
#[derive(Clone)]
pub(super) struct Files {
    all: Arc<Mutex<All>>,
    owner: usize,
}

#[derive(Default)]
struct All {
    live: Names,
    durable: Names,
    /// What has happened to names and is not durable yet, in order.
    changes: Vec<Change>,
    locks: BTreeMap<PathBuf, usize>,
    /// Processes that stand still: what they have locked stays locked.
    stuck: BTreeSet<usize>,
}

impl Files {
    pub(super) fn new() -> Self {
        Self { all: Arc::default(), owner: usize::MAX }
    }

    pub(super) fn of(&self, owner: usize) -> Self {
        Self { owner, ..self.clone() }
    }

    /// From now on what this process lets go of stays locked, or no more.
    pub(super) fn stick(&self, stuck: bool) {
        let owner = self.owner;
        let mut all = self.all();
        if stuck {
            all.stuck.insert(owner);
        } else {
            all.stuck.remove(&owner);
        }
    }

    /// The process has ended, or goes on.
    pub(super) fn unlock(&self, path: Option<&Path>) {
        let owner = self.owner;
        self.all().locks.retain(|locked, by| *by != owner || path.is_some_and(|path| path != locked));
    }

    /// The power fails: of what was not synced some has happened, and some has not.
    pub(super) fn lose_power(&self, rng: &mut Rng) {
        let mut all = self.all();
        for change in std::mem::take(&mut all.changes) {
            if rng.chance(300) {
                change.apply(&mut all.durable);
            }
        }
        all.live = all.durable.clone();
        all.locks.clear();
    }

    /// What would be left in a directory if the power failed now.
    pub(super) fn durable_files(&self, directory: &Path) -> Found {
        files_in(&self.all().durable, directory)
    }

    /// What might be left in a directory if the power failed now: any change that is not durable yet may be the only one that has happened,
    /// but for those that it needs.
    pub(super) fn might_be_left(&self, directory: &Path) -> Vec<Found> {
        let all = self.all();
        let alone = |change: usize| {
            let mut left = all.durable.clone();
            let (happened, _) = all.part(|at, _| at == change);
            happened.into_iter().for_each(|change| change.apply(&mut left));
            files_in(&left, directory)
        };
        (0..all.changes.len()).map(alone).collect()
    }

    /// How many names have moved and may be where they were after a failure of the power.
    pub(super) fn moves_under_way(&self) -> usize {
        self.all().changes.iter().filter(|change| matches!(change, Change::Moved(..))).count()
    }

    /// How many names of a directory were removed and may return.
    pub(super) fn removals_under_way(&self, directory: &Path) -> usize {
        let removed = |change: &&Change| matches!(change, Change::Removed(name) if within(directory, name));
        self.all().changes.iter().filter(removed).count()
    }

    pub(super) fn live_files(&self, directory: &Path) -> Found {
        files_in(&self.all().live, directory)
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Change {
    fn apply(self, names: &mut Names) {
        match self {
            Self::Moved(from, to) => {
                if let Some(node) = names.remove(&from) {
                    names.insert(to, node);
                }
            }
            Self::Removed(name) => drop(names.remove(&name)),
        }
    }

    fn names(&self) -> impl Iterator<Item = &Path> {
        let (name, other) = match self {
            Self::Moved(from, to) => (from, Some(to)),
            Self::Removed(name) => (name, None),
        };
        [Some(name), other].into_iter().flatten().map(PathBuf::as_path)
    }

    fn touches(&self, directory: &Path) -> bool {
        self.names().any(|name| within(directory, name))
    }
}

impl All {
    /// What happened in a directory becomes durable, and what it needs.
    fn sync(&mut self, directory: &Path) {
        let (durable, rest) = self.part(|_, change| change.touches(directory));
        durable.into_iter().for_each(|change| change.apply(&mut self.durable));
        self.changes = rest;
    }

    /// Parts the changes into those that are meant, with what happened before to the same names, and the others: one name's changes keep
    /// their order.
    fn part(&self, is_meant: impl Fn(usize, &Change) -> bool) -> (Vec<Change>, Vec<Change>) {
        let mut names = BTreeSet::new();
        let (mut meant, mut rest) = (Vec::new(), Vec::new());
        for (at, change) in self.changes.iter().enumerate().rev() {
            if is_meant(at, change) || change.names().any(|name| names.contains(name)) {
                names.extend(change.names());
                meant.push(change.clone());
            } else {
                rest.push(change.clone());
            }
        }
        meant.reverse();
        rest.reverse();
        (meant, rest)
    }

    fn remove(&mut self, name: &Path) {
        if self.live.remove(name).is_some() {
            self.changes.push(Change::Removed(name.to_owned()));
        }
    }
}

fn missing(operation: Operation, path: &Path) -> StorageError {
    let source = io::Error::from(io::ErrorKind::NotFound);
    StorageError::Io { operation, path: path.to_owned(), source }
}

fn files_in(names: &Names, directory: &Path) -> Found {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let inside = names.iter().filter(|(path, _)| within(directory, path));
    inside.filter_map(|(path, node)| Some((name(path)?, node.clone()?))).collect()
}

fn within(directory: &Path, path: &Path) -> bool {
    path.parent() == Some(directory)
}

struct Content(Vec<u8>);

impl ReadAt for Content {
    fn opened(&self) -> Version {
        Version { bytes: self.0.len() as u64, modified_ns: 0 }
    }

    fn version(&self) -> Result<Version, StorageError> {
        Ok(self.opened())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> Result<usize, StorageError> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

struct Held(Files, PathBuf);

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = self.0.all();
        if !all.stuck.contains(&self.0.owner) && all.locks.get(&self.1) == Some(&self.0.owner) {
            all.locks.remove(&self.1);
        }
    }
}

impl Storage for Files {
    fn stat(&self, path: &Path) -> Result<Option<Stat>, StorageError> {
        Ok(self.all().live.get(path).map(|node| match node {
            None => Stat { kind: Kind::Directory, bytes: 0 },
            Some(content) => Stat { kind: Kind::File, bytes: content.len() as u64 },
        }))
    }

    fn list(&self, directory: &Path) -> Result<Vec<(OsString, Kind)>, StorageError> {
        let all = self.all();
        all.live.get(directory).ok_or_else(|| missing(Operation::List, directory))?;
        let kind = |node: &Option<Vec<u8>>| if node.is_none() { Kind::Directory } else { Kind::File };
        let inside = all.live.iter().filter(|(path, _)| within(directory, path));
        Ok(inside.filter_map(|(path, node)| Some((path.file_name()?.to_owned(), kind(node)))).collect())
    }

    fn open(&self, path: &Path) -> Result<Box<dyn ReadAt>, StorageError> {
        let content = self.all().live.get(path).cloned().flatten();
        Ok(Box::new(Content(content.ok_or_else(|| missing(Operation::Open, path))?)))
    }

    fn create_directory(&self, path: &Path) -> Result<(), StorageError> {
        let mut all = self.all();
        for above in path.ancestors().filter(|above| above.parent().is_some()) {
            all.live.insert(above.to_owned(), None);
            all.durable.insert(above.to_owned(), None);
        }
        Ok(())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
        let mut all = self.all();
        let above = path.parent().ok_or_else(|| missing(Operation::Write, path))?;
        all.live.get(above).ok_or_else(|| missing(Operation::Write, path))?;
        all.sync(above);
        all.live.insert(path.to_owned(), Some(bytes.to_vec()));
        all.durable.insert(path.to_owned(), Some(bytes.to_vec()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), StorageError> {
        let mut all = self.all();
        let node = all.live.remove(from).ok_or_else(|| missing(Operation::Rename, from))?;
        all.live.insert(to.to_owned(), node);
        all.changes.push(Change::Moved(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn sync_file(&self, path: &Path) -> Result<(), StorageError> {
        self.all().live.get(path).map(|_| ()).ok_or_else(|| missing(Operation::Sync, path))
    }

    fn sync_directory(&self, path: &Path) -> Result<(), StorageError> {
        let mut all = self.all();
        all.live.get(path).ok_or_else(|| missing(Operation::Sync, path))?;
        all.sync(path);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> Result<(), StorageError> {
        self.all().remove(path);
        Ok(())
    }

    fn remove_tree(&self, path: &Path) -> Result<(), StorageError> {
        let mut all = self.all();
        // What is in it goes first.
        let names: Vec<PathBuf> = all.live.keys().filter(|name| name.starts_with(path)).cloned().collect();
        names.iter().rev().for_each(|name| all.remove(name));
        Ok(())
    }

    fn lock_directory(&self, path: &Path) -> Result<Option<DirectoryLock>, StorageError> {
        let mut all = self.all();
        all.live.get(path).ok_or_else(|| missing(Operation::Lock, path))?;
        if all.locks.contains_key(path) {
            return Ok(None);
        }
        all.locks.insert(path.to_owned(), self.owner);
        Ok(Some(DirectoryLock::new(Held(self.clone(), path.to_owned()))))
    }

    fn remove_empty_directory(&self, path: &Path) -> Result<bool, StorageError> {
        let mut all = self.all();
        let empty = !all.live.keys().any(|name| within(path, name));
        if empty {
            all.remove(path);
        }
        Ok(empty)
    }
}
