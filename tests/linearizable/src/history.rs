//! What was recorded, and what it is compared with.

use std::fmt::Debug;
use std::hash::Hash;

/// What one key is supposed to do when operations come one at a time.
pub trait Model {
    /// The key at one moment.
    type State: Clone + Eq + Hash + Debug;
    /// What is asked.
    type Call: Debug;
    /// What is answered.
    type Answer: Debug;

    /// The key before the first operation.
    fn initial() -> Self::State;

    /// The key after `call` was answered so, or `None` if it cannot have been answered so in this state. Where nobody knows the answer,
    /// the key after the call.
    fn step(state: &Self::State, call: &Self::Call, answer: Option<&Self::Answer>) -> Option<Self::State>;

    /// A number that no step lowers. With [`age_max`](Self::age_max) it lets a search see early that it has gone too far; it needs
    /// not be told.
    fn age(_state: &Self::State) -> u64 {
        0
    }

    /// In a state older than this, and so in all that follow it, the call cannot be answered so.
    fn age_max(_call: &Self::Call, _answer: &Self::Answer) -> u64 {
        u64::MAX
    }
}

/// One operation as its client saw it. Times are of one clock for all clients, and of any unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<C, A> {
    /// Which key it is about.
    pub key: Vec<u8>,
    /// Who asked.
    pub client: u64,
    /// What was asked.
    pub call: C,
    /// When, taken before the call.
    pub called: u64,
    /// What was answered, and when, taken after the answer. `None` if nobody knows.
    pub answered: Option<(u64, A)>,
}

impl<C, A> Operation<C, A> {
    /// When it was answered. An answer of the same time as a call counts as later: the two may have overlapped.
    pub(crate) fn answered_at(&self) -> Option<u64> {
        self.answered.as_ref().map(|(time, _)| (*time).max(self.called))
    }

    /// As it looked at `time`: an answer that came later is not known yet. `None` if it was not even called.
    pub(crate) fn at(&self, time: u64) -> Option<Seen<'_, C, A>> {
        let answered = self.answered_at().zip(self.answered.as_ref().map(|(_, answer)| answer));
        (self.called <= time).then_some(Seen {
            call: &self.call,
            called: self.called,
            answered: answered.filter(|(answered, _)| *answered <= time),
        })
    }
}

/// An operation as it looked at some time.
pub(crate) struct Seen<'a, C, A> {
    pub(crate) call: &'a C,
    pub(crate) called: u64,
    pub(crate) answered: Option<(u64, &'a A)>,
}

/// All that was called by a time, in the order of the calls, if that is the order of `operations`.
pub(crate) fn seen<'a, C, A>(operations: &[&'a Operation<C, A>], time: u64) -> Vec<Seen<'a, C, A>> {
    operations.iter().filter_map(|operation| operation.at(time)).collect()
}
