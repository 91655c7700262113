//! A group in one process: its network, its stores, and what a test does to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gristmill_replication::testing::FaultyNetwork;
use gristmill_replication::{Config, Node, NodeId, ProposeError, Role, Store, Timers};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::ledger::Ledger;

/// How long anything may take that must happen. By the paused clock of most tests: it costs nothing.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// A group of nodes.
pub(crate) struct World {
    pub(crate) network: FaultyNetwork,
    slots: BTreeMap<NodeId, Slot>,
    configure: fn(&mut Config),
    /// The longest list of commands seen: every node's list must be a beginning of it, at any time.
    record: Vec<(u64, String)>,
    /// Who led in which term.
    leaders: BTreeMap<u64, NodeId>,
    /// The nodes that run, for those who call them at their own pace.
    roster: Roster,
    _directory: Option<TempDir>,
}

/// The nodes that run. Clones are the same list.
#[derive(Clone, Default)]
pub(crate) struct Roster(Arc<Mutex<BTreeMap<NodeId, Node<Ledger>>>>);

impl Roster {
    /// Proposes a command at whoever says that it leads. What it became, if it became something in time.
    pub(crate) async fn propose(&self, command: &str, patience: Duration) -> Option<usize> {
        let nodes: Vec<_> = self.0.lock().unwrap().values().cloned().collect();
        for node in nodes {
            let role = node.leadership().borrow().clone();
            if let Role::Leading { term } = role
                && let Ok(Ok(place)) = timeout(patience, node.propose(term, command.into())).await
            {
                return Some(place);
            }
        }
        None
    }
}

struct Slot {
    store: Store,
    node: Option<Node<Ledger>>,
    /// How much of its list was compared with the record.
    checked: usize,
}

impl World {
    /// A group of so many nodes with stores in memory.
    pub(crate) async fn new(nodes: u64) -> Self {
        Self::with(nodes, seed(), |_| {}).await
    }

    /// A group whose nodes are configured by a function.
    pub(crate) async fn with(nodes: u64, seed: u64, configure: fn(&mut Config)) -> Self {
        println!("seed {seed}");
        let slots = (1..=nodes).map(|id| (id, Slot { store: Store::memory(), node: None, checked: 0 }));
        Self::start(slots.collect(), seed, configure, None).await
    }

    /// A group with its stores on the disk.
    pub(crate) async fn on_disk(nodes: u64, configure: fn(&mut Config)) -> Self {
        let directory = TempDir::new().unwrap();
        let slots = (1..=nodes).map(|id| {
            let store = Store::Directory(directory.path().join(id.to_string()));
            (id, Slot { store, node: None, checked: 0 })
        });
        let slots = slots.collect();
        Self::start(slots, seed(), configure, Some(directory)).await
    }

    async fn start(
        slots: BTreeMap<NodeId, Slot>,
        seed: u64,
        configure: fn(&mut Config),
        directory: Option<TempDir>,
    ) -> Self {
        let network = FaultyNetwork::new(seed);
        let (record, leaders) = (Vec::new(), BTreeMap::new());
        let roster = Roster::default();
        let mut world = Self { network, slots, configure, record, leaders, roster, _directory: directory };
        for id in world.ids() {
            world.restart(id).await;
        }
        world
    }

    /// The members that founded the group.
    pub(crate) fn founders(&self) -> BTreeMap<NodeId, String> {
        (1..=self.slots.len() as u64).map(|id| (id, format!("node-{id}"))).collect()
    }

    /// As many can do without the others.
    pub(crate) fn majority(&self) -> usize {
        self.slots.len() / 2 + 1
    }

    /// As many may be missing.
    pub(crate) fn minority(&self) -> usize {
        self.slots.len() - self.majority()
    }

    pub(crate) fn ids(&self) -> Vec<NodeId> {
        self.slots.keys().copied().collect()
    }

