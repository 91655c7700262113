//! A network that loses, doubles, delays, reorders and cuts off what is sent.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::{
    Blob, ClientId, Incarnation, KvEntry, Refusal, RequestId, RequestKey, Timestamp, WorkerId,
};
use gristmill_scheduler::{Answer, Input, Orders, Recorded, Reply};

use super::life::{Life, step_ms};
use super::worker::Worker;

/// Where workers and clients are, as seen by members: those with even numbers, and those with odd ones.
pub(super) const OUTSIDE: [usize; 2] = [usize::MAX, usize::MAX - 1];

/// Who is to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caller {
    Worker(usize, Incarnation),
    /// With the number of the session that it has or opens.
    Client(usize, u64),
    Nobody,
}

#[derive(Clone, Debug)]
pub(super) enum Request {
    Act(Input),
    /// What does this key hold?
    Read(RequestId, Blob),
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) caller: Caller,
    pub(super) request: Request,
}

#[derive(Clone, Debug)]
pub(super) enum Message {
    Called(usize, Call),
    Registered(usize, Incarnation, WorkerId),
    Answered(usize, Incarnation, Answer),
    Ordered(usize, Incarnation, WorkerId, Result<Orders, Refusal>),
    Opened(usize, u64, ClientId),
    Executed(usize, u64, RequestKey, Result<Recorded, Refusal>),
    Read(usize, u64, RequestId, Option<KvEntry>),
    /// From a member that does not lead, and whom it takes for the leader.
    NotLeader(Caller, usize, Option<usize>),
}

/// What is under way, by when it arrives.
pub(super) type Network = BTreeMap<(Timestamp, u64), Message>;

/// Who cannot send to whom.
pub(super) type Cuts = BTreeSet<(usize, usize)>;

impl Caller {
    fn side(self) -> usize {
        match self {
            Self::Worker(index, _) | Self::Client(index, _) => OUTSIDE[index % 2],
            Self::Nobody => OUTSIDE[0],
        }
    }
}

impl Call {
    pub(super) fn of_nobody(input: Input) -> Self {
        Self { caller: Caller::Nobody, request: Request::Act(input) }
    }

    pub(super) fn input(&self) -> Option<&Input> {
        match &self.request {
            Request::Act(input) => Some(input),
            Request::Read(..) => None,
        }
    }
}

impl Message {
    /// To which side it goes.
    fn side(&self) -> usize {
        match self {
            Self::Called(_, call) => call.caller.side(),
            Self::NotLeader(caller, ..) => caller.side(),
            Self::Registered(index, ..)
            | Self::Answered(index, ..)
            | Self::Ordered(index, ..)
            | Self::Opened(index, ..)
            | Self::Executed(index, ..)
            | Self::Read(index, ..) => OUTSIDE[index % 2],
        }
    }

    /// Whether it would be wrong if somebody else led already.
    pub(super) fn rests_on_the_state(&self) -> bool {
        match self {
            Self::Answered(_, _, answer) => answer.reply != Ok(Reply::default()),
            Self::Ordered(_, _, _, orders) => *orders != Ok(Orders::default()),
            _ => true,
        }
    }
}

impl Life {
    pub(super) fn call(&mut self, to: usize, caller: Caller, request: Request) {
        if !self.cuts.contains(&(caller.side(), to)) {
            self.send(Message::Called(to, Call { caller, request }));
        }
    }

    pub(super) fn send_from(&mut self, m: usize, message: Message) {
        if !self.cuts.contains(&(m, message.side())) {
            self.send(message);
        }
    }

    fn send(&mut self, message: Message) {
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

    /// Delivers what is due. A process that is dead or stands still hears it later, or never.
    pub(super) fn deliver(&mut self) {
        let later = self.network.split_off(&(step_ms(self.now, 1), 0));
        for ((at, number), message) in std::mem::replace(&mut self.network, later) {
            self.trace.note(at.ms);
            self.trace.note(number);
            self.hear(message);
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Called(m, call) => match self.members[m].down_until {
                None => self.members[m].receive(call),
                // Its connections are closed, which callers notice.
                Some(_) => self.hear_not_leader(call.caller, m, None),
            },
            Message::Opened(index, nonce, client) => self.hear_opened(index, nonce, client),
            Message::Executed(index, nonce, key, answer) => self.hear_executed(index, nonce, key, answer),
            Message::Read(index, nonce, request, entry) => self.hear_read(index, nonce, request, entry),
            Message::NotLeader(caller, from, leader) => self.hear_not_leader(caller, from, leader),
            Message::Registered(index, incarnation, id) => {
                if let Some(worker) = self.hearing(index, incarnation) {
                    worker.id = Some(id);
                }
            }
            Message::Answered(index, incarnation, answer) => {
                if self.hearing(index, incarnation).is_some() {
                    self.hear_answer(index, answer);
                }
            }
            Message::Ordered(index, incarnation, id, orders) => {
                match (self.hearing(index, incarnation), orders) {
                    (Some(_), Ok(orders)) => self.hear_orders(index, &orders),
                    (Some(worker), Err(_)) if worker.id == Some(id) => worker.id = None,
                    _ => {}
                }
            }
        }
    }

    /// Whoever is sent away asks the one that is named, or the next.
    fn hear_not_leader(&mut self, caller: Caller, from: usize, leader: Option<usize>) {
        let next = leader.unwrap_or((from + 1) % self.members.len());
        match caller {
            Caller::Worker(index, incarnation) => {
                if let Some(worker) = self.hearing(index, incarnation).filter(|worker| worker.target == from)
                {
                    (worker.target, worker.poll) = (next, None);
                }
            }
            Caller::Client(index, _) => {
                let client = &mut self.clients[index];
                if client.target == from {
                    client.target = next;
                }
            }
            Caller::Nobody => {}
        }
    }

    /// A stopped worker misses what is sent to it meanwhile; its calls time out.
    fn hearing(&mut self, index: usize, incarnation: Incarnation) -> Option<&mut Worker> {
        let now = self.now;
        self.workers.get_mut(index).filter(|worker| worker.acts(now) && worker.incarnation == incarnation)
    }
}
