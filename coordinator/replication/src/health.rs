//! Why a node has stopped, if it has.

use std::io;
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

/// The line that says why a node stops.
pub(crate) fn cannot_keep(what: &str, directory: &str, error: &io::Error) -> String {
    // The numbers of EMFILE and ENFILE are the same on all systems that Gristmill runs on.
    let cure = match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _) => "make room on the disk",
        (_, Some(23 | 24)) => "allow more open files (ulimit -n)",
        _ => "see to the disk",
    };
    format!(
        "the {what} in {directory} cannot be kept: {error}; nothing more is acknowledged here: {cure} and start the member again"
    )
}