    /// Those that run and are not cut off.
    pub(crate) fn reachable(&self) -> Vec<NodeId> {
        let runs = |id: &NodeId| self.slots[id].node.is_some() && !self.network.is_cut(*id);
        self.slots.keys().copied().filter(runs).collect()
    }

    pub(crate) fn node(&self, id: NodeId) -> Node<Ledger> {
        self.slots[&id].node.clone().expect("the node runs")
    }

    pub(crate) fn roster(&self) -> Roster {
        self.roster.clone()
    }

    pub(crate) fn runs(&self, id: NodeId) -> bool {
        self.slots[&id].node.is_some()
    }

    pub(crate) fn store(&self, id: NodeId) -> Store {
        self.slots[&id].store.clone()
    }

    /// The configuration that a node is started with.
    pub(crate) fn config(&self, id: NodeId) -> Config {
        let mut config = Config::new(id, self.founders(), self.store(id));
        config.timers = Timers::LAN;
        (self.configure)(&mut config);
        config
    }

    /// Starts a node, from what its store holds.
    pub(crate) async fn restart(&mut self, id: NodeId) {
        self.crash(id).await;
        let node = Node::start(self.config(id), self.network.wire(id), Ledger::default()).await.unwrap();
        self.network.attach(&node);
        let slot = self.slots.get_mut(&id).unwrap();
        self.roster.0.lock().unwrap().insert(id, node.clone());
        slot.node = Some(node);
        slot.checked = 0;
    }

    /// Gives the node an empty store for its next start.
    pub(crate) fn lose_store(&mut self, id: NodeId) {
        self.slots.get_mut(&id).unwrap().store = Store::memory();
    }

    /// Ends a node. Its store stays.
    pub(crate) async fn crash(&mut self, id: NodeId) {
        self.network.detach(id);
        self.roster.0.lock().unwrap().remove(&id);
        if let Some(node) = self.slots.get_mut(&id).unwrap().node.take() {
            node.shutdown().await;
        }
    }

    /// Ends all nodes, and starts them again.
    pub(crate) async fn restart_all(&mut self) {
        for id in self.ids() {
            self.crash(id).await;
        }
        for id in self.ids() {
            self.restart(id).await;
        }
    }

    pub(crate) fn cut_all(&self, ids: &[NodeId]) {
        ids.iter().for_each(|id| self.network.cut(*id));
    }

    pub(crate) fn mend_all(&self, ids: &[NodeId]) {
        ids.iter().for_each(|id| self.network.mend(*id));
    }

    /// Compares what the nodes have applied, all with all.
    pub(crate) fn check(&mut self) {
        for (id, slot) in &mut self.slots {
            let Some(node) = &slot.node else { continue };
            if let Role::Leading { term } = &*node.leadership().borrow() {
                let leader = *self.leaders.entry(*term).or_insert(*id);
                assert_eq!(leader, *id, "two leaders in term {term}");
            }
            let machine = node.machine();
            for command in machine.since(slot.checked) {
                match self.record.get(slot.checked) {
                    None => self.record.push(command.clone()),
                    Some(known) => assert_eq!(known, command, "node {id}, command {}", slot.checked),
                }
                slot.checked += 1;
            }
        }
    }

    /// All commands that any node has applied.
    pub(crate) fn record(&mut self) -> Vec<String> {
        self.check();
        self.record.iter().map(|(_, command)| command.clone()).collect()
    }

    /// The bytes of the log in a node's memory, and of its snapshot.
    pub(crate) fn stored(&self, id: NodeId) -> (u64, u64) {
        match self.store(id) {
            Store::Memory(store) => store.bytes(),
            Store::Directory(_) => panic!("the store is on the disk"),
        }
    }

    /// All nodes but these.
    pub(crate) fn others(&self, but: &[NodeId]) -> Vec<NodeId> {
        self.ids().into_iter().filter(|id| !but.contains(id)).collect()
    }

    /// Lets time pass in which something might happen that must not, and looks at the nodes all the while.
    pub(crate) async fn pass(&mut self, time: Duration) {
        let _: Option<()> = self.within(time, |_| None).await;
    }

