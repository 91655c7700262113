//! Temporary directories that are removed in the end, also when their process was killed: then by the next process that makes one.
//!
//! A directory is locked (flock) as long as its process lives, so one whose lock is free belongs to nobody. A directory that is made but
//! not locked yet looks the same; whoever makes one therefore sees after locking whether it is still there.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tempfile::TempDir;

use crate::failure::Failure;

/// What to do when there is no room for temporary files.
pub(crate) const HINT: &str = "set TMPDIR to a directory that can be written and has room";

/// Letters and digits by which names of one kind differ.
const RANDOM_BYTES: usize = 6;
/// So many directories in a row are never swept away before they are locked, nor written to while they are removed.
const TRIES_MAX: u32 = 16;

/// A temporary directory, removed when it is dropped or closed.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
    /// Held as long as this process lives. `None` where directories cannot be locked: there none is ever found to be free either.
    _alive: Option<File>,
}

impl Place {
    /// Makes one whose name begins with `kind`, and removes those of that kind whose processes are dead.
    pub(crate) fn make(kind: &str) -> io::Result<Self> {
        Self::make_in(&std::env::temp_dir(), kind)
    }

    fn make_in(parent: &Path, kind: &str) -> io::Result<Self> {
        sweep(parent, kind);
        for _ in 0..TRIES_MAX {
            let directory =
                tempfile::Builder::new().prefix(kind).rand_bytes(RANDOM_BYTES).tempdir_in(parent)?;
            let alive = File::open(directory.path()).ok().filter(|file| lock(file).is_ok());
            if directory.path().is_dir() {
                return Ok(Self { directory, _alive: alive });
            }
        }
        Err(io::Error::other("new temporary directories vanish"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Removes it, and tells when that fails.
    pub(crate) fn close(self) -> io::Result<()> {
        let path = self.directory.keep();
        let mut tries = 1..TRIES_MAX;
        loop {
            match fs::remove_dir_all(&path) {
                // What was given up in the middle, as the upload of a caller that is gone, may have written once more.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && tries.next().is_some() => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                done => return done,
            }
        }
    }
}

/// What it means that there is no temporary directory, and what to do.
pub(crate) fn cannot_make(error: io::Error) -> Failure {
    let context = format!("make a directory in {}", std::env::temp_dir().display());
    Failure::usage(anyhow::Error::new(error).context(context)).hint(HINT)
}

fn lock(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// What cannot be removed is left: rubbish harms nobody.
fn sweep(parent: &Path, kind: &str) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    let user = rustix::process::geteuid().as_raw();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(kind));
        if !random.is_some_and(|random| {
            random.len() == RANDOM_BYTES && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }) {
            continue;
        }
        // Of the entry itself: a link is no directory.
        if !entry.metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == user) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        match file.try_lock() {
            Ok(()) => {
                tracing::info!(path = %entry.path().display(), "removing what a killed process has left");
                let _ = fs::remove_dir_all(entry.path());
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_dead_left_is_removed_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let living = Place::make_in(root.path(), "kind-").unwrap();
        for name in ["kind-abc123", "kind-longer1", "kind-ab.123", "other-abc123"] {
            fs::create_dir(root.path().join(name)).unwrap();
            fs::write(root.path().join(name).join("file"), "x").unwrap();
        }
        fs::write(root.path().join("kind-afile0"), "x").unwrap();
        std::os::unix::fs::symlink(root.path().join("other-abc123"), root.path().join("kind-alink0"))
            .unwrap();
        let next = Place::make_in(root.path(), "kind-").unwrap();
        assert!(!root.path().join("kind-abc123").exists());
        for name in
            ["kind-longer1/file", "kind-ab.123/file", "other-abc123/file", "kind-afile0", "kind-alink0"]
        {
            assert!(root.path().join(name).exists(), "{name}");
        }
        assert!(living.path().is_dir() && next.path().is_dir());
        let path = living.path().to_owned();
        living.close().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn many_that_start_at_once_do_not_remove_one_another() {
        let root = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let place = Place::make_in(root.path(), "kind-").unwrap();
                        fs::write(place.path().join("file"), "x").unwrap();
                        place.close().unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
