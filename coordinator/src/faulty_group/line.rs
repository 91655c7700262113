//! One line of the lists of tests: how many members and clients, what goes wrong, and what must hold all the same.

use std::time::Duration;

use gristmill_linearizable::Call;
use gristmill_replication::NodeId;
use gristmill_replication::testing::Faults;
use tokio::time::Instant;

use super::history::{History, judge};
use super::load::{Keys, work};
use super::partitions::keep_parting;
use super::world::{ELECTIONS, SNAPSHOT_LOG_BYTES, World};

/// Sizes of groups.
pub(super) const SIZES: [u64; 3] = [3, 5, 7];
/// How long a round is at least; it ends when the clients have got on.
const ROUND: Duration = Duration::from_secs(2);
/// How long it may take them. By the paused clock: it costs nothing.
const ROUND_MAX: Duration = Duration::from_secs(300);
/// How many answers each client gets in a round, on the average.
const ANSWERS: u64 = 20;
/// How much of a log may be there, in snapshots' distances: one that is being taken, one that is due, and what came meanwhile.
const LOG_MAX: u64 = 8;
/// Every third client gives so many calls up, where calls may take long.
const GIVEN_UP: u32 = 6;

/// See the module.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) members: u64,
    pub(super) clients: u64,
    pub(super) keys: Keys,
    /// What the network does to messages.
    pub(super) lossy: Option<Faults>,
    /// Members crash and come back at any time, and all of them after each round.
    pub(super) restarts: bool,
    /// Members are parted at random.
    pub(super) partitions: bool,
    /// The log is replaced by snapshots all the time.
    pub(super) snapshots: bool,
    pub(super) rounds: u64,
}

impl Line {
    /// Nothing goes wrong.
    pub(super) const fn calm(members: u64, clients: u64) -> Self {
        Self {
            members,
            clients,
            keys: Keys::Own,
            lossy: None,
            restarts: false,
            partitions: false,
            snapshots: false,
            rounds: 3,
        }
    }

    /// Runs it, and judges what the clients saw.
    pub(super) async fn run(self) {
        let mut world = World::with(self.members, self.snapshots).await;
        world.leader().await;
        if let Some(faults) = self.lossy {
            world.make_unreliable(faults);
        }
        let history = History::default();
        let clients = (0..self.clients).map(|number| self.spawn(&world, number, &history)).collect();
        for _ in 0..self.rounds {
            self.round(&mut world, &history).await;
            if self.restarts {
                world.crash_all().await;
                world.pass(Duration::from_millis(world.network.roll(1000))).await;
                world.start_all().await;
            }
            // Whatever was, a majority is there now: it must get on.
            let before = history.answered();
            world.until("an answer", || (history.answered() > before).then_some(())).await;
        }
        history.end();
        world.join("an answer for everybody", clients).await;
        self.check_faults(&world);
        world.heal();
        if self.snapshots {
            self.check_snapshots(&world).await;
        }
        world.converge().await;
        self.read_all(&world, &history).await;
        world.end_all().await;
        let (operations, unknown) = judge(history);
        println!("{operations} operations, {unknown} of unknown fate");
    }

    fn spawn(&self, world: &World, number: u64, history: &History) -> tokio::task::JoinHandle<()> {
        let clerk = world.clerk(number);
        let troubled = self.lossy.is_some() || self.restarts || self.partitions;
        let clerk = if troubled && number % 3 == 2 { clerk.giving_up(GIVEN_UP) } else { clerk };
        tokio::spawn(work(clerk, self.keys, history.clone()))
    }

    async fn round(&self, world: &mut World, history: &History) {
        let parting = self.partitions.then(|| keep_parting(world.network.clone(), world.ids()));
        let (begun, answered, led) = (Instant::now(), history.answered(), world.leaderships());
        let is_over = |world: &World| {
            let got_on = history.answered() - answered >= (self.clients * ANSWERS) as usize;
            begun.elapsed() >= ROUND && got_on && (!self.partitions || world.leaderships() > led)
        };
        while !is_over(world) {
            assert!(begun.elapsed() < ROUND_MAX, "the clients do not get on");
            // Where members are parted as well, elections need time to end at all.
            let calm = if self.partitions { 1500 } else { 300 };
            world.pass(Duration::from_millis(calm + world.network.roll(2 * calm))).await;
            if self.restarts {
                let victim = self.victim(world);
                world.crash(victim).await;
                world.pass(Duration::from_millis(world.network.roll(400))).await;
                world.start(victim).await;
            }
        }
        if let Some(parting) = parting {
            parting.abort();
            world.network.heal();
            world.pass(ELECTIONS).await;
        }
    }

    /// Every other time the leader, if there is one.
    fn victim(&self, world: &World) -> NodeId {
        let any = 1 + world.network.roll(self.members);
        world.leader_now().filter(|_| world.network.roll(2) == 0).unwrap_or(any)
    }

    /// A test without the faults that it is about would prove nothing.
    fn check_faults(&self, world: &World) {
        if self.lossy.is_some() {
            let (peers, clients) = (world.network.total(), world.wires.counts());
            assert!(peers.lost > 0, "{peers:?}");
            assert!(
                clients.lost_requests > 0 && clients.lost_replies > 0 && clients.copies > 0,
                "{clients:?}"
            );
        }
        if self.restarts {
            assert!(world.crashes >= self.rounds * (self.members + 1), "{}", world.crashes);
        }
        if self.restarts || self.partitions {
            assert!(world.leaderships() > 1, "nobody else has ever led");
        }
    }

    async fn check_snapshots(&self, world: &World) {
        logs_are_short(world, &world.ids()).await;
        if self.partitions {
            assert!(world.network.total().pieces > 0, "nobody was sent a snapshot");
        }
    }

    /// The last word of the group on every key.
    async fn read_all(&self, world: &World, history: &History) {
        let mut clerk = world.clerk(self.clients);
        for key in self.keys.all(self.clients) {
            clerk.operate(history, &key, Call::Get).await.expect("it is patient");
        }
    }
}

/// Each of these members has replaced nearly all of its log by a snapshot.
pub(super) async fn logs_are_short(world: &World, ids: &[NodeId]) {
    let is_short = |id: &NodeId| {
        let (log, snapshot) = world.stored(*id);
        log <= LOG_MAX * SNAPSHOT_LOG_BYTES && snapshot > 0
    };
    world.until("short logs, and snapshots", || ids.iter().all(is_short).then_some(())).await;
}
