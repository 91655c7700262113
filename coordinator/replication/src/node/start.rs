//! Starting a node: from its store, or from nothing.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use openraft::async_runtime::WatchReceiver;
use openraft::errors::{InitializeError, RaftError};
use openraft::impls::BasicNode;
use openraft::{Raft, SnapshotPolicy, StorageHelper};
use tokio::sync::watch;

use super::role::{Place, Role, addresses, watch_role};
use super::{Engine, Node, Running, alone};
use crate::config::{Config, Store};
use crate::directory::{self, Identity, Opened};
use crate::error::StartError;
use crate::group::GroupId;
use crate::health::Health;
use crate::log::LogStore;
use crate::machine::Machine;
use crate::network::{Network, NodeId};
use crate::peers::Peers;
use crate::raft::applied::{Applied, Bounds};
use crate::raft::link::Links;
use crate::raft::types::{SnapshotMeta, StoredMembership};
use crate::reach::Reach;
use crate::snapshot::SnapshotStore;
use crate::told::Told;

/// How many entries a new member may be behind and still count as having caught up.
pub(super) const CAUGHT_UP: u64 = 64;

impl<M: Machine> Node<M> {
    /// Starts the node from what its store holds, or from `initial` if that is nothing. A founding member with an empty store
    /// founds the group; that all of them do so, with the same list, is one group all the same.
    pub async fn start<N: Network>(config: Config, network: N, initial: M) -> Result<Self, StartError> {
        check_members(&config.members)?;
        let engine_config = engine_config(&config)?;
        let health = Arc::new(Health::default());
        let opened = opened(config.clone(), initial, health.clone()).await?;
        let log = opened.log.clone();
        let started = Self::start_opened(config, engine_config, network, opened, health).await;
        started.inspect_err(|_| log.close())
    }

    async fn start_opened<N: Network>(
        config: Config,
        engine_config: Arc<openraft::Config>,
        network: N,
        opened: Opened<M>,
        health: Arc<Health>,
    ) -> Result<Self, StartError> {
        let Opened { mut log, snapshots, machine, meta, mut identity, peers, lock } = opened;
        let bounds = Bounds { snapshot_log_bytes: config.snapshot_log_bytes, kept_bytes: config.kept_bytes };
        let mut applied = Applied::new(machine, meta, snapshots, health.clone(), bounds);
        let members = StorageHelper::new(&mut log, &mut applied).get_membership().await;
        let members = members.map_err(|error| StartError::Engine(error.to_string()))?;
        let members = members.effective();
        let known = addresses(members.membership());
        let alone = config.alone && alone::settle(&config, members.membership(), &mut identity).await?;
        if !config.alone {
            if identity.founders != config.members {
                check_founders(&config, &identity, members)?;
            }
            check_place(&config, &known)?;
        }
        let pristine = is_pristine(&log)?;
        let group = GroupId::of(&identity.founders);
        let peers = Arc::new(peers);
        let refusals = Arc::new(Told::default());
        let reach = Arc::new(Reach::default());
        let (removed, heard) = watch::channel(None);
        let place = Place { was_member: identity.founders.contains_key(&config.id), removed: heard };
        let links: Links<N, M> = Links {
            network,
            from: config.id,
            group,
            lineage: identity.lineage,
            peers: peers.clone(),
            timers: config.timers,
            told: refusals.clone(),
            reach: reach.clone(),
            removed: Arc::new(removed),
            machine: PhantomData,
        };
        let engine = Raft::new(config.id, engine_config, links, log.clone(), applied.clone())
            .await
            .map_err(|error| StartError::Engine(error.to_string()))?;
        if pristine && identity.founders.contains_key(&config.id) {
            found(&engine, &identity.founders).await?;
        }
        if alone {
            alone::lead(&engine, &config).await?;
        }
        let (told, role) = watch::channel(Role::Following { leader: None });
        let (leads, led) = watch::channel(None);
        let tasks = vec![
            tokio::spawn(watch_role(engine.metrics(), health.clone(), place, told, leads)),
            tokio::spawn(take_snapshots(engine.clone(), applied.clone())),
        ];
        Ok(Self(Arc::new(Running {
            id: config.id,
            group,
            lineage: identity.lineage,
            peers,
            timers: config.timers,
            engine,
            applied,
            log,
            health,
            role,
            led,
            known,
            incoming: Arc::default(),
            told: refusals,
            reach,
            tasks,
            lock: Mutex::new(lock),
        })))
    }
}

async fn opened<M: Machine>(
    config: Config,
    initial: M,
    health: Arc<Health>,
) -> Result<Opened<M>, StartError> {
    match config.store.clone() {
        Store::Directory(path) => {
            let open = move || directory::open(&config, &path, initial, &health);
            let opened = tokio::task::spawn_blocking(open).await;
            opened.map_err(|error| StartError::Engine(error.to_string()))?
        }
        Store::Memory(store) => {
            let identity = store.identity(|| Identity::new(config.id, config.members));
            let log = LogStore::Memory(store.clone());
            let (machine, meta) = match store.snapshot() {
                None => (initial, SnapshotMeta::default()),
                Some(snapshot) => {
                    let refuse = |error: String| StartError::Engine(error);
                    let machine = snapshot.machine().map_err(|error| refuse(error.to_string()))?;
                    let meta = SnapshotMeta::try_from(snapshot.about);
                    (machine, meta.map_err(|error| refuse(error.to_string()))?)
                }
            };
            let purged = log.state().ok().and_then(|state| state.last_purged_log_id);
            if let Some(purged) = purged.filter(|_| meta.last_log_id < purged) {
                return Err(StartError::SnapshotLost { path: "memory".into(), purged: purged.index });
            }
            let snapshots = SnapshotStore::Memory(store.clone());
            let peers = Peers::in_memory(store);
            Ok(Opened { log, snapshots, machine, meta, identity, peers, lock: None })
        }
    }
}

