//! A group of coordinators in one process: its networks, its stores, and what a test does to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill_replication::testing::{Faults, FaultyNetwork};
use gristmill_replication::{Config, MemoryStore, NodeId, Role, Store, Timers};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::clerk::Clerk;
use super::member::Member;
use super::wires::{ClientFaults, ClientWires};

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);
/// Two of the longest election timeouts.
pub(super) const ELECTIONS: Duration = Duration::from_millis(1200);
/// How long a member's disk takes at most to sync.
pub(super) const SYNC_MAX: Duration = Duration::from_millis(10);
/// Bytes of log between two snapshots, where there are any.
pub(super) const SNAPSHOT_LOG_BYTES: u64 = 1_000;

/// Who has led in which term, of all who ever did.
type Leaders = Arc<Mutex<BTreeMap<u64, BTreeSet<NodeId>>>>;

/// See the module.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) network: FaultyNetwork,
    pub(super) wires: ClientWires,
    stores: BTreeMap<NodeId, MemoryStore>,
    members: BTreeMap<NodeId, Member>,
    snapshots: bool,
    leaders: Leaders,
    pub(super) crashes: u64,
    place: TempDir,
}

/// Where a member is said to be.
pub(super) fn address(id: NodeId) -> String {
    format!("member-{id}")
}

/// Who is there.
pub(super) fn id_at(address: &str) -> NodeId {
    address.strip_prefix("member-").and_then(|id| id.parse().ok()).expect("an address of a member")
}

