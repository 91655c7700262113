//! How a node is set up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::log::MemoryStore;
use crate::network::NodeId;

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who this node is.
    pub id: NodeId,
    /// The members that found the group, with their addresses: the same list for every node. A node that is not in it waits until
    /// the group [adds](crate::Node::add_member) it. A group that runs changes its members through its log, not through this list.
    pub members: BTreeMap<NodeId, String>,
    /// Whether the node makes a group by itself. `members` is then its own address, where others will reach it if they
    /// [join](crate::Node::add_member); as long as none has, that address may be another one at each start.
    pub alone: bool,
    /// Where the node listens, if the others may call it there. Something may lie between, so it need not be the address by which they
    /// reach it; but it is not that of another member.
    pub listens: Option<String>,
    /// Where the log and the snapshots are kept.
    pub store: Store,
    /// Whether the store is known to have held this node, so that an empty one has lost it.
    pub was_here: bool,
    /// When a leader is missed.
    pub timers: Timers,
    /// After how many bytes of log the next snapshot is taken.
    pub snapshot_log_bytes: u64,
    /// How many bytes of entries stay in the log behind a snapshot, for nodes that lag a little.
    pub kept_bytes: u64,
    /// How many entries behind the snapshot stay in the log, so that a node which is a little late needs no snapshot.
    pub kept_entries: u64,
    /// How large one file of the log becomes. Only whole files are given back to the disk.
    pub log_file_bytes: u64,
}

impl Config {
    /// The defaults, for a member of a group of these founding members.
    pub fn new(id: NodeId, members: BTreeMap<NodeId, String>, store: Store) -> Self {
        Self {
            id,
            members,
            alone: false,
            listens: None,
            store,
            was_here: false,
            timers: Timers::LAN,
            snapshot_log_bytes: 64 << 20,
            kept_bytes: 64 << 20,
            kept_entries: 1024,
            log_file_bytes: 16 << 20,
        }
    }
}

/// Where a node keeps what it must not forget.
#[derive(Clone, Debug)]
pub enum Store {
    /// In files of this directory, which is made if need be. What is acknowledged survives the power.
    Directory(PathBuf),
    /// In memory. A node that is started again with a clone of the store goes on where the last one was.
    Memory(MemoryStore),
}

impl Store {
    /// A new, empty store in memory.
    pub fn memory() -> Self {
        Self::Memory(MemoryStore::default())
    }
}

/// When a leader is missed. The same for all nodes of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// How often a leader shows that it is there.
    pub heartbeat: Duration,
    /// The shortest time without a leader after which a node wants to lead.
    pub election_min: Duration,
    /// The longest.
    pub election_max: Duration,
}

impl Timers {
    /// For nodes in one place.
    pub const LAN: Self = Self::of_millis(100, 300, 600);
    /// For a node alone, which has nobody to wait for.
    pub const ALONE: Self = Self::of_millis(20, 50, 100);
    /// For nodes far apart, or machines that stop for a moment now and then.
    pub const WAN: Self = Self::of_millis(300, 1000, 2000);

    /// Timers in milliseconds.
    pub const fn of_millis(heartbeat: u64, election_min: u64, election_max: u64) -> Self {
        Self {
            heartbeat: Duration::from_millis(heartbeat),
            election_min: Duration::from_millis(election_min),
            election_max: Duration::from_millis(election_max),
        }
    }
}
