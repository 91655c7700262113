//! What a loop answers, and how callers are sent to the leader.

use gristmill_scheduler::{Input, Recorded};

use super::main_loop::{Batch, MainLoop};
use super::member::Role;
use crate::simulation::life::Life;
use crate::simulation::network::{Caller, Message, Request};

impl Life {
    /// Everything that can be answered after a batch.
    pub(super) fn answers(&mut self, m: usize, main_loop: &mut MainLoop, batch: &Batch) -> Vec<Message> {
        let mut told = Vec::new();
        for answer in main_loop.leader().answers(&self.members[m].state, batch.decided_at) {
            if let Some(Caller::Worker(index, incarnation)) = main_loop.polls.remove(&answer.token) {
                told.push(Message::Answered(index, incarnation, answer));
            }
        }
        for call in &batch.calls {
            told.extend(self.answer(m, main_loop, call.caller, &call.request));
        }
        told
    }

    fn answer(
        &mut self,
        m: usize,
        main_loop: &mut MainLoop,
        caller: Caller,
        request: &Request,
    ) -> Option<Message> {
        let state = &self.members[m].state;
        match (caller, request) {
            (Caller::Client(index, nonce), Request::Read(request, key)) => {
                Some(Message::Read(index, nonce, *request, state.kv().get(key)))
            }
            (Caller::Worker(index, _), Request::Act(Input::Register(hello))) => {
                let id = state.worker_of(hello.incarnation)?;
                Some(Message::Registered(index, hello.incarnation, id))
            }
            (Caller::Worker(index, _), Request::Act(Input::Heartbeat { worker, incarnation, .. })) => {
                let orders = main_loop.leader().orders(state, *worker, *incarnation);
                Some(Message::Ordered(index, *incarnation, *worker, orders))
            }
            (Caller::Client(index, _), Request::Act(Input::OpenSession { nonce })) => {
                Some(Message::Opened(index, *nonce, state.session_of(*nonce)?))
            }
            (Caller::Client(index, nonce), Request::Act(Input::Kv(call))) => {
                Some(Message::Executed(index, nonce, call.key, self.answer_request(m, call.asked())))
            }
            (
                Caller::Client(index, nonce),
                Request::Act(Input::Cancel(asked, _) | Input::Drain(asked, _)),
            ) => Some(Message::Executed(index, nonce, asked.key, self.answer_request(m, *asked))),
            (Caller::Client(index, nonce), Request::Act(Input::Submit(spec, _))) => {
                let answer = match state.job_of(spec.key) {
                    Some(job) => Ok(Recorded::Job(job)),
                    None => match state.recorded(spec.key) {
                        Ok(None) => panic!("a submission without an answer"),
                        Ok(Some(answer)) => Ok(answer),
                        Err(refusal) => Err(refusal),
                    },
                };
                Some(Message::Executed(index, nonce, spec.key, answer))
            }
            _ => None,
        }
    }

    /// Sends every caller to the leader.
    pub(super) fn refuse_all(&mut self, m: usize) {
        for call in std::mem::take(&mut self.members[m].inbox) {
            self.refuse(m, call.caller);
        }
    }

    pub(super) fn refuse(&mut self, m: usize, caller: Caller) {
        let hint = match self.members[m].role {
            Role::Follows { leader } => leader,
            Role::Leads(_) => None,
        };
        if !matches!(caller, Caller::Nobody) {
            self.met.note("sent to the leader");
            self.send_from(m, Message::NotLeader(caller, m, hint));
        }
    }
}
