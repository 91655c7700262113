//! openraft's own suite for what stores a log and applies it, run on ours.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::applied::{Applied, Bounds};
use super::types::{SnapshotMeta, Types};
use crate::config::{Config, Store};
use crate::directory;
use crate::health::Health;
use crate::log::{LogStore, MemoryStore};
use crate::snapshot::SnapshotStore;
use crate::testing::Counter;

/// No snapshot but those that the suite asks for.
const BOUNDS: Bounds = Bounds { snapshot_log_bytes: u64::MAX, kept_bytes: u64::MAX };

struct InMemory;

impl StoreBuilder<Types, LogStore, Applied<Counter>> for InMemory {
    async fn build(&self) -> Result<((), LogStore, Applied<Counter>), StorageError<Types>> {
        let store = MemoryStore::default();
        let snapshots = SnapshotStore::Memory(store.clone());
        let meta = SnapshotMeta::default();
        let applied = Applied::new(Counter::default(), meta, snapshots, Default::default(), BOUNDS);
        Ok(((), LogStore::Memory(store), applied))
    }
}

struct OnDisk;

impl StoreBuilder<Types, LogStore, Applied<Counter>, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, LogStore, Applied<Counter>), StorageError<Types>> {
        let directory = TempDir::new().unwrap();
        let store = Store::Directory(directory.path().into());
        let config = Config::new(1, [(1, "here".to_owned())].into(), store);
        let health = std::sync::Arc::<Health>::default();
        let opened = directory::open(&config, directory.path(), Counter::default(), &health).unwrap();
        let applied = Applied::new(opened.machine, opened.meta, opened.snapshots, health, BOUNDS);
        Ok((directory, opened.log, applied))
    }
}

#[tokio::test]
async fn the_store_in_memory_keeps_to_the_contract() {
    Suite::test_all(InMemory).await.unwrap();
}

#[tokio::test]
async fn the_store_on_the_disk_keeps_to_the_contract() {
    Suite::test_all(OnDisk).await.unwrap();
}
