//! One story for each rule.

mod ahead;
mod failures;
mod jobs;
mod lost_runs;
mod polls;
mod sampling;
mod stragglers;
mod workers;
