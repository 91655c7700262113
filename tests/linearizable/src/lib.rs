//! Whether a history of concurrent operations could have happened one at a time.
//!
//! A complete check after Wing and Gong, with the memory of tried configurations that Lowe added: no sampling, no time limit that
//! would be taken for success. Each key is checked for itself, as linearizability is local; the revisions of a store, which order the
//! writes of all keys, have a check of their own. Pure: no clock, no file, no thread.
//!
//! An operation whose answer nobody knows may have taken effect at any time after its call, or never.
#![forbid(unsafe_code)]

mod check;
mod configuration;
mod evidence;
mod history;
mod kv;
mod recorder;
mod revisions;
mod search;
mod submissions;

pub use check::{Verdict, check};
pub use evidence::Evidence;
pub use history::{Model, Operation};
pub use kv::{Answer, Call, Key, Kv, Value};
pub use recorder::Recorder;
pub use revisions::{Disorder, revisions};
pub use submissions::{Submission, Submissions};