/// The seed of a test's dice, from the environment or fixed.
pub(super) fn seed() -> u64 {
    std::env::var("GRISTMILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

impl World {
    /// A group of so many that keeps its whole log.
    pub(super) async fn new(members: u64) -> Self {
        Self::with(members, false).await
    }

    /// A group that takes snapshots all the time, and keeps nearly nothing behind them.
    pub(super) async fn with_snapshots(members: u64) -> Self {
        Self::with(members, true).await
    }

    pub(super) async fn with(members: u64, snapshots: bool) -> Self {
        let seed = seed();
        println!("seed {seed}, {members} members");
        let mut world = Self {
            seed,
            network: FaultyNetwork::new(seed),
            wires: ClientWires::new(seed),
            stores: (1..=members).map(|id| (id, MemoryStore::slow(SYNC_MAX))).collect(),
            members: BTreeMap::new(),
            snapshots,
            leaders: Leaders::default(),
            crashes: 0,
            place: TempDir::new().unwrap(),
        };
        world.start_all().await;
        world
    }

    pub(super) fn ids(&self) -> Vec<NodeId> {
        self.stores.keys().copied().collect()
    }

    /// All but these.
    pub(super) fn others(&self, but: &[NodeId]) -> Vec<NodeId> {
        self.ids().into_iter().filter(|id| !but.contains(id)).collect()
    }

    /// A client that knows all members.
    pub(super) fn clerk(&self, number: u64) -> Clerk {
        Clerk::new(number, self.seed, self.wires.clone(), self.ids())
    }

    /// Makes the network of the members, and of their clients, bad.
    pub(super) fn make_unreliable(&self, faults: Faults) {
        self.network.set_faults(faults);
        self.wires.set_faults(ClientFaults::UNRELIABLE);
    }

    /// Undoes everything that is done to the networks.
    pub(super) fn heal(&self) {
        self.network.heal();
        self.network.set_faults(Faults::default());
        self.wires.set_faults(ClientFaults::default());
        self.wires.free_all();
    }

    pub(super) fn runs(&self, id: NodeId) -> bool {
        self.members.contains_key(&id)
    }

    pub(super) fn member(&self, id: NodeId) -> &Member {
        &self.members[&id]
    }

    /// Starts a member from what its store holds.
    pub(super) async fn start(&mut self, id: NodeId) {
        let founders = self.stores.keys().map(|id| (*id, address(*id))).collect();
        let mut config = Config::new(id, founders, Store::Memory(self.stores[&id].clone()));
        config.timers = Timers::LAN;
        if self.snapshots {
            config.snapshot_log_bytes = SNAPSHOT_LOG_BYTES;
            config.kept_entries = 5;
        }
        let member = Member::start(config, &self.network, self.place.path().join(address(id))).await;
        tokio::spawn(note_leaderships(member.node.leadership(), id, self.leaders.clone()));
        self.wires.open(id, member.desk.clone());
        self.members.insert(id, member);
    }

    /// Kills a member. Its store stays, but for what is not synced.
    pub(super) async fn crash(&mut self, id: NodeId) {
        self.network.detach(id);
        self.wires.close(id);
        if let Some(member) = self.members.remove(&id) {
            let store = self.stores.get_mut(&id).expect("each member has a store");
            *store = store.after_crash();
            member.kill().await;
            self.crashes += 1;
        }
    }

    pub(super) async fn start_all(&mut self) {
        for id in self.ids() {
            if !self.runs(id) {
                self.start(id).await;
            }
        }
    }

    pub(super) async fn crash_all(&mut self) {
        for id in self.ids() {
            self.crash(id).await;
        }
    }

    /// Ends all members in good order.
    pub(super) async fn end_all(&mut self) {
        for (_, member) in std::mem::take(&mut self.members) {
            member.end().await;
        }
    }

    /// The bytes of the log of a member, and of its snapshot.
    pub(super) fn stored(&self, id: NodeId) -> (u64, u64) {
        self.stores[&id].bytes()
    }

    /// How many terms have had a leader.
    pub(super) fn leaderships(&self) -> usize {
        self.leaders.lock().unwrap().len()
    }

    /// What must hold at any time.
    pub(super) fn check(&self) {
        for (id, member) in &self.members {
            assert!(!member.has_ended(), "member {id} has ended by itself");
        }
        for (term, leaders) in &*self.leaders.lock().unwrap() {
            assert_eq!(leaders.len(), 1, "leaders of term {term}: {leaders:?}");
        }
    }

    /// Lets time pass.
    pub(super) async fn pass(&self, time: Duration) {
        let _: Option<()> = self.within(time, || None).await;
    }

    /// Waits until the condition gives something.
    pub(super) async fn until<T>(&self, what: &str, reached: impl FnMut() -> Option<T>) -> T {
        self.within(PATIENCE, reached).await.unwrap_or_else(|| panic!("never: {what}"))
    }

    async fn within<T>(&self, patience: Duration, mut reached: impl FnMut() -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        loop {
            self.check();
            if let Some(found) = reached() {
                return Some(found);
            }
            if Instant::now() >= deadline {
                return None;
            }
            sleep(POLL).await;
        }
    }

    /// Waits for what clients do.
    pub(super) async fn join<T>(&self, what: &str, clients: Vec<JoinHandle<T>>) -> Vec<T> {
        self.until(what, || clients.iter().all(JoinHandle::is_finished).then_some(())).await;
        let mut results = Vec::new();
        for client in clients {
            results.push(client.await.expect("a client does not panic"));
        }
        results
    }

    /// The leader of the newest term, if it still leads.
    pub(super) async fn leader(&self) -> NodeId {
        loop {
            let leader = self.until("a leader", || self.leader_now()).await;
            // One that was cut off and is back may not have heard of its successor.
            if self.member(leader).node.confirm().await.is_ok() {
                return leader;
            }
            sleep(POLL).await;
        }
    }

    /// Who believes to lead, in the newest term, and is not cut off.
    pub(super) fn leader_now(&self) -> Option<NodeId> {
        let leads = |(id, member): (&NodeId, &Member)| match *member.node.leadership().borrow() {
            Role::Leading { term } if !self.network.is_cut(*id) => Some((term, *id)),
            _ => None,
        };
        self.members.iter().filter_map(leads).max().map(|(_, id)| id)
    }

    /// Waits until all members have the same state, each by itself.
    pub(super) async fn converge(&self) {
        let are_equal = || {
            let mut states = self.members.values().map(|member| member.node.machine().state.clone());
            let first = states.next()?;
            (self.members.len() == self.stores.len() && states.all(|state| state == first)).then_some(())
        };
        self.until("the same state everywhere", are_equal).await;
    }
}

async fn note_leaderships(mut roles: tokio::sync::watch::Receiver<Role>, id: NodeId, leaders: Leaders) {
    loop {
        if let Role::Leading { term } = *roles.borrow_and_update() {
            leaders.lock().unwrap().entry(term).or_default().insert(id);
        }
        if roles.changed().await.is_err() {
            return;
        }
    }
}
