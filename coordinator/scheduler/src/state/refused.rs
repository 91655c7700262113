//! Refusals that are recorded like answers: who is told one must never be executed by a copy of its call that comes late.

use std::sync::Arc;

use gristmill_model::Refusal;
use serde::{Deserialize, Serialize};

/// Bytes of the text of a refusal that is recorded. A longer one is cut.
const TEXT_BYTES_MAX: usize = 512;
/// What shows that it was cut.
const CUT: &str = "…";

/// A refusal that is final, with a text of bounded length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused(Arc<Refusal>);

impl Refused {
    /// Nothing, if the refusal asks its caller to try again, or says that its session or what it needs is not here.
    pub fn of(refusal: &Refusal) -> Option<Self> {
        let refusal = match refusal {
            Refusal::NotFound(_) => refusal.clone(),
            Refusal::Invalid(text) => Refusal::Invalid(clipped(text)),
            Refusal::OutputExists(path) => Refusal::OutputExists(clipped(path)),
            Refusal::UnknownBlob(_)
            | Refusal::UnknownWorker
            | Refusal::Version { .. }
            | Refusal::Unavailable(_)
            | Refusal::NotLeader { .. }
            | Refusal::NoMember { .. }
            | Refusal::NotDone(_)
            | Refusal::UnknownClient => return None,
        };
        Some(Self(Arc::new(refusal)))
    }

    /// What its caller is told, each time.
    pub fn refusal(&self) -> Refusal {
        (*self.0).clone()
    }

    /// Whether it is one that can be made.
    pub(super) fn is_valid(&self) -> bool {
        Self::of(&self.0).as_ref() == Some(self)
    }
}

fn clipped(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(TEXT_BYTES_MAX - CUT.len());
    format!("{}{CUT}", &text[..end])
}
