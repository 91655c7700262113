//! The search for an order of the operations of one key.
//!
//! Depth first: any operation that was called before the first answer still open may be next. What was tried is remembered as a
//! configuration (which operations are taken, and the state they led to) and never tried again; a dead end is undone one operation at a
//! time. Operations with unknown answers come last among the candidates: most of them had no effect, or need none. An answered operation
//! that leaves the state as it is may be taken as soon as it fits: if there is an order with it later, there is one with it now. So
//! nothing else is tried in its place.

use std::collections::{BTreeSet, HashSet};

use crate::Model;
use crate::configuration::{Configuration, Taken};
use crate::history::Seen;

/// What came of a search.
pub(crate) enum Found<S> {
    /// There is an order.
    Order,
    /// There is none; the state behind the longest order that fits a part of them.
    NoOrder { deepest: S },
    /// The budget was spent before either was known.
    Exhausted,
}

/// Searches with at most `budget` configurations. The operations come in the order of their calls.
pub(crate) fn search<M: Model>(operations: Operations<'_, M>, budget: u64) -> Found<M::State> {
    Search::<M>::new(operations).run(budget)
}

type Operations<'a, M> = &'a [Seen<'a, <M as Model>::Call, <M as Model>::Answer>];

struct Search<'a, M: Model> {
    operations: Operations<'a, M>,
    open: Open,
    /// Operations whose answer is unknown, in the order of their calls.
    pending: Vec<usize>,
    taken: Taken,
    /// The answered operations that are not taken, with the highest age of a state that they fit.
    limits: BTreeSet<(u64, usize)>,
    state: M::State,
    undo: Vec<Step<M::State>>,
    tried: HashSet<Configuration<M::State>>,
}

/// An operation that was taken.
struct Step<S> {
    candidate: Cursor,
    /// The state before it.
    state: S,
    /// Whether another operation may be tried instead.
    is_choice: bool,
}

/// What came of a try to take an operation.
enum Try {
    Taken,
    /// It does not fit here, or leads where the search has been.
    Refused,
    /// It would be taken without a choice, and leads where the search has been: nothing else helps here.
    DeadEnd,
}

/// The next candidate to try: first the answered operations, then those with unknown answers.
#[derive(Clone, Copy)]
enum Cursor {
    /// A node of the list of open calls and answers.
    Answered(usize),
    /// A place in the list of those with unknown answers.
    Pending(usize),
}

impl<'a, M: Model> Search<'a, M> {
    fn new(operations: Operations<'a, M>) -> Self {
        let pending = (0..operations.len()).filter(|&i| operations[i].answered.is_none()).collect();
        Self {
            operations,
            open: Open::new(operations),
            pending,
            taken: Taken::default(),
            limits: operations
                .iter()
                .enumerate()
                .filter_map(|(i, known)| Some((Self::limit(known)?, i)))
                .collect(),
            state: M::initial(),
            undo: Vec::new(),
            tried: HashSet::new(),
        }
    }

    fn run(mut self, budget: u64) -> Found<M::State> {
        let mut deepest = (0, self.state.clone());
        let mut cursor = self.beginning();
        while let Some(first) = self.open.first_call() {
            let candidate = self.candidate(cursor);
            let tried = candidate.map(|(place, operation)| (place, self.take(first, place, operation)));
            cursor = match tried {
                Some((_, Try::Taken)) => self.beginning(),
                Some((place, Try::Refused)) => self.behind(place),
                None | Some((_, Try::DeadEnd)) => match self.give_back() {
                    Some(undone) => self.behind(undone),
                    None => return Found::NoOrder { deepest: deepest.1 },
                },
            };
            if self.tried.len() as u64 > budget {
                return Found::Exhausted;
            }
            if self.undo.len() > deepest.0 {
                deepest = (self.undo.len(), self.state.clone());
            }
        }
        Found::Order
    }

    fn limit(known: &Seen<'_, M::Call, M::Answer>) -> Option<u64> {
        known.answered.map(|(_, answer)| M::age_max(known.call, answer))
    }

    fn beginning(&self) -> Cursor {
        Cursor::Answered(self.open.next(Open::HEAD))
    }

    fn behind(&self, candidate: Cursor) -> Cursor {
        match candidate {
            Cursor::Answered(node) => Cursor::Answered(self.open.next(node)),
            Cursor::Pending(place) => Cursor::Pending(place + 1),
        }
    }

    /// The first operation from the cursor on that may be next, and where it was found.
    fn candidate(&self, cursor: Cursor) -> Option<(Cursor, usize)> {
        let from = match cursor {
            Cursor::Answered(node) => match self.open.call_at(node) {
                Some(operation) => return Some((cursor, operation)),
                None => 0,
            },
            Cursor::Pending(place) => place,
        };
        let deadline = self.open.first_answer_time();
        (from..self.pending.len())
            .map(|place| (Cursor::Pending(place), self.pending[place]))
            .take_while(|&(_, operation)| self.operations[operation].called <= deadline)
            .find(|&(_, operation)| !self.taken.has_pending(operation))
    }

