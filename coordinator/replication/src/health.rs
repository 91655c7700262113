//! Why a node has stopped, if it has.

use std::sync::OnceLock;

/// The first failure of a node's store. A node that has one acknowledges nothing any more.
#[derive(Debug, Default)]
pub(crate) struct Health(OnceLock<String>);

impl Health {
    /// Remembers the first failure, and says it once.
    pub(crate) fn fail(&self, reason: impl FnOnce() -> String) {
        if self.0.get().is_none() {
            let reason = reason();
            if self.0.set(reason.clone()).is_ok() {
                tracing::error!("{reason}");
            }
        }
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}
