//! The network between clients and members. Messages are bytes, as on a real one, and may be lost, doubled, late, and cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gristmill_protocol::{
    ClientServiceRequest, ClientServiceResponse, ConnectionId, KvServiceRequest, KvServiceResponse, Services,
};
use gristmill_replication::NodeId;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::desk::Desk;

/// What a client sends.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Client(ClientServiceRequest),
    Kv(KvServiceRequest),
}

/// What it is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Client(Box<ClientServiceResponse>),
    Kv(KvServiceResponse),
}

/// Nobody listens at that address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreachable;

/// What may happen to a message of a client.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClientFaults {
    /// How many of a hundred requests are lost, and of replies.
    pub(super) lost_percent: u32,
    /// How many of a hundred requests arrive a second time, when nobody waits for that any more.
    pub(super) doubled_percent: u32,
    /// How long a message travels at most.
    pub(super) delay_max: Duration,
}

impl ClientFaults {
    /// As bad as the members' own network, and with copies that come late.
    pub(super) const UNRELIABLE: Self =
        Self { lost_percent: 10, doubled_percent: 10, delay_max: Duration::from_millis(27) };
}

/// How late a copy of a request may come: behind a change of leaders, or of all the client's next requests.
const COPY_AFTER_MAX: Duration = Duration::from_secs(3);

/// What has happened to the messages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClientCounts {
    pub(super) sent: u64,
    pub(super) lost_requests: u64,
    pub(super) lost_replies: u64,
    pub(super) copies: u64,
}

/// See the module. Clones are the same network.
#[derive(Clone)]
pub(super) struct ClientWires(Arc<Mutex<Wires>>);

struct Wires {
    random: SmallRng,
    faults: ClientFaults,
    doors: BTreeMap<NodeId, Door>,
    lives: u64,
    /// Whom a client reaches, if not all.
    confined: BTreeMap<u64, BTreeSet<NodeId>>,
    counts: ClientCounts,
}

/// One life of a member, as clients find it.
#[derive(Clone)]
struct Door {
    life: u64,
    desk: Desk,
}

struct Fate {
    there: Duration,
    back: Duration,
    request_lost: bool,
    reply_lost: bool,
    copy_after: Option<Duration>,
}

impl ClientWires {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Wires {
            random: SmallRng::seed_from_u64(seed),
            faults: ClientFaults::default(),
            doors: BTreeMap::new(),
            lives: 0,
            confined: BTreeMap::new(),
            counts: ClientCounts::default(),
        })))
    }

    /// A member listens from now on.
    pub(super) fn open(&self, id: NodeId, desk: Desk) {
        let mut wires = self.wires();
        wires.lives += 1;
        let life = wires.lives;
        wires.doors.insert(id, Door { life, desk });
    }

    /// A member is gone, with everything that was on its way back from it.
    pub(super) fn close(&self, id: NodeId) {
        self.wires().doors.remove(&id);
    }

    /// What happens to messages from now on.
    pub(super) fn set_faults(&self, faults: ClientFaults) {
        self.wires().faults = faults;
    }

    /// Lets a client reach these members only.
    pub(super) fn confine(&self, client: u64, to: &[NodeId]) {
        self.wires().confined.insert(client, to.iter().copied().collect());
    }

    /// Lets all clients reach all members again.
    pub(super) fn free_all(&self) {
        self.wires().confined.clear();
    }

    pub(super) fn counts(&self) -> ClientCounts {
        self.wires().counts
    }

    /// Sends a request. What is lost on either way is waited for in vain.
    pub(super) async fn call(
        &self,
        client: u64,
        to: NodeId,
        request: &Request,
    ) -> Result<Reply, Unreachable> {
        let request = postcard::to_stdvec(request).unwrap();
        let fate = self.wires().fate();
        travel(fate.there).await;
        if fate.request_lost || !self.wires().reaches(client, to) {
            pending::<()>().await;
        }
        let Some(door) = self.door(to) else { return Err(Unreachable) };
        if let Some(after) = fate.copy_after {
            tokio::spawn(self.clone().send_copy(to, request.clone(), after));
        }
        // To its end, whether or not anybody still waits for the reply.
        let reply = tokio::spawn(door.desk.answer(request)).await.expect("a call does not panic");
        travel(fate.back).await;
        let is_same_life = self.door(to).is_some_and(|now| now.life == door.life);
        if fate.reply_lost || !is_same_life || !self.wires().reaches(client, to) {
            pending::<()>().await;
        }
        Ok(postcard::from_bytes(&reply).unwrap())
    }

    async fn send_copy(self, to: NodeId, request: Vec<u8>, after: Duration) {
        sleep(after).await;
        if let Some(door) = self.door(to) {
            self.wires().counts.copies += 1;
            door.desk.answer(request).await;
        }
    }

    fn door(&self, id: NodeId) -> Option<Door> {
        self.wires().doors.get(&id).cloned()
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wires {
    fn reaches(&self, client: u64, to: NodeId) -> bool {
        self.confined.get(&client).is_none_or(|members| members.contains(&to))
    }

    fn fate(&mut self) -> Fate {
        let faults = self.faults;
        let mut one_in = |percent: u32| self.random.random_range(0..100) < percent;
        let (request_lost, reply_lost) = (one_in(faults.lost_percent), one_in(faults.lost_percent));
        let doubled = one_in(faults.doubled_percent);
        let mut up_to = |most: Duration| most.mul_f64(self.random.random_range(0.0..=1.0));
        let (there, back) = (up_to(faults.delay_max), up_to(faults.delay_max));
        let copy_after = doubled.then(|| up_to(COPY_AFTER_MAX));
        self.counts.sent += 1;
        self.counts.lost_requests += u64::from(request_lost);
        self.counts.lost_replies += u64::from(reply_lost && !request_lost);
        Fate { there, back, request_lost, reply_lost, copy_after }
    }
}

impl Desk {
    /// What a server does with a message of a client.
    async fn answer(self, request: Vec<u8>) -> Vec<u8> {
        let connection = ConnectionId(0);
        let reply = match postcard::from_bytes(&request).unwrap() {
            Request::Client(call) => Reply::Client(Box::new(self.client(connection, call).await.unwrap())),
            Request::Kv(call) => Reply::Kv(self.kv(connection, call).await.unwrap()),
        };
        postcard::to_stdvec(&reply).unwrap()
    }
}

/// A sleep of no length would still take up to a tick of the clock.
async fn travel(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}
