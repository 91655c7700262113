//! The process that decides: what jobs exist, who runs which attempt, who wins, and when an output becomes visible.
//!
//! ```text
//!   connections ──► Desk (translates) ──► events ──► main loop ──► Leader::decide ──► facts ──► FactLog
//!        ▲                                              │   ▲                                      │
//!        └────────────── answers ◄──────────────────────┤   └── outcomes of slow work (commits …)  │
//!                                                       └◄──────────── effects ◄── apply ◄─────────┘
//! ```
//! One loop owns the scheduler's state and its leader; everything else carries messages to it or does slow work for it. It never
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
mod fact_log;
mod main_loop;
mod manifest;
mod report_check;
mod request;

pub use config::Config;
pub use coordinator::{Coordinator, Fault, StartError};
pub use fact_log::{Entry, FactLog, LogError, MemoryLog};
pub use gristmill_scheduler::{AvoidSettings, BackupSettings, Settings};
pub use manifest::{Manifest, ManifestInputs, ManifestOutput, ManifestPlugin};
