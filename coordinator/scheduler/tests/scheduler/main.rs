//! The scheduler through its public face: stories of single rules, the encoding of facts, and the simulation.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod facts;
mod fixtures;
mod plan;
mod requests;
mod rules;
mod simulation;
mod snapshots;
mod world;
