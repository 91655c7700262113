//! Stages a job's output beside its final place and commits it: all files, then `_SUCCESS`.
//!
//! Every step of a commit may be the last before a crash; the same commit done again carries on from there:
//!
//! ```text
//! 1  clear      remove the old _SUCCESS, then the old mr-out-* and what killed jobs have staged (overwrite), or see that
//!               there is no old output; sync
//! 2  mark       write <staging>/COMMITTING: from here on whatever has a final name is ours
//! 3  move       sync and rename each staged file; one already moved is checked by its size; sync the directory
//! 4  publish    write _SUCCESS under a temporary name, sync, rename, sync
//! 5  tidy       remove the staging directory
//! ```

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Kind, Storage, StorageError};

/// The name of the manifest that says that an output is whole.
pub const SUCCESS: &str = "_SUCCESS";

const OUTPUT_PREFIX: &str = "mr-out-";
const STAGING_PREFIX: &str = ".gristmill-";
const CREATED: &str = "CREATED";
const COMMITTING: &str = "COMMITTING";

/// The final name of the `index`-th output file.
pub fn output_name(index: u32) -> String {
    format!("{OUTPUT_PREFIX}{index:05}")
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

    /// Where attempts write.
    pub fn staging(&self) -> &Path {
        &self.staging
    }

    /// Makes the output and staging directories, unless the output directory holds something. May be repeated.
    pub fn prepare(&self) -> Result<(), StorageError> {
        let found = self.storage.stat(&self.directory)?;
        if found.is_some_and(|stat| stat.kind != Kind::Directory) {
            return Err(StorageError::OutputNotADirectory(self.directory.clone()));
        }
        if found.is_some() && !self.overwrite {
            let ours = self.staging.file_name();
            let entries = self.storage.list(&self.directory)?;
            if let Some((name, _)) = entries.into_iter().find(|(name, _)| Some(name.as_os_str()) != ours) {
                return Err(StorageError::OutputExists { directory: self.directory.clone(), found: name });
            }
        }
        self.storage.create_directory(&self.staging)?;
        if found.is_none() {
            self.storage.write(&self.staging.join(CREATED), b"")?;
        }
        Ok(())
    }

    /// Makes `files` and then [`SUCCESS`], which is to hold `manifest`, visible and durable. May be repeated after a failure at
    /// any step, and after success; then with the same arguments.
    pub fn commit(&self, files: &[Staged], manifest: &[u8]) -> Result<(), StorageError> {
        let success = self.directory.join(SUCCESS);
        if !self.holds(&success, manifest)? {
            let marker = self.staging.join(COMMITTING);
            if self.storage.stat(&marker)?.is_none() {
                self.clear(&success)?;
                self.storage.write(&marker, b"")?;
            }
            files.iter().try_for_each(|file| self.move_into_place(file))?;
            self.storage.sync_directory(&self.directory)?;
            self.storage.write(&success, manifest)?;
        }
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
        let names: Vec<OsString> =
            self.storage.list(&self.directory)?.into_iter().map(|(name, _)| name).collect();
        let old: Vec<PathBuf> = names.iter().filter_map(|name| self.old(name)).collect();
        if !self.overwrite {
            return match old.first().and_then(|path| path.file_name()) {
                Some(name) => Err(StorageError::OutputExists {
                    directory: self.directory.clone(),
                    found: name.to_owned(),
                }),
                None => Ok(()),
            };
        }
        for name in names.iter().filter(|name| self.is_abandoned(name)) {
            self.storage.remove_tree(&self.directory.join(name))?;
        }
        if old.is_empty() {
            return Ok(());
        }
        self.storage.remove_file(success)?;
        self.storage.sync_directory(&self.directory)?;
        old.iter().try_for_each(|path| self.storage.remove_file(path))?;
        self.storage.sync_directory(&self.directory)
    }

    fn old(&self, name: &OsStr) -> Option<PathBuf> {
        let is_output = name == SUCCESS || name.as_encoded_bytes().starts_with(OUTPUT_PREFIX.as_bytes());
        is_output.then(|| self.directory.join(name))
    }

    /// Staged by another job. No live one shares this directory with a job that may overwrite it.
    fn is_abandoned(&self, name: &OsStr) -> bool {
        name.as_encoded_bytes().starts_with(STAGING_PREFIX.as_bytes())
            && self.staging.file_name() != Some(name)
    }

    fn move_into_place(&self, file: &Staged) -> Result<(), StorageError> {
        let target = self.directory.join(&file.name);
        if let Some(stat) = self.storage.stat(&file.path)? {
            check_size(&file.path, file.bytes, stat.bytes)?;
            self.storage.sync_file(&file.path)?;
            return self.storage.rename(&file.path, &target);
        }
        match self.storage.stat(&target)? {
            Some(stat) => check_size(&target, file.bytes, stat.bytes),
            None => Err(StorageError::StagedMissing { staged: file.path.clone(), target }),
        }
    }
}

fn check_size(path: &Path, expected: u64, found: u64) -> Result<(), StorageError> {
    if expected == found {
        Ok(())
    } else {
        Err(StorageError::WrongSize { path: path.to_owned(), expected, found })
    }
}