    /// Two of the longest election timeouts.
    pub(crate) async fn pass_elections(&mut self) {
        self.pass(Timers::LAN.election_max * 2).await;
    }

    /// Waits until the condition gives something.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        mut reached: impl FnMut(&mut Self) -> Option<T>,
    ) -> T {
        self.within(PATIENCE, &mut reached).await.unwrap_or_else(|| panic!("never: {what}"))
    }

    /// The same, if it comes in time.
    pub(crate) async fn within<T>(
        &mut self,
        patience: Duration,
        mut reached: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + patience;
        loop {
            self.check();
            if let Some(found) = reached(self) {
                return Some(found);
            }
            if Instant::now() >= deadline {
                return None;
            }
            sleep(POLL).await;
        }
    }

    /// The leader among those that can be reached, and its term.
    pub(crate) async fn leader(&mut self) -> (NodeId, u64) {
        loop {
            let (leader, term) = self.until("a leader", |world| world.leader_now()).await;
            // One that was cut off and is back may not have heard of its successor.
            if self.node(leader).confirm().await.is_ok() {
                return (leader, term);
            }
        }
    }

    /// The one that leads in the latest term, if it can be reached.
    pub(crate) fn leader_now(&self) -> Option<(NodeId, u64)> {
        let leads = |id: &NodeId| match *self.node(*id).leadership().borrow() {
            Role::Leading { term } => Some((*id, term)),
            _ => None,
        };
        self.reachable().iter().filter_map(leads).max_by_key(|(_, term)| *term)
    }

    /// Proposes a command at a node, in the term in which it leads.
    pub(crate) fn propose(&self, id: NodeId, command: &str) -> JoinHandle<Result<usize, ProposeError>> {
        let node = self.node(id);
        let command = command.to_owned();
        tokio::spawn(async move {
            let role = node.leadership().borrow().clone();
            match role {
                Role::Leading { term } => node.propose(term, command).await,
                _ => Err(ProposeError::NotLeader { leader: None }),
            }
        })
    }

    /// Makes sure of a command: proposes it, at whoever leads, until so many nodes have applied it.
    pub(crate) async fn agree(&mut self, command: &str, nodes: usize) {
        let agreed = self.try_agree(command, nodes, PATIENCE).await;
        assert!(agreed, "no agreement on {command}");
    }

    /// The same, if it happens in time.
    pub(crate) async fn try_agree(&mut self, command: &str, nodes: usize, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            let Some((leader, _)) = self.within(Duration::from_secs(10), |world| world.leader_now()).await
            else {
                continue;
            };
            self.propose(leader, command);
            let applied = |world: &mut Self| (world.applied_by(command) >= nodes).then_some(());
            if self.within(Duration::from_secs(2), applied).await.is_some() {
                return true;
            }
        }
        false
    }

    /// How many nodes have applied a command.
    pub(crate) fn applied_by(&self, command: &str) -> usize {
        let nodes = self.slots.values().filter_map(|slot| slot.node.as_ref());
        nodes.filter(|node| node.machine().has(command)).count()
    }

    /// Waits until these nodes have applied the same, and as much as any.
    pub(crate) async fn converge(&mut self, ids: &[NodeId]) {
        self.until("the same state everywhere", |world| {
            let most = world.record.len();
            ids.iter().all(|id| world.node(*id).machine().len() == most).then_some(())
        })
        .await;
    }

    pub(crate) async fn stop(&mut self) {
        self.check();
        for id in self.ids() {
            self.crash(id).await;
        }
    }
}

/// The seed of a test's dice, from the environment or fixed.
pub(crate) fn seed() -> u64 {
    std::env::var("GRISTMILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// How many rounds a test plays: so many, or as many times that as the environment says.
pub(crate) fn rounds(usually: u64) -> u64 {
    usually * std::env::var("GRISTMILL_ROUNDS").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}
