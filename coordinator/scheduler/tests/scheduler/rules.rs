//! One story for each rule.

mod ahead;
mod failures;
mod jobs;
mod lost_runs;
mod polls;
mod stragglers;
mod workers;
