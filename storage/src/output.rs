//! Stages a job's output beside its final place and commits it: all files, then `_SUCCESS`.
//!
//! Every step of a commit may be the last before a crash; the same commit done again carries on from there:
//!
//! ```text
//! 1  make ready  check and sync each staged file; write the manifest as <staging>/_SUCCESS, then <staging>/READY
//!    ─────────── up to here the old output is whole; from here on nothing needs space: names move or go, and are synced
//! 2  clear       remove what killed jobs have staged, the old _SUCCESS, then the old mr-out-* (overwrite), or see that
//!                there is no old output
//! 3  mark        rename READY to COMMITTING: from here on whatever has a final name is ours
//! 4  move        rename each staged file; one already moved is checked by its size
//! 5  publish     rename <staging>/_SUCCESS
//! 6  tidy        remove the staging directory
//! ```
//!
//! A staging directory is locked while its job lives, so what a killed job has staged is known by its free lock. One that only
//! reserves the output for a request that is no job yet holds nothing that anybody misses: once its lock is free, it is in nobody's way.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{DirectoryLock, Kind, Storage, StorageError};

/// The name of the manifest that says that an output is whole.
pub const SUCCESS: &str = "_SUCCESS";

const OUTPUT_PREFIX: &str = "mr-out-";
const STAGING_PREFIX: &str = ".gristmill-";
const RESERVATION_PREFIX: &str = ".gristmill-request-";
const CREATED: &str = "CREATED";
const READY: &str = "READY";
const COMMITTING: &str = "COMMITTING";

/// The final name of the `index`-th output file.
pub fn output_name(index: u32) -> String {
    format!("{OUTPUT_PREFIX}{index:05}")
}

/// Whether this is the name of a directory that only reserves an output, see [`Output::reserved`].
pub fn is_reservation(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(RESERVATION_PREFIX.as_bytes())
}

/// A staged file that is to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// Where it is, in the staging directory.
    pub path: PathBuf,
    /// Its final name, see [`output_name`].
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// The output directory of one job.
#[derive(Clone)]
pub struct Output {
    storage: Arc<dyn Storage>,
    directory: PathBuf,
    staging: PathBuf,
    overwrite: bool,
}

impl Output {
    /// The output in `directory` of the job that calls itself `job_name`, which becomes part of a file name. With
    /// `overwrite` an old output is replaced, at the commit and not before. Touches nothing.
    pub fn new(storage: Arc<dyn Storage>, directory: &Path, job_name: &str, overwrite: bool) -> Self {
        let staging = directory.join(format!(".{job_name}"));
        Self { storage, directory: directory.to_owned(), staging, overwrite }
    }

    /// The same for a `request` that may become a job: then its staging directory, which is empty, is to be renamed.
    pub fn reserved(storage: Arc<dyn Storage>, directory: &Path, request: &str, overwrite: bool) -> Self {
        let staging = directory.join(format!("{RESERVATION_PREFIX}{request}"));
        Self { storage, directory: directory.to_owned(), staging, overwrite }
    }

    /// Where attempts write.
    pub fn staging(&self) -> &Path {
        &self.staging
    }

    /// Makes the output and staging directories, unless the output directory holds something other than what dead processes have
    /// reserved, which is removed. The lock is to be kept as long as the job lives: others may remove an unlocked staging directory.
    /// May be repeated when the lock was given up.
    pub fn prepare(&self) -> Result<DirectoryLock, StorageError> {
        let found = self.storage.stat(&self.directory)?;
        if found.is_some_and(|stat| stat.kind != Kind::Directory) {
            return Err(StorageError::OutputNotADirectory(self.directory.clone()));
        }
        let made = match found {
            None => true,
            Some(_) if self.overwrite => false,
            Some(_) => self.clear_reservations()?,
        };
        self.storage.create_directory(&self.staging)?;
        let lock = self.lock_staging()?;
        if made {
            self.storage.write(&self.staging.join(CREATED), b"")?;
        }
        Ok(lock)
    }

    /// Removes what dead processes have reserved, unless there is more than that. Whether one of them had made the output directory.
    fn clear_reservations(&self) -> Result<bool, StorageError> {
        let ours = self.staging.file_name();
        let mut others = self.storage.list(&self.directory)?;
        others.retain(|(name, _)| Some(name.as_os_str()) != ours);
        let exists = |found| StorageError::OutputExists { directory: self.directory.clone(), found };
        if let Some((name, _)) =
            others.iter().find(|(name, kind)| *kind != Kind::Directory || !is_reservation(name))
        {
            return Err(exists(name.clone()));
        }
        let mut made = false;
        for (name, _) in others {
            let reservation = self.directory.join(&name);
            made |= self.storage.stat(&reservation.join(CREATED))?.is_some();
            if !self.remove_if_abandoned(&reservation)? {
                return Err(exists(name));
            }
        }
        Ok(made)
    }

    /// Locks the staging directory, which exists.
    pub fn lock_staging(&self) -> Result<DirectoryLock, StorageError> {
        let busy = || StorageError::OutputBusy(self.directory.clone());
        let lock = self.storage.lock_directory(&self.staging)?.ok_or_else(busy)?;
        // Somebody who found it not yet locked may have removed it.
        self.storage.stat(&self.staging)?.ok_or_else(busy)?;
        Ok(lock)
    }

