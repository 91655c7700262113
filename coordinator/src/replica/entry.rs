//! An entry of the log: the facts of one batch, which become certain together or not at all.

use std::sync::Arc;

use gristmill_scheduler::{FACT_VERSION, Fact};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// [`FACT_VERSION`] of who wrote it. First, so that facts of another version are refused before they are looked at.
    #[serde(deserialize_with = "known_version")]
    version: u16,
    /// The term of the leadership under which the facts were decided.
    pub(crate) term: u64,
    /// In the order in which they are applied.
    pub(crate) facts: Arc<[Fact]>,
}

impl Entry {
    /// An entry of this version.
    pub(crate) fn new(term: u64, facts: Arc<[Fact]>) -> Self {
        Self { version: FACT_VERSION, term, facts }
    }
}

fn known_version<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    match u16::deserialize(from)? {
        FACT_VERSION => Ok(FACT_VERSION),
        other => Err(D::Error::custom(format!(
            "facts of version {other} are not understood by this gristmill, which writes version {FACT_VERSION}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use gristmill_model::JobId;

    use super::*;

    #[test]
    fn an_entry_of_another_version_is_refused_by_name() {
        let fact = Fact::JobForgotten { job: JobId(7) };
        let entry = Entry::new(3, Arc::new([fact]));
        let bytes = postcard::to_stdvec(&entry).unwrap();
        assert_eq!(postcard::from_bytes::<Entry>(&bytes).unwrap(), entry);
        let text = serde_json::to_string(&entry).unwrap();
        let newer = text.replacen(&format!("\"version\":{FACT_VERSION}"), "\"version\":99", 1);
        let error = serde_json::from_str::<Entry>(&newer).unwrap_err().to_string();
        assert!(error.contains("version 99"), "{error}");
    }
}
