//! A network in memory that does to messages what real ones do, when a test says so.
//!
//! Everything it decides comes from its seed and the order of the messages. It waits by tokio's clock, so a test may pause that.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

use crate::error::DeliverError;
use crate::group::GroupId;
use crate::machine::{Machine, ReadError};
use crate::network::{Lane, Network, NetworkError, NodeId};
use crate::node::Node;
use crate::raft::wire::{Message, Request, WIRE_VERSION};

type Deliver = Arc<dyn Fn(Vec<u8>) -> BoxFuture<'static, Result<Vec<u8>, DeliverError>> + Send + Sync>;

/// A network in memory. Clones are the same network.
#[derive(Clone)]
pub struct FaultyNetwork(Arc<Mutex<Wires>>);

/// The least machine: it counts its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter(u64);

impl Machine for Counter {
    type Entry = u64;
    type Outcome = u64;
    type Frozen = u64;

    fn apply(&mut self, _: u64, _: u64) -> u64 {
        self.0 += 1;
        self.0
    }

    fn freeze(&self) -> u64 {
        self.0
    }

    fn write(frozen: &u64, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&frozen.to_le_bytes())
    }

    fn read(input: &mut dyn Read) -> Result<Self, ReadError> {
        let mut bytes = [0; 8];
        input.read_exact(&mut bytes)?;
        Ok(Self(u64::from_le_bytes(bytes)))
    }
}

/// What may happen to any message.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// How many of a thousand requests are lost, and of replies.
    pub lost_per_mille: u32,
    /// How many of a thousand requests arrive twice.
    pub doubled_per_mille: u32,
    /// How long a request travels at most.
    pub delay_max: Duration,
    /// Two of three replies take 200 to 2,200 ms, so that they overtake each other by far.
    pub long_reordering: bool,
    /// A message to a node that is cut off is given up after up to 7 s, not after up to 100 ms.
    pub long_silence: bool,
}

impl Faults {
    /// The classic unreliable network: a tenth of all requests and of all replies lost, delays to 27 ms.
    pub const UNRELIABLE: Self = Self {
        lost_per_mille: 100,
        doubled_per_mille: 0,
        delay_max: Duration::from_millis(27),
        long_reordering: false,
        long_silence: false,
    };
}

/// What has been sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were sent, whatever became of them.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them were pieces of snapshots.
    pub pieces: u64,
    /// How many of them were lost, or had their replies lost, by [`Faults::lost_per_mille`].
    pub lost: u64,
}

/// A message that the node `to` of the group of these founders takes for one of `from`, around a request of any bytes.
pub fn seal(
    from: NodeId,
    to: NodeId,
    founders: &BTreeMap<NodeId, String>,
    request: &[u8],
) -> Result<Vec<u8>, postcard::Error> {
    let mut message = postcard::to_stdvec(&(WIRE_VERSION, from, to, GroupId::of(founders), from))?;
    message.extend_from_slice(request);
    Ok(message)
}

struct Wires {
    random: SmallRng,
    faults: Faults,
    nodes: BTreeMap<NodeId, Deliver>,
    /// How often a node has died: what it says after that is heard by nobody.
    deaths: BTreeMap<NodeId, u64>,
    cut: BTreeSet<NodeId>,
    /// One way: from, to.
    blocked: BTreeSet<(NodeId, NodeId)>,
    counts: BTreeMap<Lane, Counts>,
}

/// The network as one node has it.
#[derive(Clone)]
pub struct Wire {
    from: NodeId,
    life: u64,
    network: FaultyNetwork,
}