    /// Makes `files` and then [`SUCCESS`], which is to hold `manifest`, visible and durable. May be repeated after a failure at
    /// any step, and after success; then with the same files. The manifest that was staged first counts.
    pub fn commit(&self, files: &[Staged], manifest: &[u8]) -> Result<(), StorageError> {
        // Two that commit at once would mix their files.
        let busy = || StorageError::OutputBusy(self.directory.clone());
        let _lock = self.storage.lock_directory(&self.directory)?.ok_or_else(busy)?;
        let success = self.directory.join(SUCCESS);
        if !self.holds(&success, manifest)? {
            let committing = self.staging.join(COMMITTING);
            if self.storage.stat(&committing)?.is_none() {
                let ready = self.staging.join(READY);
                if self.storage.stat(&ready)?.is_none() {
                    files.iter().try_for_each(|file| self.make_ready(file))?;
                    self.storage.write(&self.staging.join(SUCCESS), manifest)?;
                    self.storage.write(&ready, b"")?;
                }
                self.clear(&success)?;
                self.storage.rename(&ready, &committing)?;
            }
            self.storage.sync_directory(&self.staging)?;
            files.iter().try_for_each(|file| self.move_into_place(file))?;
            self.storage.sync_directory(&self.directory)?;
            self.publish(&success)?;
        }
        self.storage.sync_directory(&self.directory)?;
        self.storage.remove_tree(&self.staging)
    }

    /// Removes what was staged, and the output directory if `prepare` made it and nothing is in it. May be repeated.
    pub fn discard(&self) -> Result<(), StorageError> {
        let created = self.storage.stat(&self.staging.join(CREATED))?.is_some();
        self.storage.remove_tree(&self.staging)?;
        if created {
            self.storage.remove_empty_directory(&self.directory)?;
        }
        Ok(())
    }

    fn holds(&self, path: &Path, content: &[u8]) -> Result<bool, StorageError> {
        if self.storage.stat(path)?.is_none_or(|stat| stat.bytes != content.len() as u64) {
            return Ok(false);
        }
        let file = self.storage.open(path)?;
        let mut found = vec![0; content.len()];
        let mut filled = 0;
        while let Some(rest) = found.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled == content.len() && found == content)
    }

    /// The old `_SUCCESS` goes first: without it nobody takes a half-removed output for a whole one.
    fn clear(&self, success: &Path) -> Result<(), StorageError> {
        let entries = self.storage.list(&self.directory)?;
        let old: Vec<PathBuf> = entries.iter().filter_map(|(name, _)| self.old(name)).collect();
        if !self.overwrite {
            return match old.first().and_then(|path| path.file_name()) {
                Some(name) => Err(StorageError::OutputExists {
                    directory: self.directory.clone(),
                    found: name.to_owned(),
                }),
                None => Ok(()),
            };
        }
        for (name, _) in entries.iter().filter(|(name, kind)| self.is_staging_of_another(name, *kind)) {
            self.remove_if_abandoned(&self.directory.join(name))?;
        }
        if !old.is_empty() {
            self.storage.remove_file(success)?;
            self.storage.sync_directory(&self.directory)?;
            old.iter().try_for_each(|path| self.storage.remove_file(path))?;
        }
        // Also where nothing is left: an earlier try may have removed it and come no further, and what returns with the power
        // is never looked for again.
        self.storage.sync_directory(&self.directory)
    }

    fn old(&self, name: &OsStr) -> Option<PathBuf> {
        let is_output = name == SUCCESS || name.as_encoded_bytes().starts_with(OUTPUT_PREFIX.as_bytes());
        is_output.then(|| self.directory.join(name))
    }

    fn is_staging_of_another(&self, name: &OsStr, kind: Kind) -> bool {
        kind == Kind::Directory
            && name.as_encoded_bytes().starts_with(STAGING_PREFIX.as_bytes())
            && self.staging.file_name() != Some(name)
    }

    /// Whether it is gone: it stays if a living process has it locked.
    fn remove_if_abandoned(&self, staging: &Path) -> Result<bool, StorageError> {
        match self.storage.lock_directory(staging) {
            Ok(Some(_lock)) => self.storage.remove_tree(staging).map(|()| true),
            Ok(None) => Ok(false),
            Err(error) if error.io_kind() == Some(ErrorKind::NotFound) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn make_ready(&self, file: &Staged) -> Result<(), StorageError> {
        let Some(stat) = self.storage.stat(&file.path)? else {
            return Err(self.missing(&file.path, &file.name));
        };
        check_size(&file.path, file.bytes, stat.bytes)?;
        self.storage.sync_file(&file.path)
    }

    fn move_into_place(&self, file: &Staged) -> Result<(), StorageError> {
        let target = self.directory.join(&file.name);
        if let Some(stat) = self.storage.stat(&file.path)? {
            check_size(&file.path, file.bytes, stat.bytes)?;
            return self.storage.rename(&file.path, &target);
        }
        match self.storage.stat(&target)? {
            Some(stat) => check_size(&target, file.bytes, stat.bytes),
            None => Err(self.missing(&file.path, &file.name)),
        }
    }

    fn publish(&self, success: &Path) -> Result<(), StorageError> {
        let staged = self.staging.join(SUCCESS);
        if self.storage.stat(&staged)?.is_some() {
            return self.storage.rename(&staged, success);
        }
        match self.storage.stat(success)? {
            Some(_) => Ok(()),
            None => Err(self.missing(&staged, SUCCESS)),
        }
    }

    fn missing(&self, staged: &Path, name: &str) -> StorageError {
        StorageError::StagedMissing { staged: staged.to_owned(), target: self.directory.join(name) }
    }
}

fn check_size(path: &Path, expected: u64, found: u64) -> Result<(), StorageError> {
    if expected == found {
        Ok(())
    } else {
        Err(StorageError::WrongSize { path: path.to_owned(), expected, found })
    }
}
