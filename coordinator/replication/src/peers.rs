//! Which store each peer has.
//!
//! A node that comes back with an empty store under its old id has forgotten votes and entries that others count on: it could vote
//! twice in a term, and a leader believes that it has what it has lost. So every message and every reply says from which store it
//! comes, and whoever has ever heard of another one of that peer will have nothing to do with it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::directory::{Sealed, SealedError};
use crate::log::MemoryStore;
use crate::network::NodeId;

/// How many are remembered: messages may name any id.
const PEERS_MAX: usize = 1000;

type Lineages = BTreeMap<NodeId, u64>;

/// The stores of the peers, as far as this node has heard of them in any of its lives.
#[derive(Debug)]
pub(crate) struct Peers {
    known: Mutex<Lineages>,
    place: Place,
    /// Held while the list is written.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
enum Place {
    Directory(PathBuf),
    Memory(MemoryStore),
}

impl Peers {
    pub(crate) const FILE: Sealed = Sealed { name: "peers", magic: b"GMPEERS\0", version: 1 };

    /// As a directory remembers them, if it does.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, SealedError> {
        let known = Self::FILE.read(directory)?;
        Ok(known.map(|known| Self::of(known, Place::Directory(directory.into()))))
    }

    /// For a directory that has met nobody yet.
    pub(crate) fn new(directory: &Path) -> Self {
        Self::of(Lineages::new(), Place::Directory(directory.into()))
    }

    /// Makes a directory one that remembers nobody.
    pub(crate) fn forget(directory: &Path) -> io::Result<()> {
        Self::FILE.write(directory, &Lineages::new())
    }

    /// As a store in memory does.
    pub(crate) fn in_memory(store: MemoryStore) -> Self {
        Self::of(store.peers(), Place::Memory(store))
    }

    fn of(known: Lineages, place: Place) -> Self {
        Self { known: Mutex::new(known), place, writing: tokio::sync::Mutex::default() }
    }

    /// Whether this is the store that the peer had before, if it had any. That it has it is durable before anything else is done.
    pub(crate) async fn has(&self, id: NodeId, lineage: u64) -> io::Result<bool> {
        if let Some(known) = self.of_peer(id) {
            return Ok(known == lineage);
        }
        let _writing = self.writing.lock().await;
        if let Some(known) = self.of_peer(id) {
            return Ok(known == lineage);
        }
        let mut known = self.known().clone();
        if known.len() < PEERS_MAX {
            known.insert(id, lineage);
            self.place.clone().keep(known.clone()).await?;
            *self.known() = known;
        }
        Ok(true)
    }

    /// Whether it has never heard of any.
    pub(crate) fn is_empty(&self) -> bool {
        self.known().is_empty()
    }

    fn of_peer(&self, id: NodeId) -> Option<u64> {
        self.known().get(&id).copied()
    }

    fn known(&self) -> MutexGuard<'_, Lineages> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    async fn keep(self, known: Lineages) -> io::Result<()> {
        match self {
            Self::Directory(directory) => {
                let write = move || Peers::FILE.write(&directory, &known);
                tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
            }
            Self::Memory(store) => {
                store.keep_peers(known);
                Ok(())
            }
        }
    }
}

/// What is wrong where the list is gone.
pub(crate) const FORGOTTEN: &str = "it is missing, and with it which stores the other members have: one that has lost its own would be taken for the one it was";

/// What to say of a peer that has lost its store, which nobody can tell from a second one under its id.
pub(crate) fn lost_store(id: NodeId) -> String {
    format!(
        "member {id} with another store than the one by which it is known: either its data was lost (replace it by a new member with another id), or another process runs with --id {id} (end that one)"
    )
}

/// What to say if a peer cannot be remembered.
pub(crate) fn not_kept(id: NodeId, error: &io::Error) -> String {
    format!("member {id} cannot be noted as a peer: {error}")
}
