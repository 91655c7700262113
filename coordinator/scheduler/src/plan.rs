//! How inputs are cut into splits.

use serde::{Deserialize, Serialize};

/// The rule by which the splits of a job follow from its spec. A fact records it, so a new rule is a new variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Planner {
    /// Files in order, each cut into pieces of nearly equal size; one piece is one map task.
    EvenPieces,
}
