//! How jobs look to people and to scripts.

#[cfg(test)]
mod example;
mod human;
mod key;
mod listing;
mod progress;
mod summary;

pub(crate) use key::{change_json, change_line, entry_json, entry_line, shown_key, written};
pub(crate) use listing::{Listed, attempt_log, explanation, json, member, worker};
pub(crate) use progress::Progress;
pub(crate) use summary::{one_line, summary};
