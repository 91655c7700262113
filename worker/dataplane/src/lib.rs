//! The data plane: inputs, plugins, runs, merges, outputs. What a slot does with an attempt.
//!
//! Plain synchronous functions over files: [`run_map`] makes a run of some splits, [`run_reduce`] makes an output of one
//! partition of all runs, [`run_sample`] looks at keys before a total order is cut, [`sequential`] does a whole job in the simplest way
//! and is what the others are compared with. Knows no async, no RPC and no scheduler; looks at a clock only to choose how runs are
//! packed.
#![deny(unsafe_code)]

mod batch;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod budget;
mod combine;
mod failure;
mod group;
mod input;
mod map;
mod merge;
mod output;
mod passes;
mod plugin;
mod progress;
mod reduce;
mod resident;
mod run;
mod runs;
mod sample;
mod sequential;
mod task;

pub use input::read_ahead;
pub use map::run_map;
pub use plugin::{Plugin, PluginError};
pub use progress::ProgressCell;
pub use reduce::run_reduce;
pub use resident::{release_start_up_pages, return_long_buffers};
pub use sample::run_sample;
pub use sequential::{SequentialError, SequentialJob, SequentialOutput, SequentialSummary, sequential};
pub use task::{MapTask, ReduceError, ReduceTask, SampleTask};
