//! Knows an assignment that comes again, as it may when its answer was slow or was thought lost.

use std::collections::{BTreeSet, VecDeque};

use gristmill_model::AttemptId;

/// Far more than can be under way at once between a coordinator and a worker.
const REMEMBERED: usize = 4096;

/// The attempts accepted last.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    known: BTreeSet<AttemptId>,
    order: VecDeque<AttemptId>,
}

impl Accepted {
    /// Whether the attempt is a new one; from now on it is not.
    pub(super) fn insert(&mut self, attempt: AttemptId) -> bool {
        if !self.known.insert(attempt) {
            return false;
        }
        self.order.push_back(attempt);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_model::{JobId, TaskId};

    #[test]
    fn an_attempt_is_new_once_and_memory_is_bounded() {
        let attempt = |number| TaskId::map(JobId(1), 0).attempt(number);
        let mut accepted = Accepted::default();
        assert!(accepted.insert(attempt(0)));
        assert!(!accepted.insert(attempt(0)));
        assert!((1..10_000).all(|number| accepted.insert(attempt(number))));
        assert!(!accepted.insert(attempt(9_000)));
        assert_eq!(accepted.known.len(), REMEMBERED);
    }
}
