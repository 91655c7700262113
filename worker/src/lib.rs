//! The process that computes: an agent that talks to the coordinator, and slots that run attempts.
//!
//! The **agent** ([`run`]) is asynchronous and owns the network, the work directory and its slots. A **slot** ([`slot_main`]) is a child
//! process of it: synchronous, with the plugin loaded, running one attempt at a time. Whatever a plugin does to its slot — exit,
//! crash, hang, eat memory, print without end — costs that attempt, never the worker.
//!
//! What computes is not here but in `gristmill-dataplane`, which slots call.
#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!("workers need Unix: slots are driven through socket pairs, process groups and signals");

mod agent;
mod config;
mod frames;
mod machine;
mod plugins;
mod process;
mod slot;
mod work_dir;

pub use agent::run;
pub use config::{Exit, SlotCommand, WorkerConfig, WorkerError};
pub use slot::slot_main;
