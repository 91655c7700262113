//! What was told already, so that what happens again and again is told once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// How much is remembered: what there is to tell depends on who sends.
const TOLD_MAX: usize = 100;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<BTreeSet<String>>);

impl Told {
    /// Warns of it, unless that was done.
    pub(crate) fn warn(&self, text: String) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD_MAX && !told.contains(&text) {
            tracing::warn!("{text}");
            told.insert(text);
        }
    }
}
