//! The data directory of a node.
//!
//! ```text
//!   lock       held by the process that runs the node
//!   identity   whose directory it is; written last when it is made
//!   log/       the files of the log
//!   snapshot   the state up to some entry
//! ```

mod identity;
mod open;

pub(crate) use identity::{Identity, IdentityError, text};
pub(crate) use open::{Opened, lock, open};
