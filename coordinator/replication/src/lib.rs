//! One state on several nodes: a log that they agree on, kept on their disks, and a state that follows from it.
//!
//! ```text
//!   propose ─► Node ─► openraft ─► log (raft-log, or memory) ──► committed ─► Machine::apply ─► outcome
//!                        │  ▲                                                     │
//!                Network │  │ deliver                                    snapshot ┴─► file beside the log
//!                        ▼  │
//!                      the other nodes
//! ```
//! Knows neither jobs nor sockets: the state is a [`Machine`], and messages are carried by a [`Network`].
//!
//! # What is durable when
//! - A *vote*, before it is given. An *entry*, before this node says that it has it; so an outcome, and any effect outside, rests on
//!   entries that a majority has on its disks. Whatever gathers while the disk syncs is the next batch.
//! - A *snapshot*, file, name and directory, before the first entry that it replaces is given up.
//! - Up to where entries are *committed* is written along and may be a little old after a crash: a leader tells anew.
//!
//! A crash leaves at most an unfinished write at the end of the last file, which was acknowledged to nobody; a node cuts that off
//! when it starts. Anything else that is not as it was written is refused ([`StartError`]), and [`repair`] shows it. A node whose
//! disk fails stops ([`Role::Failed`]) and acknowledges nothing more.
//!
//! # Why these crates
//! *openraft 0.10.0-alpha.37*, pinned exactly: the newest there is, which ARCHITECTURE.md weighs. The stable 0.9 has no pre-vote and no
//! handing over of leadership, and neither the fuzzer nor the Jepsen suite that the 0.10 line is tested by; moving later means writing
//! storage and network anew. Nothing of it shows in this crate's face, in its files or in its messages, so a newer one is a change of
//! this crate alone. Each term has one leader at most (openraft can also do otherwise): the term of an entry says who decided it.
//!
//! *raft-log* keeps the log: made for this engine, group commit in one thread, and with its flush wait at zero little more than a
//! bare sync. It takes a damaged length in its last file for the end of the log, so a scan of our own looks at the files first.
#![forbid(unsafe_code)]

mod config;
mod directory;
mod error;
mod group;
mod health;
mod log;
mod machine;
mod network;
mod node;
mod peers;
mod raft;
mod reach;
pub mod repair;
mod snapshot;
#[cfg(feature = "testing")]
pub mod testing;
mod told;

pub use config::{Config, Store, Timers};
pub use error::{ConfirmError, DeliverError, Leader, MembersError, ProposeError, StartError};
pub use log::MemoryStore;
pub use machine::{Machine, ReadError};
pub use network::{Lane, Network, NetworkError, NodeId};
pub use node::{Member, Members, Node, Role};

/// How long a message between nodes is at most, unless it carries a single entry that is longer.
pub const MESSAGE_BYTES_MAX: usize = 2 << 20;
