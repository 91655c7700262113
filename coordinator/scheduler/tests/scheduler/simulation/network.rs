//! A network that loses, doubles, delays and reorders what is sent.

use std::collections::BTreeMap;

use gristmill_model::{ClientId, Incarnation, Refusal, RequestId, Timestamp, WorkerId};
use gristmill_scheduler::{Answer, Input, Orders, Recorded};

use super::life::{Life, step_ms};
use super::worker::Worker;

#[derive(Clone, Debug)]
pub(super) enum Message {
    ToCoordinator(Input),
    Registered(usize, Incarnation, WorkerId),
    Answered(usize, Incarnation, Answer),
    Ordered(usize, Incarnation, Orders),
    /// To the client that opened a session with this number.
    Opened(u64, ClientId),
    /// To the client of this session.
    Executed(ClientId, RequestId, Result<Recorded, Refusal>),
}

/// What is under way, by when it arrives.
pub(super) type Network = BTreeMap<(Timestamp, u64), Message>;

impl Life {
    pub(super) fn send(&mut self, message: Message) {
        if self.rng.chance(self.faults.lost) {
            return;
        }
        let copies = if self.rng.chance(self.faults.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            let delay =
                if self.rng.chance(self.faults.late) { self.rng.below(3_000) } else { self.rng.below(30) };
            self.sent += 1;
            self.network.insert((step_ms(self.now, delay), self.sent), message.clone());
        }
    }

    /// Delivers what is due: to workers at once, to the coordinator as one batch.
    pub(super) fn deliver(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        let later = self.network.split_off(&(step_ms(self.now, 1), 0));
        for (_, message) in std::mem::replace(&mut self.network, later) {
            match message {
                Message::ToCoordinator(input) => inputs.push(input),
                Message::Opened(nonce, client) => self.hear_opened(nonce, client),
                Message::Executed(client, request, answer) => self.hear_executed(client, request, answer),
                Message::Registered(index, incarnation, id) => {
                    if let Some(worker) = self.hearing(index, incarnation) {
                        worker.id = Some(id);
                    }
                }
                Message::Answered(index, incarnation, answer) => {
                    let awake = self.hearing(index, incarnation).is_some();
                    if awake {
                        self.hear_answer(index, answer);
                    }
                }
                Message::Ordered(index, incarnation, orders) => {
                    if self.hearing(index, incarnation).is_some() {
                        self.hear_orders(index, &orders);
                    }
                }
            }
        }
        inputs
    }

    /// A stopped worker misses what is sent to it meanwhile; its calls time out.
    fn hearing(&mut self, index: usize, incarnation: Incarnation) -> Option<&mut Worker> {
        let now = self.now;
        self.workers.get_mut(index).filter(|worker| worker.acts(now) && worker.incarnation == incarnation)
    }
}
