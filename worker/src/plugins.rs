//! Plugins on this machine: fetched once, verified before a slot sees them.
//!
//! A slot loads a plugin from the agent's own directory, where nobody else removes or replaces it; the cache holds a second name
//! (a hard link) of the same file for other workers and later lives. Nothing is shared half-written: a file gets either name when it is whole.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use gristmill_model::{PluginInfo, Sha256};
use gristmill_protocol::{CallError, WorkerLink, limits};
use sha2::Digest;
use tempfile::NamedTempFile;
use tokio::sync::OnceCell;

use crate::work_dir::{WorkDir, remove_tree, seal};

/// Why a plugin cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluginFetchError {
    /// The coordinator sent something else, or will not send it.
    #[error("plugin {name}: {problem}")]
    Wrong { name: String, problem: String },
    /// The disk would not.
    #[error("plugin {name} cannot be stored")]
    Store { name: String, source: io::Error },
}

/// The plugins of one agent.
pub(crate) struct Plugins {
    own: PathBuf,
    cache: PathBuf,
    /// One cell each, so that slots which need the same plugin at once fetch it once.
    known: Mutex<HashMap<Sha256, Arc<OnceCell<Verified>>>>,
}

#[derive(Clone)]
struct Verified {
    path: PathBuf,
    fetched: bool,
}

impl Plugins {
    pub(crate) fn new(dir: &WorkDir) -> Self {
        Self { own: dir.own().to_owned(), cache: dir.plugins(), known: Mutex::default() }
    }

    /// A verified file with this content. `steps` grows as bytes arrive.
    pub(crate) async fn get(
        &self,
        info: &PluginInfo,
        link: &WorkerLink,
        steps: &AtomicU64,
    ) -> Result<PathBuf, PluginFetchError> {
        let cell = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(info.sha256).or_default().clone()
        };
        let verified = cell.get_or_try_init(|| self.find_or_fetch(info, link, steps)).await?;
        Ok(verified.path.clone())
    }

    /// The verified file, if somebody has asked for it before.
    pub(crate) fn known(&self, info: &PluginInfo) -> Option<PathBuf> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Some(known.get(&info.sha256)?.get()?.path.clone())
    }

    /// Removes from the cache what this life has put there. Blocks.
    pub(crate) fn remove_fetched(&self) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (sha256, _) in known.iter().filter(|(_, cell)| cell.get().is_some_and(|v| v.fetched)) {
            let _ = remove_tree(&self.cache_path(*sha256));
        }
    }

    fn cache_path(&self, sha256: Sha256) -> PathBuf {
        self.cache.join(format!("{sha256}.so"))
    }

    async fn find_or_fetch(
        &self,
        info: &PluginInfo,
        link: &WorkerLink,
        steps: &AtomicU64,
    ) -> Result<Verified, PluginFetchError> {
        let path = self.own.join(format!("{}.so", info.sha256));
        let store = |source| PluginFetchError::Store { name: info.name.clone(), source };
        let (sha256, cached, own) = (info.sha256, self.cache_path(info.sha256), path.clone());
        if blocking(move || take_from_cache(sha256, &cached, &own)).await.map_err(store)? {
            return Ok(Verified { path, fetched: false });
        }
        let file = self.fetch(info, link, steps).await?;
        let (cached, own) = (self.cache_path(info.sha256), path.clone());
        blocking(move || keep(file, &cached, &own)).await.map_err(store)?;
        Ok(Verified { path, fetched: true })
    }

    /// Writes the blob to a temporary file and verifies it.
    async fn fetch(
        &self,
        info: &PluginInfo,
        link: &WorkerLink,
        steps: &AtomicU64,
    ) -> Result<NamedTempFile, PluginFetchError> {
        let wrong = |problem| PluginFetchError::Wrong { name: info.name.clone(), problem };
        let store = |source| PluginFetchError::Store { name: info.name.clone(), source };
        if info.bytes > limits::BLOB_BYTES_MAX {
            let text = format!("{} bytes, where at most {} are allowed", info.bytes, limits::BLOB_BYTES_MAX);
            return Err(wrong(text));
        }
        let mut file = NamedTempFile::new_in(&self.own).map_err(store)?;
        let mut hash = sha2::Sha256::new();
        let mut offset = 0;
        loop {
            let piece = match link.blob(info.sha256, offset).await {
                Ok(piece) => piece.0,
                Err(error) if error.may_pass() => continue,
                Err(CallError::Refused(refusal)) => return Err(wrong(refusal.to_string())),
                Err(error) => return Err(wrong(error.to_string())),
            };
            if piece.is_empty() {
                break;
            }
            offset += piece.len() as u64;
            if offset > info.bytes {
                break;
            }
            hash.update(&piece);
            file.write_all(&piece).map_err(store)?;
            steps.fetch_add(1, Ordering::Relaxed);
        }
        let received = Sha256(hash.finalize().into());
        if offset != info.bytes || received != info.sha256 {
            let text = format!(
                "what the coordinator sent is not the file with SHA-256 {}; submit the job again",
                info.sha256
            );
            return Err(wrong(text));
        }
        Ok(file)
    }
}

/// Runs what may block off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Gives the cached file a second name, and verifies it under that name. A spoilt one is thrown away.
fn take_from_cache(sha256: Sha256, cached: &Path, own: &Path) -> io::Result<bool> {
    // Whatever the reason that it cannot be had from the cache, it can be fetched.
    if fs::hard_link(cached, own).is_err() {
        return Ok(false);
    }
    if hash_file(own)? == sha256 {
        // For the eviction of those unused for long; it does not matter when it fails.
        let _ = File::open(own).and_then(|file| file.set_modified(SystemTime::now()));
        return Ok(true);
    }
    tracing::warn!(path = %cached.display(), "a cached plugin is damaged; fetching it again");
    fs::remove_file(own)?;
    remove_tree(cached)?;
    Ok(false)
}

fn keep(file: NamedTempFile, cached: &Path, own: &Path) -> io::Result<()> {
    seal(file.path())?;
    file.persist(own).map_err(|error| error.error)?;
    // Another worker may have been quicker, and not every file system has hard links.
    let _ = fs::hard_link(own, cached);
    Ok(())
}

fn hash_file(path: &Path) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Sha256(hash.finalize().into())),
            bytes => hash.update(&buffer[..bytes]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256(bytes: &[u8]) -> Sha256 {
        Sha256(sha2::Sha256::digest(bytes).into())
    }

    #[test]
    fn a_cached_plugin_is_used_only_if_it_has_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let (cached, own) = (dir.path().join("cached"), dir.path().join("own"));
        let good = sha256(b"good");
        assert!(!take_from_cache(good, &cached, &own).unwrap());
        fs::write(&cached, b"evil").unwrap();
        assert!(!take_from_cache(good, &cached, &own).unwrap());
        assert!(!cached.exists() && !own.exists());
        fs::write(&cached, b"good").unwrap();
        assert!(take_from_cache(good, &cached, &own).unwrap());
        fs::remove_file(&cached).unwrap();
        assert_eq!(fs::read(&own).unwrap(), b"good");
    }

    #[test]
    fn a_kept_plugin_has_both_names_and_cannot_be_written() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (cached, own) = (dir.path().join("cached"), dir.path().join("own"));
        let mut file = NamedTempFile::new_in(dir.path()).unwrap();
        file.write_all(b"code").unwrap();
        keep(file, &cached, &own).unwrap();
        assert_eq!(fs::read(&cached).unwrap(), fs::read(&own).unwrap());
        assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o500);
    }
}
