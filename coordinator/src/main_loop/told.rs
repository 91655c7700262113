//! The answers of one turn: prepared from the state, sent once it is known that nobody else leads.

use crate::event::Reply;
use gristmill_model::Refusal;

/// See the module.
#[derive(Default)]
pub(super) struct Told {
    answers: Vec<Box<dyn FnOnce() + Send>>,
    rests_on_the_state: bool,
}

impl Told {
    /// An answer that says something about the state.
    pub(super) fn say<T: Send + 'static>(&mut self, reply: Reply<T>, answer: Result<T, Refusal>) {
        self.rests_on_the_state = true;
        self.say_nothing(reply, answer);
    }

    /// An answer that says nothing but that this coordinator is here.
    pub(super) fn say_nothing<T: Send + 'static>(&mut self, reply: Reply<T>, answer: Result<T, Refusal>) {
        self.answers.push(Box::new(move || drop(reply.send(answer))));
    }

    /// Whether any of them would be wrong if somebody else led already.
    pub(super) fn rests_on_the_state(&self) -> bool {
        self.rests_on_the_state
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Sends them.
    pub(super) fn send(self) {
        self.answers.into_iter().for_each(|answer| answer());
    }
}
