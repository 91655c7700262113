//! openraft's own suite for what stores a log and applies it, run on ours.

use std::io::{Read, Write};

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::applied::Applied;
use super::types::{SnapshotMeta, Types};
use crate::config::{Config, Store};
use crate::directory;
use crate::health::Health;
use crate::log::{LogStore, MemoryStore};
use crate::machine::{Machine, ReadError};
use crate::snapshot::SnapshotStore;

/// How many entries it has seen.
#[derive(Default)]
struct Count(u64);

impl Machine for Count {
    type Entry = ();
    type Outcome = u64;
    type Frozen = u64;

    fn apply(&mut self, _: u64, (): ()) -> u64 {
        self.0 += 1;
        self.0
    }

    fn freeze(&self) -> u64 {
        self.0
    }

    fn write(frozen: &u64, out: &mut dyn Write) -> std::io::Result<()> {
        out.write_all(&frozen.to_le_bytes())
    }

    fn read(input: &mut dyn Read) -> Result<Self, ReadError> {
        let mut bytes = [0; 8];
        input.read_exact(&mut bytes)?;
        Ok(Self(u64::from_le_bytes(bytes)))
    }
}

struct InMemory;

impl StoreBuilder<Types, LogStore, Applied<Count>> for InMemory {
    async fn build(&self) -> Result<((), LogStore, Applied<Count>), StorageError<Types>> {
        let store = MemoryStore::default();
        let snapshots = SnapshotStore::Memory(store.clone());
        let meta = SnapshotMeta::default();
        let applied = Applied::new(Count::default(), meta, snapshots, Default::default(), u64::MAX);
        Ok(((), LogStore::Memory(store), applied))
    }
}

struct OnDisk;

impl StoreBuilder<Types, LogStore, Applied<Count>, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, LogStore, Applied<Count>), StorageError<Types>> {
        let directory = TempDir::new().unwrap();
        let store = Store::Directory(directory.path().into());
        let config = Config::new(1, [(1, "here".to_owned())].into(), store);
        let health = std::sync::Arc::<Health>::default();
        let opened = directory::open(&config, directory.path(), Count::default(), &health).unwrap();
        let applied = Applied::new(opened.machine, opened.meta, opened.snapshots, health, u64::MAX);
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
