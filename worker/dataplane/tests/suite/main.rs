//! Tests of the data plane with plugins written in C.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic")]

mod damage;
mod harness;
mod jobs;
mod order;
mod rules;