impl FaultyNetwork {
    /// A network without faults.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Wires {
            random: SmallRng::seed_from_u64(seed),
            faults: Faults::default(),
            nodes: BTreeMap::new(),
            deaths: BTreeMap::new(),
            cut: BTreeSet::new(),
            blocked: BTreeSet::new(),
            counts: BTreeMap::new(),
        })))
    }

    /// The end that a node sends by, until it is [detached](Self::detach).
    pub fn wire(&self, from: NodeId) -> Wire {
        Wire { from, life: self.wires().life(from), network: self.clone() }
    }

    /// Delivers to this node from now on.
    pub fn attach<M: Machine>(&self, node: &Node<M>) {
        // Not held alive by the network: a node that is dropped is gone.
        let weak = node.downgrade();
        let deliver: Deliver = Arc::new(move |message| {
            let node = weak.upgrade();
            Box::pin(async move {
                let node = node.ok_or_else(|| DeliverError::Failed("this node was stopped".into()))?;
                node.deliver(&message).await
            })
        });
        self.wires().nodes.insert(node.id(), deliver);
    }

    /// The node is dead: delivers nothing to it any more, and nothing that it has sent or sends, replies included.
    pub fn detach(&self, id: NodeId) {
        let mut wires = self.wires();
        wires.nodes.remove(&id);
        *wires.deaths.entry(id).or_default() += 1;
    }

    /// What happens to messages from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.wires().faults = faults;
    }

    /// Cuts a node off: nothing reaches it, and nothing of it reaches anyone, replies included.
    pub fn cut(&self, id: NodeId) {
        self.wires().cut.insert(id);
    }

    /// Undoes [`cut`](Self::cut).
    pub fn mend(&self, id: NodeId) {
        self.wires().cut.remove(&id);
    }

    /// Whether a node is cut off.
    pub fn is_cut(&self, id: NodeId) -> bool {
        self.wires().cut.contains(&id)
    }

    /// Lets nothing pass from one node to another; the other way, requests arrive, and their replies do not return.
    pub fn block(&self, from: NodeId, to: NodeId) {
        self.wires().blocked.insert((from, to));
    }

    /// Splits the nodes: those named reach each other only.
    pub fn split(&self, sides: &[&[NodeId]]) {
        let mut wires = self.wires();
        for (number, side) in sides.iter().enumerate() {
            for other in sides.iter().enumerate().filter(|(other, _)| *other != number).flat_map(|(_, o)| *o)
            {
                wires.blocked.extend(side.iter().map(|from| (*from, *other)));
            }
        }
    }

    /// Undoes every cut, block and split.
    pub fn heal(&self) {
        let mut wires = self.wires();
        wires.cut.clear();
        wires.blocked.clear();
    }

    /// What has been sent on a lane since the beginning.
    pub fn counts(&self, lane: Lane) -> Counts {
        self.wires().counts.get(&lane).copied().unwrap_or_default()
    }

    /// What has been sent altogether.
    pub fn total(&self) -> Counts {
        let (control, bulk) = (self.counts(Lane::Control), self.counts(Lane::Bulk));
        Counts {
            messages: control.messages + bulk.messages,
            bytes: control.bytes + bulk.bytes,
            pieces: bulk.pieces,
            lost: control.lost + bulk.lost,
        }
    }

    /// A number below `end`, from the network's own dice: for tests that roll more of them.
    pub fn roll(&self, end: u64) -> u64 {
        self.wires().random.random_range(0..end.max(1))
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry(
        &self,
        (from, life): (NodeId, u64),
        to: NodeId,
        lane: Lane,
        message: Vec<u8>,
    ) -> Result<Vec<u8>, NetworkError> {
        let is_piece = lane == Lane::Bulk && is_piece(&message);
        let fate = {
            let mut wires = self.wires();
            let fate = wires.fate(from, to);
            wires.count(lane, message.len(), is_piece, &fate);
            fate
        };
        travel(fate.there).await;
        if fate.request_lost || self.wires().life(from) != life {
            std::future::pending::<()>().await;
        }
        let Some(deliver) = self.wires().reach(from, to) else {
            sleep(fate.silence).await;
            return Err(NetworkError::Unreachable(format!("node {to} is cut off")));
        };
        let served_in = self.wires().life(to);
        if fate.doubled {
            tokio::spawn(deliver(message.clone()));
        }
        // To its end, whether or not anybody still waits for the reply.
        let reply = tokio::spawn(deliver(message)).await;
        travel(fate.back).await;
        let is_dead = self.wires().life(to) != served_in;
        if fate.reply_lost || is_dead || !self.wires().is_open(to, from) {
            std::future::pending::<()>().await;
        }
        match reply {
            Ok(reply) => reply.map_err(|refusal| NetworkError::Refused(refusal.to_string())),
            Err(_) => Err(NetworkError::NoReply("the node has ended".into())),
        }
    }
}

impl Wires {
    /// Which life of the node this is.
    fn life(&self, id: NodeId) -> u64 {
        self.deaths.get(&id).copied().unwrap_or(0)
    }

    fn reach(&self, from: NodeId, to: NodeId) -> Option<Deliver> {
        let node = self.nodes.get(&to)?;
        self.is_open(from, to).then(|| node.clone())
    }

    fn is_open(&self, from: NodeId, to: NodeId) -> bool {
        !self.cut.contains(&from) && !self.cut.contains(&to) && !self.blocked.contains(&(from, to))
    }

    fn count(&mut self, lane: Lane, bytes: usize, is_piece: bool, fate: &Fate) {
        let counts = self.counts.entry(lane).or_default();
        counts.messages += 1;
        counts.bytes += bytes as u64;
        counts.pieces += u64::from(is_piece);
        counts.lost += u64::from(fate.request_lost || fate.reply_lost);
    }

    fn fate(&mut self, from: NodeId, to: NodeId) -> Fate {
        let faults = self.faults;
        let mut one_in = |per_mille: u32| self.random.random_range(0..1000) < per_mille;
        let (request_lost, reply_lost) = (one_in(faults.lost_per_mille), one_in(faults.lost_per_mille));
        let doubled = one_in(faults.doubled_per_mille);
        let late = faults.long_reordering && one_in(667);
        let mut up_to = |max: u64| Duration::from_millis(self.random.random_range(0..=max));
        let there = up_to(u64::try_from(faults.delay_max.as_millis()).unwrap_or(u64::MAX));
        let back = if late { Duration::from_millis(200) + up_to(2000) } else { Duration::ZERO };
        let silence = up_to(if faults.long_silence { 7000 } else { 100 });
        debug_assert_ne!(from, to);
        Fate { there, back, silence, request_lost, reply_lost, doubled }
    }
}

/// A sleep of no length would still take up to a tick of the clock.
async fn travel(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

fn is_piece(message: &[u8]) -> bool {
    let message = postcard::from_bytes::<Message>(message);
    message.is_ok_and(|message| matches!(message.request, Request::Piece(_)))
}

struct Fate {
    there: Duration,
    back: Duration,
    silence: Duration,
    request_lost: bool,
    reply_lost: bool,
    doubled: bool,
}

impl Network for Wire {
    async fn send(
        &self,
        to: NodeId,
        _: &str,
        lane: Lane,
        message: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<u8>, NetworkError> {
        let carried = self.network.carry((self.from, self.life), to, lane, message);
        match tokio::time::timeout(timeout, carried).await {
            Ok(reply) => reply,
            Err(_) => Err(NetworkError::NoReply(format!("within {} ms", timeout.as_millis()))),
        }
    }
}
