//! Groups of nodes over a network that loses, delays and cuts, with stores that survive their nodes.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]
#![expect(clippy::print_stdout, reason = "the seed of a test that fails")]

mod ledger;
#[macro_use]
mod sizes;
mod world;

mod agreement;
mod basics;
mod elections;
mod faults;
mod listed;
mod members;
mod network;
mod persistence;
mod processes;
mod proposals;
mod snapshots;
