//! Whole coordinators (desk, main loop, sessions, store, openraft) in groups of three, five and seven, over a network that loses, delays,
//! reorders and cuts, with clients whose own messages fare no better.
//!
//! ```text
//!   Clerk ─► ClientWires ─► Desk ─► main loop ─► Node<Replicated> ─► FaultyNetwork ─► the other members
//!     │       lost, doubled,                           │
//!     ▼       late, cut                                ▼ Store in memory, which outlives its member
//!   Recorder ─► the complete checker
//! ```
//! The tests are those of the classic labs, by their names: the replicated state machine (`machine`), the store of one server (`server`),
//! the store of a group (`group`) and its snapshots (`snapshots`). Time is tokio's paused clock, so waiting costs nothing. The dice of the
//! network and of the clients come from a seed, which is printed; `GRISTMILL_SEED` sets it. openraft rolls its election timeouts itself.
#![expect(clippy::print_stdout, reason = "the seed of a test that fails, and how much it has seen")]

mod clerk;
mod history;
mod line;
mod load;
mod member;
mod partitions;
mod wires;
mod world;

mod group;
mod machine;
mod server;
mod snapshots;
