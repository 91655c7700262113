//! How the persistent collections of the state are written in a snapshot and read from one.
//!
//! Their crate's own reading allocates as much as the input says there is before it has seen any of it; this one grows with what has
//! arrived, and refuses keys that are out of order or come twice, so that equal states have equal snapshots.

pub(crate) mod list;
pub(crate) mod map;
pub(crate) mod set;
