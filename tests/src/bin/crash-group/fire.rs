//! The faults: whom they hit, and when the next one is due.

use std::fmt;
use std::time::{Duration, Instant};

use gristmill_tests::Random;

use crate::troops::Troops;

/// How often the leader is killed in a job before its output is committed; the fifth time at least is in the commit.
const LEADER_KILLS: u32 = 4;
/// At which of these the whole group is killed instead.
const ALL_AT_ONCE: u32 = 2;

/// Everything that shoots.
pub(crate) struct Fire<'p> {
    pub(crate) troops: Troops<'p>,
    pub(crate) tally: Tally,
    random: Random,
    kill_every: Duration,
    next_worker: Instant,
    next_leader: Instant,
    next_return: Option<Instant>,
    leaders_killed: u32,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) worker_kills: u64,
    pub(crate) slot_kills: u64,
    pub(crate) stops: u64,
    pub(crate) restarts: u64,
    pub(crate) leader_kills: u64,
    pub(crate) commit_kills: u64,
    pub(crate) all_kills: u64,
}

impl<'p> Fire<'p> {
    pub(crate) fn new(troops: Troops<'p>, random: Random, kill_every: Duration) -> Self {
        let now = Instant::now();
        Self {
            troops,
            tally: Tally::default(),
            random,
            kill_every,
            next_worker: now,
            next_leader: now,
            next_return: None,
            leaders_killed: 0,
        }
    }

    /// A new job begins.
    pub(crate) fn reload(&mut self) {
        self.leaders_killed = 0;
        self.next_worker = Instant::now();
        self.next_leader = Instant::now() + self.between(50, 400);
    }

    /// Whether the group had all that is meant for it before a commit.
    pub(crate) fn has_hit_enough(&self) -> bool {
        self.leaders_killed >= LEADER_KILLS
    }

    /// What is due now for the workers.
    pub(crate) fn at_workers(&mut self) {
        if Instant::now() >= self.next_worker {
            self.next_worker = Instant::now() + self.kill_every;
            self.strike_worker();
        }
        self.tally.restarts += self.troops.mend_workers(false);
    }

    /// What is due now for the coordinators. Those that were killed come back after a while.
    pub(crate) fn at_coordinators(&mut self) {
        let now = Instant::now();
        if self.next_return.is_some_and(|time| now >= time) {
            self.next_return = None;
            self.troops.group.restart_all();
        }
        if now >= self.next_leader && !self.has_hit_enough() {
            self.strike_leader();
        }
    }

    /// The leader was killed by somebody else, in a commit.
    pub(crate) fn leader_fell(&mut self, id: u64) {
        self.troops.group.kill(id);
        self.tally.leader_kills += 1;
        self.count_on();
    }

    /// No more faults: everybody comes back and ends in peace.
    pub(crate) fn cease(self) {
        self.troops.dismiss();
    }

    fn strike_worker(&mut self) {
        let count = self.troops.workers.len() as u64;
        let pick = |random: &mut Random| usize::try_from(random.below(count)).unwrap_or(0);
        let (index, other) = (pick(&mut self.random), pick(&mut self.random));
        let slot = usize::try_from(self.random.below(1 << 16)).unwrap_or(0);
        if self.random.below(10) >= 6 && self.troops.kill_slot(index, slot) {
            self.tally.slot_kills += 1;
        } else if self.troops.kill_worker(index) {
            self.tally.worker_kills += 1;
        }
        let time = self.between(500, 5_000);
        if self.random.below(4) == 0 && self.troops.stop_worker(other, time) {
            self.tally.stops += 1;
        }
    }

    fn strike_leader(&mut self) {
        let Some(leader) = self.troops.group.leader_if_any() else { return };
        // A leader that is known from before may have been killed already.
        if !self.troops.group.is_started(leader) {
            return;
        }
        self.leaders_killed += 1;
        if self.leaders_killed == ALL_AT_ONCE {
            self.troops.group.kill_all();
            self.tally.all_kills += 1;
        } else {
            self.troops.group.kill(leader);
        }
        self.tally.leader_kills += 1;
        self.count_on();
    }

    fn count_on(&mut self) {
        let now = Instant::now();
        self.next_return = Some(now + self.between(50, 1_500));
        self.next_leader = now + self.between(100, 600);
    }

    fn between(&mut self, low_ms: u64, high_ms: u64) -> Duration {
        Duration::from_millis(low_ms + self.random.below(high_ms - low_ms))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worker_kills, slot_kills, stops, restarts, leader_kills, commit_kills, all_kills } = self;
        write!(
            f,
            "worker-kills {worker_kills}\nslot-kills {slot_kills}\nstops {stops}\nrestarts {restarts}\n"
        )?;
        write!(f, "leader-kills {leader_kills}\ncommit-kills {commit_kills}\nall-kills {all_kills}")
    }
}
