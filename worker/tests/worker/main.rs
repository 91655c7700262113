//! Workers with real slots and a coordinator that does what a test says.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

mod coordinator;
mod world;

mod ends;
mod failures;
mod files;
mod hygiene;
mod jobs;
mod leaders;
mod queue;
mod registration;
