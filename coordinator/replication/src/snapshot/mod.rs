//! Snapshots: their file, where the current one is kept, and how one comes from another node.

mod file;
mod incoming;
mod store;

pub(crate) use file::{BadSnapshot, SNAPSHOT_VERSION};
pub(crate) use incoming::{Incoming, Taken, Unfinished};
pub(crate) use store::{
    LoadError, SNAPSHOT, SnapshotStore, StoredSnapshot, Verified, load, remove_unfinished, verify,
};
