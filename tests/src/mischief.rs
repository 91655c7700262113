//! What befalls a group while clients use it: one fault after the other, each for a while, and a while without any in between.

use std::thread;
use std::time::{Duration, Instant};

use crate::{Group, Random};

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// The leader is killed, and started again.
    KillLeader,
    /// The leader is killed again and again, and each time started at once: before the others have missed it.
    BounceLeader,
    /// Another member is killed, and started again.
    KillFollower,
    /// All are killed at once, and started again.
    KillAll,
    /// The leader is stopped, so that it believes for a while that it still leads, and goes on.
    StopLeader,
    /// Another member is stopped.
    StopFollower,
    /// The leader is parted from a majority.
    PartLeader,
    /// The members are parted at random.
    Part,
    /// The leader is heard by nobody, but hears all.
    MuteLeader,
    /// The leader hears nobody, but is heard by all.
    DeafenLeader,
}

impl Mischief {
    /// Those that need no wires.
    pub const PROCESSES: [Self; 6] = [
        Self::KillLeader,
        Self::BounceLeader,
        Self::StopLeader,
        Self::KillFollower,
        Self::KillAll,
        Self::StopFollower,
    ];
    /// Those that need wires.
    pub const WIRES: [Self; 4] = [Self::PartLeader, Self::MuteLeader, Self::Part, Self::DeafenLeader];

    /// Does it to a group and undoes it after a while.
    pub fn play(self, group: &mut Group<'_>, random: &mut Random) {
        let leader = group.leader();
        let others: Vec<u64> = group.ids().into_iter().filter(|&id| id != leader).collect();
        let other = others[index(random, others.len())];
        let time = Duration::from_millis(300 + random.below(1_500));
        match self {
            Self::KillLeader => kill(group, leader, time),
            Self::BounceLeader => {
                for _ in 0..BOUNCES {
                    thread::sleep(Duration::from_millis(random.below(200)));
                    kill(group, group.leader(), Duration::ZERO);
                }
            }
            Self::KillFollower => kill(group, other, time),
            Self::KillAll => {
                group.kill_all();
                group.restart_all();
            }
            Self::StopLeader => stop(group, leader, time),
            Self::StopFollower => stop(group, other, time),
            Self::PartLeader => {
                // With as many as do not make a majority.
                let (friends, rest) = others.split_at(others.len() / 2 - 1);
                part(group, &[&[&[leader], friends].concat(), rest], time);
            }
            Self::Part => {
                let (left, right): (Vec<u64>, Vec<u64>) =
                    group.ids().into_iter().partition(|_| random.below(2) == 0);
                part(group, &[&left, &right], time);
            }
            Self::MuteLeader => cut(group, others.iter().map(|&other| (leader, other)), time),
            Self::DeafenLeader => cut(group, others.iter().map(|&other| (other, leader)), time),
        }
    }
}

/// How often the leader is killed in a row.
const BOUNCES: usize = 5;

/// Plays so many faults, round and round, with quiet times between them.
pub fn play_all(group: &mut Group<'_>, kinds: &[Mischief], count: usize, random: &mut Random) {
    let begun = Instant::now();
    for (number, mischief) in kinds.iter().cycle().take(count).enumerate() {
        mischief.play(group, random);
        eprintln!("{:>6} ms: fault {number}, {mischief:?}, is over", begun.elapsed().as_millis());
        thread::sleep(Duration::from_millis(200 + random.below(800)));
    }
}

fn index(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}

fn kill(group: &mut Group<'_>, id: u64, time: Duration) {
    group.kill(id);
    thread::sleep(time);
    group.restart(id);
}

fn stop(group: &Group<'_>, id: u64, time: Duration) {
    group.stop(id);
    thread::sleep(time);
    group.go_on(id);
}

fn part(group: &Group<'_>, parts: &[&[u64]], time: Duration) {
    group.wires().partition(parts);
    thread::sleep(time);
    group.wires().mend();
}

fn cut(group: &Group<'_>, wires: impl Iterator<Item = (u64, u64)>, time: Duration) {
    wires.for_each(|(from, to)| group.wires().cut(from, to));
    thread::sleep(time);
    group.wires().mend();
}
