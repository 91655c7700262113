//! How jobs look to people and to scripts.

#[cfg(test)]
mod example;
mod human;
mod listing;
mod progress;
mod summary;

pub use listing::{Listed, attempt_log, explanation, json, worker};
pub use progress::Progress;
pub use summary::{Summary, one_line};
