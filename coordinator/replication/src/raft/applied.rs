//! The machine as openraft sees it: entries go in, snapshots come out.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use tokio::sync::Notify;

use super::convert::position;
use super::types::{Answer, LogId, Payload, Snapshot, SnapshotMeta, StoredMembership, Types};
use super::wire::{About, Body};
use crate::health::Health;
use crate::machine::Machine;
use crate::snapshot::{SnapshotStore, StoredSnapshot, Unfinished};

/// Entries whose sizes are remembered: as many as are ever kept behind a snapshot.
const RECENT_MAX: usize = 4096;

/// The machine and how far it has come. Clones are the same machine.
pub(crate) struct Applied<M>(Arc<Shared<M>>);

struct Shared<M> {
    state: RwLock<State<M>>,
    snapshots: SnapshotStore,
    health: Arc<Health>,
    /// Bytes of entries applied since the last copy was taken.
    log_bytes: AtomicU64,
    bounds: Bounds,
    snapshot_due: Notify,
    /// The last entries, as many as may stay behind a snapshot.
    recent: Mutex<Recent>,
}

/// Bytes of entries between two snapshots, and behind one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) snapshot_log_bytes: u64,
    pub(crate) kept_bytes: u64,
}

#[derive(Default)]
struct Recent {
    entries: VecDeque<(u64, u64)>,
    bytes: u64,
}

struct State<M> {
    machine: M,
    last: Option<LogId>,
    members: StoredMembership,
}

/// A snapshot on its way between openraft, the disk and the network.
pub(crate) struct SnapshotData<M> {
    pub(crate) stored: StoredSnapshot,
    /// The state in it, if it has been read already.
    pub(crate) machine: Option<M>,
    /// The file that it still is.
    pub(crate) path: Option<Unfinished>,
}

impl<M> Clone for Applied<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Machine> Applied<M> {
    /// A machine as it is before the first entry, or after those that `about` names.
    pub(crate) fn new(
        machine: M,
        meta: SnapshotMeta,
        snapshots: SnapshotStore,
        health: Arc<Health>,
        bounds: Bounds,
    ) -> Self {
        let state = State { machine, last: meta.last_log_id, members: meta.last_membership };
        Self(Arc::new(Shared {
            state: RwLock::new(state),
            snapshots,
            health,
            log_bytes: AtomicU64::new(0),
            bounds,
            snapshot_due: Notify::new(),
            recent: Mutex::default(),
        }))
    }

    pub(crate) fn machine(&self) -> MachineGuard<'_, M> {
        MachineGuard(self.read())
    }

    /// Resolves whenever a snapshot should be taken.
    pub(crate) async fn snapshot_due(&self) {
        self.0.snapshot_due.notified().await;
    }

    pub(crate) fn snapshots(&self) -> &SnapshotStore {
        &self.0.snapshots
    }

    fn read(&self) -> RwLockReadGuard<'_, State<M>> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<M>> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply_one(&self, item: EntryResponder<Types>) -> io::Result<()> {
        let (entry, responder) = item;
        let size = Body::from(&entry.payload).size();
        let answer = match entry.payload {
            Payload::Blank => {
                self.write().last = Some(entry.log_id);
                Answer::none()
            }
            Payload::Membership(members) => {
                let mut state = self.write();
                state.members = StoredMembership::new(Some(entry.log_id), members);
                state.last = Some(entry.log_id);
                Answer::none()
            }
            Payload::Normal(encoded) => {
                let decoded = postcard::from_bytes(&encoded.0)
                    .map_err(|error| self.unreadable(&entry.log_id, &error))?;
                let mut state = self.write();
                let outcome = state.machine.apply(*entry.log_id.leader_id, decoded);
                state.last = Some(entry.log_id);
                Answer::of(outcome)
            }
        };
        self.remember(entry.log_id.index, size as u64);
        self.count(size as u64);
        if let Some(responder) = responder {
            responder.send(answer);
        }
        Ok(())
    }

    /// The entry up to which the log may be given up, so that what stays behind a snapshot is bounded in bytes too.
    pub(crate) fn heavy_below(&self) -> Option<u64> {
        let recent = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.entries.front().and_then(|(first, _)| first.checked_sub(1))
    }

    fn remember(&self, index: u64, bytes: u64) {
        let mut recent = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.entries.push_back((index, bytes));
        recent.bytes += bytes;
        while recent.entries.len() > RECENT_MAX || recent.bytes > self.0.bounds.kept_bytes {
            let Some((_, gone)) = recent.entries.pop_front() else { break };
            recent.bytes -= gone;
        }
    }

    fn count(&self, bytes: u64) {
        let before = self.0.log_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes >= self.0.bounds.snapshot_log_bytes {
            self.0.snapshot_due.notify_one();
        }
    }

    fn unreadable(&self, at: &LogId, error: &postcard::Error) -> io::Error {
        let what = format!(
            "entry {} of the log cannot be read by this version ({error}): start the member with the version that wrote it, or a later one",
            at.index
        );
        self.0.health.fail(|| what.clone());
        io::Error::new(io::ErrorKind::InvalidData, what)
    }

    fn meta(state: &State<M>) -> SnapshotMeta {
        SnapshotMeta { last_log_id: state.last, last_membership: state.members.clone() }
    }
}

