//! The data directory of a node.
//!
//! ```text
//!   lock       held by the process that runs the node
//!   identity   whose directory it is; written last when it is made
//!   peers      which store each of the others has, as far as this node has heard of them: there as soon as it has met one
//!   log/       the files of the log
//!   snapshot   the state up to some entry
//! ```

mod identity;
mod open;
mod sealed;

pub(crate) use identity::{Identity, text};
pub(crate) use open::{Opened, lock, open};
pub(crate) use sealed::{Sealed, SealedError};
