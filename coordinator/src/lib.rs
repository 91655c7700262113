//! The process that decides: what jobs exist, who runs which attempt, who wins, and when an output becomes visible.
//!
//! ```text
//!   connections ──► Desk (translates) ──► events ──► main loop ──► Leader::decide ──► facts ──► Replica (memory, or a group)
//!        ▲                                              │   ▲                                      │
//!        └────────────── answers ◄──────────────────────┤   └── outcomes of slow work (commits …)  │
//!                                                       └◄──────────── effects ◄── apply ◄─────────┘
//! ```
//! One loop decides, and is the only one to change the state; everything else carries messages to it or does slow work for it. A coordinator
//! in a group runs the loop while it leads, and sends callers to the leader while it does not. It never
//! opens an input or a plugin, and never sees a pair.
#![forbid(unsafe_code)]

mod attempt_logs;
mod blobs;
mod clock;
mod commit;
mod config;
mod coordinator;
mod data_dir;
mod desk;
mod event;
#[cfg(test)]
mod faulty_group;
mod group;
mod history;
mod main_loop;
mod manifest;
mod member_change;
mod node;
mod replica;
mod report_check;
mod request;
mod summary;

pub use config::{Config, Membership};
pub use coordinator::{Coordinator, Fault, StartError};
pub use gristmill_replication::{Timers, repair};
pub use gristmill_scheduler::{AvoidSettings, BackupSettings, Settings};
pub use history::HistoryLine;
pub use manifest::{Manifest, ManifestInputs, ManifestOutput, ManifestPlugin};
pub use summary::{Attempts, BiggestPartition, Slowest, Summary, Tasks, state_word};
