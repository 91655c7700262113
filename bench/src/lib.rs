//! Generated data, and hand-written single-purpose programs: what Gristmill is measured against.
//!
//! The programs do one thing each, as fast as we can make it on a few cores, with none of an engine's duties (no plugin, no recovery, no
//! memory budget). Their outputs equal Gristmill's, and are as durable. Knows nothing of Gristmill itself: that is the `bench` binary's.

pub mod generate;
pub mod programs;

mod output;
mod random;
mod source;
mod table;
mod threads;
mod words;
mod zeroed;
