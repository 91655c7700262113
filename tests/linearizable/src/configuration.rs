//! Which operations are taken, and the state that they led to: what a search must not try twice.

use std::collections::BTreeSet;

/// The operations that are taken, by their place in the order of calls.
#[derive(Default)]
pub(crate) struct Taken {
    answered: BTreeSet<usize>,
    pending: BTreeSet<usize>,
}

/// A point of the search. Exact: two that are equal have the same operations to come and the same state.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Configuration<S> {
    /// The first answered operation that is not taken: all answered ones before it are.
    first: usize,
    /// A bit for each operation from there on: whether it is an answered one that is taken.
    ahead: Box<[u64]>,
    /// Those with unknown answers that are taken.
    pending: Box<[usize]>,
    state: S,
}

impl Taken {
    pub(crate) fn insert(&mut self, operation: usize, is_pending: bool) {
        if is_pending {
            self.pending.insert(operation)
        } else {
            self.answered.insert(operation)
        };
    }

    pub(crate) fn remove(&mut self, operation: usize, is_pending: bool) {
        if is_pending {
            self.pending.remove(&operation)
        } else {
            self.answered.remove(&operation)
        };
    }

    pub(crate) fn has_pending(&self, operation: usize) -> bool {
        self.pending.contains(&operation)
    }

    pub(crate) fn configuration<S>(&self, first: usize, state: S) -> Configuration<S> {
        let mut ahead = Vec::new();
        for operation in self.answered.range(first..) {
            let bit = operation - first;
            ahead.resize(bit / 64 + 1, 0_u64);
            ahead[bit / 64] |= 1 << (bit % 64);
        }
        Configuration { first, ahead: ahead.into(), pending: self.pending.iter().copied().collect(), state }
    }
}
