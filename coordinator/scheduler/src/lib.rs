//! The pure scheduler: the leader *decides* facts, every replica *applies* them.
//!
//! ```text
//!   inputs ──► Leader::decide ──► facts ──► the log ──► apply ──► effects
//!                   ▲  policy                              │  mechanism
//!                   └──────────── &State ◄─────────────────┘
//! ```
//!
//! The coordinator's loop gathers what has come in, lets the [`Leader`] decide, logs all facts of the batch as one entry, applies them to
//! its [`State`] when they are committed, performs the effects, sends the [`Leader::answers`], and comes back at
//! [`Leader::next_deadline`] at the latest. When an entry cannot be committed the leader is dropped: its memory is ahead of the state.
//!
//! Knows no runtime, clock, randomness, file, socket or wire type, and iterates nothing in hash order: a run is a function of its inputs.
#![forbid(unsafe_code)]

mod draft;
mod effect;
mod fact;
mod input;
mod kv;
mod leader;
mod plan;
mod sampler;
mod settings;
mod state;

pub use effect::{Answer, Effect, Orders, Reply, Verdict};
pub use fact::{EndCause, FACT_VERSION, Fact, LossCause, RunLoss, TaskResult};
pub use input::{Asked, Hello, Input, KvCall, Poll, PollToken};
pub use kv::{
    ENTRY_BYTES, EVENTS_BYTES_MAX, EVENTS_MAX, HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX, KEY_BYTES_MAX, Kv,
    LIST_BYTES_MAX, LIST_ENTRIES_MAX, TOTAL_BYTES_MAX, VALUE_BYTES_MAX,
};
pub use leader::Leader;
pub use plan::{Planner, choose_plan};
pub use sampler::Sampler;
pub use settings::{AvoidSettings, BackupSettings, Settings};
pub use state::{IllegalFact, OutputPart, Recorded, Refused, STATE_VERSION, State, apply};