    /// Takes an operation as the next one, unless it does not fit or was tried. `first` is the first answered operation that is not taken.
    fn take(&mut self, first: usize, candidate: Cursor, operation: usize) -> Try {
        let Seen { call, answered, .. } = &self.operations[operation];
        let answer = answered.map(|(_, answer)| answer);
        let Some(next) = M::step(&self.state, call, answer) else { return Try::Refused };
        let is_choice = next != self.state;
        // Taking one that changes nothing and answers nobody only loses a choice.
        if answer.is_none() && !is_choice {
            return Try::Refused;
        }
        self.take_out(candidate, operation);
        let first = if operation == first { self.open.first_call() } else { Some(first) };
        let first = first.unwrap_or(self.operations.len());
        let too_old = self.limits.first().is_some_and(|(limit, _)| *limit < M::age(&next));
        if !too_old && self.tried.insert(self.taken.configuration(first, next.clone())) {
            let state = std::mem::replace(&mut self.state, next);
            self.undo.push(Step { candidate, state, is_choice });
            return Try::Taken;
        }
        self.put_back(candidate, operation);
        if is_choice { Try::Refused } else { Try::DeadEnd }
    }

    /// Undoes what was taken up to the last choice, and that too.
    fn give_back(&mut self) -> Option<Cursor> {
        loop {
            let Step { candidate, state, is_choice } = self.undo.pop()?;
            let operation = match candidate {
                Cursor::Answered(node) => Open::operation(node),
                Cursor::Pending(place) => self.pending[place],
            };
            self.put_back(candidate, operation);
            self.state = state;
            if is_choice {
                return Some(candidate);
            }
        }
    }

    fn take_out(&mut self, candidate: Cursor, operation: usize) {
        match candidate {
            Cursor::Answered(node) => {
                self.open.lift(node);
                self.taken.insert(operation, false);
                Self::limit(&self.operations[operation]).map(|limit| self.limits.remove(&(limit, operation)));
            }
            Cursor::Pending(_) => self.taken.insert(operation, true),
        }
    }

    fn put_back(&mut self, candidate: Cursor, operation: usize) {
        match candidate {
            Cursor::Answered(node) => {
                self.open.put_back(node);
                self.taken.remove(operation, false);
                Self::limit(&self.operations[operation]).map(|limit| self.limits.insert((limit, operation)));
            }
            Cursor::Pending(_) => self.taken.remove(operation, true),
        }
    }
}

/// Calls and answers of the answered operations that are not taken, in the order of time: a list through an array, from which an
/// operation can be lifted and put back at once. Node 0 is head and tail; those of operation `i` are `2i + 1` and `2i + 2`.
struct Open {
    next: Vec<usize>,
    before: Vec<usize>,
    /// By node; only those of answers are asked for.
    times: Vec<u64>,
}

impl Open {
    const HEAD: usize = 0;

    fn new<C, A>(operations: &[Seen<'_, C, A>]) -> Self {
        let mut events = Vec::new();
        let mut times = vec![u64::MAX; 2 * operations.len() + 1];
        for (i, operation) in operations.iter().enumerate() {
            if let Some((answered, _)) = operation.answered {
                // At the same time calls come first: what may have overlapped did.
                events.push((operation.called, false, 2 * i + 1));
                events.push((answered, true, 2 * i + 2));
                times[2 * i + 2] = answered;
            }
        }
        events.sort_unstable();
        let mut open = Self { next: vec![0; times.len()], before: vec![0; times.len()], times };
        let mut last = Self::HEAD;
        for (.., node) in events {
            open.next[last] = node;
            open.before[node] = last;
            last = node;
        }
        open.next[last] = Self::HEAD;
        open.before[Self::HEAD] = last;
        open
    }

    fn operation(node: usize) -> usize {
        (node - 1) / 2
    }

    fn next(&self, node: usize) -> usize {
        self.next[node]
    }

    /// The operation whose call this is; `None` for an answer, and at the end.
    fn call_at(&self, node: usize) -> Option<usize> {
        (node % 2 == 1).then(|| Self::operation(node))
    }

    /// The operation that was called first; `None` when all are taken.
    fn first_call(&self) -> Option<usize> {
        self.call_at(self.next(Self::HEAD))
    }

    fn first_answer_time(&self) -> u64 {
        let mut node = self.next(Self::HEAD);
        while self.call_at(node).is_some() {
            node = self.next(node);
        }
        self.times[node]
    }

    /// Takes the call at `node` out, and its answer.
    fn lift(&mut self, node: usize) {
        for node in [node, node + 1] {
            let (before, next) = (self.before[node], self.next[node]);
            self.next[before] = next;
            self.before[next] = before;
        }
    }

    /// Puts back what was lifted last.
    fn put_back(&mut self, node: usize) {
        for node in [node + 1, node] {
            let (before, next) = (self.before[node], self.next[node]);
            self.next[before] = node;
            self.before[next] = node;
        }
    }
}
