//! What clients saw, and the verdict on it.

use std::sync::Arc;

use gristmill_linearizable::{Answer, Call, Kv, Recorder, Verdict, check, revisions};

/// Configurations that the checker may try for each key. What it does not know within that counts as wrong.
const BUDGET: u64 = 5_000_000;

pub(super) type History = Arc<Recorder<Call, Answer>>;

/// Fails unless all that was recorded could have happened one at a time. How many operations that were, and of how many nobody knows the fate.
pub(super) fn judge(history: History) -> (usize, usize) {
    let history = Arc::into_inner(history).expect("nobody records any more").into_history();
    let verdict = check::<Kv>(&history, BUDGET);
    assert_eq!(verdict, Verdict::Linearizable, "{verdict}");
    if let Err(disorder) = revisions(&history) {
        panic!("{disorder}");
    }
    let unknown = history.iter().filter(|operation| operation.answered.is_none()).count();
    (history.len(), unknown)
}
