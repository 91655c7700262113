//! One story for each rule.

mod ahead;
mod clocks;
mod drain;
mod explain;
mod failures;
mod history;
mod jobs;
mod kv;
mod lost_runs;
mod polls;
mod sampling;
mod sessions;
mod sharing;
mod stragglers;
mod taken_back;
mod workers;