/// The state, for as long as nothing is applied to it. Not to be held across an await.
pub(crate) struct MachineGuard<'a, M>(RwLockReadGuard<'a, State<M>>);

impl<M> std::ops::Deref for MachineGuard<'_, M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0.machine
    }
}

impl<M: Machine> RaftStateMachine<Types> for Applied<M> {
    type SnapshotData = SnapshotData<M>;
    type SnapshotBuilder = Builder<M>;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let state = self.read();
        Ok((state.last, state.members.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            self.apply_one(item?)?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder<M> {
        let state = self.read();
        let copy = Arc::new(state.machine.freeze());
        self.0.log_bytes.store(0, Ordering::Relaxed);
        Builder { copy, meta: Self::meta(&state), snapshots: self.0.snapshots.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, data: SnapshotData<M>) -> io::Result<()> {
        let snapshots = self.0.snapshots.clone();
        let SnapshotData { stored, machine, path } = data;
        let installed = tokio::task::spawn_blocking(move || {
            let machine = match machine {
                Some(machine) => machine,
                None => stored.machine().map_err(io::Error::other)?,
            };
            let path = path.map(Unfinished::keep);
            snapshots.keep(stored, path.as_deref()).inspect_err(|error| snapshots.failed(error))?;
            Ok::<M, io::Error>(machine)
        });
        let machine = installed.await.map_err(io::Error::other)??;
        let mut state = self.write();
        *state = State { machine, last: meta.last_log_id, members: meta.last_membership.clone() };
        self.0.log_bytes.store(0, Ordering::Relaxed);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot<SnapshotData<M>>>> {
        let Some(stored) = self.0.snapshots.current() else { return Ok(None) };
        let meta = SnapshotMeta::try_from(stored.about.clone()).map_err(io::Error::other)?;
        Ok(Some(Snapshot { meta, snapshot: SnapshotData { stored, machine: None, path: None } }))
    }
}

/// Writes a copy of the machine while the machine goes on.
pub(crate) struct Builder<M: Machine> {
    copy: Arc<M::Frozen>,
    meta: SnapshotMeta,
    snapshots: SnapshotStore,
}

impl<M: Machine> RaftSnapshotBuilder<Types> for Builder<M> {
    type SnapshotData = SnapshotData<M>;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot<SnapshotData<M>>> {
        let (snapshots, copy) = (self.snapshots.clone(), self.copy.clone());
        let about = About::from(&self.meta);
        let saved = tokio::task::spawn_blocking(move || {
            snapshots.save::<M>(&copy, &about)?;
            snapshots.current().ok_or_else(|| io::Error::other("the snapshot is gone"))
        });
        let stored = saved.await.map_err(io::Error::other)??;
        debug_assert!(position(self.meta.last_log_id.as_ref()) <= stored.about.last);
        Ok(Snapshot { meta: self.meta.clone(), snapshot: SnapshotData { stored, machine: None, path: None } })
    }
}