fn check_members(members: &BTreeMap<NodeId, String>) -> Result<(), StartError> {
    if members.is_empty() {
        return Err(StartError::Members("a group needs at least one founding member".into()));
    }
    let mut by_address = BTreeMap::new();
    for (id, address) in members {
        if let Some(other) = by_address.insert(address, id) {
            let both = format!("members {other} and {id} have the same address {address}");
            return Err(StartError::Members(both));
        }
    }
    Ok(())
}

/// Another list than the one of the founders is right once the group has changed its members: then nobody goes by the list.
fn check_founders(
    config: &Config,
    identity: &Identity,
    members: &StoredMembership,
) -> Result<(), StartError> {
    if members.log_id().as_ref().is_some_and(|at| at.index > 0) {
        return Ok(());
    }
    Err(other_group(config, identity))
}

/// Once the group is there, its members know each other by what its log says: a node at another address is called by nobody.
fn check_place(config: &Config, known: &BTreeMap<NodeId, String>) -> Result<(), StartError> {
    if let (Some(known), Some(given)) = (known.get(&config.id), config.members.get(&config.id))
        && known != given
    {
        let (path, known, given) = (path(config), known.clone(), given.clone());
        return Err(StartError::Moved { path, known, given });
    }
    let Some(listens) = &config.listens else { return Ok(()) };
    match known.iter().find(|(id, address)| **id != config.id && *address == listens) {
        Some((other, _)) => Err(StartError::Taken {
            path: path(config),
            id: config.id,
            listens: listens.clone(),
            other: *other,
        }),
        None => Ok(()),
    }
}

pub(super) fn other_group(config: &Config, identity: &Identity) -> StartError {
    let (found, given) = (directory::text(&identity.founders), directory::text(&config.members));
    StartError::OtherGroup { path: path(config), found, given }
}

/// What to call the store in an error.
pub(super) fn path(config: &Config) -> PathBuf {
    match &config.store {
        Store::Directory(path) => path.clone(),
        Store::Memory(_) => "memory".into(),
    }
}

fn is_pristine(log: &LogStore) -> Result<bool, StartError> {
    let refuse = |error: std::io::Error| StartError::Engine(error.to_string());
    Ok(log.vote().map_err(refuse)?.is_none() && log.state().map_err(refuse)?.last_log_id.is_none())
}

async fn found<M: Machine>(
    engine: &Engine<M>,
    founders: &BTreeMap<NodeId, String>,
) -> Result<(), StartError> {
    let nodes: BTreeMap<_, _> =
        founders.iter().map(|(id, address)| (*id, BasicNode { addr: address.clone() })).collect();
    match engine.initialize(nodes).await {
        // Another member was faster: its entries are here already.
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(error) => Err(StartError::Engine(error.to_string())),
    }
}

fn engine_config(config: &Config) -> Result<Arc<openraft::Config>, StartError> {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let engine = openraft::Config {
        cluster_name: "gristmill".into(),
        heartbeat_interval: millis(config.timers.heartbeat),
        election_timeout_min: millis(config.timers.election_min),
        election_timeout_max: millis(config.timers.election_max),
        // A leader that was killed may have lost entries that its followers hold and that are committed: it must not lead on in its old
        // term, where it would write others in their place, but win an election, which it loses with the shorter log.
        enable_leader_restore: Some(false),
        // A node that was cut off comes back without forcing an election on the others.
        enable_pre_vote: Some(true),
        max_payload_entries: 1024,
        replication_lag_threshold: CAUGHT_UP,
        // By bytes: see `take_snapshots`.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: config.kept_entries,
        // A peer that comes back is found soon.
        backoff: "50ms 100ms 200ms ..400ms".into(),
        ..openraft::Config::default()
    };
    engine.validate().map(Arc::new).map_err(|error| StartError::Engine(error.to_string()))
}

/// Has snapshots taken as they fall due, and gives up what is too heavy to stay behind one.
async fn take_snapshots<M: Machine>(engine: Engine<M>, applied: Applied<M>) {
    let mut metrics = engine.metrics();
    let mut lightened = None;
    loop {
        tokio::select! {
            () = applied.snapshot_due() => {
                if engine.trigger().snapshot().await.is_err() {
                    return;
                }
            }
            changed = metrics.changed() => {
                let last = metrics.borrow_watched().snapshot.map(|taken| taken.index);
                if changed.is_err() {
                    return;
                }
                if last > lightened {
                    lightened = last;
                    let upto = applied.heavy_below().filter(|_| last.is_some()).min(last);
                    if let Some(upto) = upto && engine.trigger().purge_log(upto).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
