//! Turns what the user named (files, globs, directories) into a sorted list of input files.
//!
//! Looks at the first bytes of each file, so an unreadable one is found before a job is submitted.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use crate::{Compression, Kind, Storage, StorageError, Version};

/// An input file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// As the user named it; a member of a glob or directory: joined to what the user named.
    pub name: PathBuf,
    /// The same, absolute.
    pub path: PathBuf,
    /// Its size as stored, and when it was last modified.
    pub version: Version,
    /// Whether it may be read from the middle: it is not compressed.
    pub splittable: bool,
}

/// Lists the input files that `arguments` name, sorted by name. What is named twice is listed twice.
///
/// A file is taken whatever its name. A directory stands for the regular files in it and below; names that begin with `.` or
/// `_` are left out there, and directories behind links are not entered. What is neither is a glob (`*`, `?`, `[a-z]`, `**`), of
/// which hidden names are matched only when asked for.
pub fn list_inputs(storage: &dyn Storage, arguments: &[OsString]) -> Result<Vec<Input>, StorageError> {
    if arguments.is_empty() {
        return Err(StorageError::NoInputs);
    }
    let mut inputs = Vec::new();
    for argument in arguments {
        let named = Path::new(argument);
        match storage.stat(named)?.map(|stat| stat.kind) {
            None if is_pattern(argument) => {
                let members = expand(storage, named)?;
                for member in &members {
                    add(storage, member, &mut inputs)?;
                }
            }
            None => return Err(StorageError::InputMissing(named.to_owned())),
            Some(_) => add(storage, named, &mut inputs)?,
        }
    }
    inputs.sort_by(|a, b| a.name.as_os_str().cmp(b.name.as_os_str()));
    Ok(inputs)
}

fn add(storage: &dyn Storage, named: &Path, inputs: &mut Vec<Input>) -> Result<(), StorageError> {
    let stat = storage.stat(named)?.ok_or_else(|| StorageError::InputMissing(named.to_owned()))?;
    match stat.kind {
        Kind::File => inputs.push(look_at(storage, named)?),
        Kind::Directory => {
            let before = inputs.len();
            add_directory(storage, named, inputs)?;
            if inputs.len() == before {
                return Err(StorageError::DirectoryWithoutFiles(named.to_owned()));
            }
        }
        Kind::Link | Kind::Other => return Err(StorageError::InputNotAFile(named.to_owned())),
    }
    Ok(())
}

fn add_directory(
    storage: &dyn Storage,
    directory: &Path,
    inputs: &mut Vec<Input>,
) -> Result<(), StorageError> {
    for (name, kind) in storage.list(directory)? {
        if matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_')) {
            continue;
        }
        let path = directory.join(&name);
        match kind {
            Kind::File => inputs.push(look_at(storage, &path)?),
            Kind::Directory => add_directory(storage, &path, inputs)?,
            Kind::Link if storage.stat(&path)?.is_some_and(|stat| stat.kind == Kind::File) => {
                inputs.push(look_at(storage, &path)?);
            }
            Kind::Link | Kind::Other => {}
        }
    }
    Ok(())
}

fn look_at(storage: &dyn Storage, named: &Path) -> Result<Input, StorageError> {
    let file = storage.open(named)?;
    let mut first = [0; Compression::MAGIC_BYTES];
    let mut filled = 0;
    while let Some(rest) = first.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    let begins_as = Compression::detect(first.get(..filled).unwrap_or(&first));
    let splittable = begins_as.or(Compression::named(named)).is_none();
    // What is before a `..` may be a link, so only the system can say where it leads.
    let climbs = named.components().any(|component| component == Component::ParentDir);
    let path = if climbs { named.canonicalize() } else { std::path::absolute(named) };
    let path = path.map_err(StorageError::io(crate::Operation::Stat, named))?;
    Ok(Input { name: named.to_owned(), path, version: file.opened(), splittable })
}

fn is_pattern(argument: &OsStr) -> bool {
    argument.as_encoded_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// The existing paths that a pattern matches.
///
/// Matching is done name by name here rather than by `glob::glob`, which leaves out names that are not UTF-8 without a word.
fn expand(storage: &dyn Storage, pattern: &Path) -> Result<Vec<PathBuf>, StorageError> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        found = match component {
            Component::Normal(name) if name == "**" => with_directories_below(storage, found)?,
            Component::Normal(name) if is_pattern(name) => matching(storage, pattern, name, &found)?,
            plain => found.into_iter().map(|base| base.join(plain)).collect(),
        };
    }
    let mut existing = Vec::with_capacity(found.len());
    for path in found {
        if !path.as_os_str().is_empty() && storage.stat(&path)?.is_some() {
            existing.push(path);
        }
    }
    if existing.is_empty() {
        return Err(StorageError::NothingMatches(pattern.to_owned()));
    }
    Ok(existing)
}

fn matching(
    storage: &dyn Storage,
    whole: &Path,
    pattern: &OsStr,
    bases: &[PathBuf],
) -> Result<Vec<PathBuf>, StorageError> {
    let bad = |reason| StorageError::BadPattern { pattern: whole.to_owned(), reason };
    let text = pattern.to_str().ok_or_else(|| bad("it is not UTF-8"))?;
    let compiled = glob::Pattern::new(text).map_err(|error| bad(error.msg))?;
    let mut found = Vec::new();
    for base in bases {
        for (name, _) in entries_of(storage, base)? {
            let hidden = name.as_encoded_bytes().starts_with(b".") && !text.starts_with('.');
            if !hidden && compiled.matches(&name.to_string_lossy()) {
                found.push(base.join(name));
            }
        }
    }
    Ok(found)
}

fn with_directories_below(
    storage: &dyn Storage,
    mut found: Vec<PathBuf>,
) -> Result<Vec<PathBuf>, StorageError> {
    let mut next = 0;
    while let Some(base) = found.get(next).cloned() {
        for (name, kind) in entries_of(storage, &base)? {
            if kind == Kind::Directory && !name.as_encoded_bytes().starts_with(b".") {
                found.push(base.join(name));
            }
        }
        next += 1;
    }
    Ok(found)
}

fn entries_of(storage: &dyn Storage, base: &Path) -> Result<Vec<(OsString, Kind)>, StorageError> {
    let directory = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    match storage.stat(directory)?.map(|stat| stat.kind) {
        Some(Kind::Directory) => storage.list(directory),
        _ => Ok(Vec::new()),
    }
}
