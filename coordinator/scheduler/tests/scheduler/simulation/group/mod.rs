//! A group of coordinators: an ordered log that stands for consensus, and on each member the loop that leads.
//!
//! The log keeps the contract of the coordinator's `Replica`. What passes between members is one exchange at a time, which may fail on the way there
//! and on the way back; everything else of Raft is as it should be: terms, votes, what a majority has synced, snapshots for those who lag.

mod answers;
mod disk;
mod election;
mod main_loop;
mod member;
mod replication;
mod script;
mod turn;

pub(super) use disk::Entry;
pub(super) use main_loop::MainLoop;
pub(super) use member::Member;
