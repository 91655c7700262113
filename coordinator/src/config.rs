//! What may be chosen about a coordinator.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use gristmill_replication::Timers;
use gristmill_scheduler::Settings;
use gristmill_storage::{Local, Storage};

/// What may be chosen about a coordinator. Begin with [`Config::new`] and change what matters.
#[derive(Clone)]
pub struct Config {
    /// Where blobs, logs and the lock live. One coordinator at a time; it is made if absent.
    pub data_dir: PathBuf,
    /// How often workers are to send heartbeats, in milliseconds. A few must fit into `settings.lease_ms`.
    pub heartbeat_ms: u64,
    /// The same for workers that have nothing to do. At least two must fit into `settings.lease_ms`.
    pub idle_heartbeat_ms: u64,
    /// What is kept of all that the attempts of one job print, in bytes; half of it is kept for attempts that fail.
    pub job_log_bytes_max: u64,
    /// What all blobs (plugins, job requests) may take on disk, in bytes.
    pub blobs_bytes_max: u64,
    /// Whether workers of an earlier life are known to be dead, as those that ran in its process are.
    pub workers_died: bool,
    /// Where outputs go.
    pub storage: Arc<dyn Storage>,
    /// The numbers by which the scheduler decides.
    pub settings: Settings,
}

/// Where a coordinator stands in its group. A group of one keeps its jobs over its own death, a larger one over that of any minority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Its id in the group.
    pub id: u64,
    /// Where it and the others listen, itself included. Counts when the group is founded; later changes go through the group.
    pub members: BTreeMap<u64, String>,
    /// Where it listens, if others may reach it: it is refused at the address of another member.
    pub listens: Option<SocketAddr>,
    /// How fast a dead leader is replaced.
    pub timers: Timers,
    /// Whether it makes a group by itself: as long as nobody has joined it, it may listen somewhere else each time.
    pub alone: bool,
}

impl Membership {
    /// A group of one, which others can join at the address at which it listens.
    pub fn alone(address: SocketAddr, timers: Timers) -> Self {
        let members = BTreeMap::from([(1, address.to_string())]);
        Self { id: 1, members, listens: Some(address), timers, alone: true }
    }

    /// A group of one that nobody can join, as it listens nowhere for others like it.
    pub fn closed() -> Self {
        let members = BTreeMap::from([(1, "alone".to_owned())]);
        Self { id: 1, members, listens: None, timers: Timers::ALONE, alone: true }
    }
}

impl Config {
    /// The usual choices, with everything below `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            heartbeat_ms: 1_000,
            idle_heartbeat_ms: 2_000,
            job_log_bytes_max: 64 << 20,
            blobs_bytes_max: 8 << 30,
            workers_died: false,
            storage: Arc::new(Local),
            settings: Settings::default(),
        }
    }
}
