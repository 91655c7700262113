//! Which sample tasks a job has, before its maps.

use gristmill_model::{JobSpec, SamplePiece};
use serde::{Deserialize, Serialize};

/// The rule by which the sample tasks of a job follow from its spec. A fact records it, so a new rule is a new variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sampler {
    /// There are none.
    Nothing,
    /// [`SamplePiece::plan`], some pieces for each task.
    SpreadPieces,
}

impl Sampler {
    /// What the job needs: only ranges of keys for more than one partition have to be known.
    pub(crate) fn of(spec: &JobSpec) -> Self {
        if spec.plugin.total_order && spec.reduces > 1 { Self::SpreadPieces } else { Self::Nothing }
    }

    /// The pieces, a list for each sample task.
    pub(crate) fn tasks(self, spec: &JobSpec) -> Vec<Vec<SamplePiece>> {
        match self {
            Self::Nothing => Vec::new(),
            Self::SpreadPieces => SamplePiece::plan(&spec.inputs, spec.plugin.input_mode),
        }
    }
}
