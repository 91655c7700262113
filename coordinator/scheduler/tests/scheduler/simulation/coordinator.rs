//! What the coordinator does: it decides, logs, applies, performs and answers, unless it dies in between.

use gristmill_model::JobPhase;
use gristmill_scheduler::{Effect, Fact, Input, Recorded, apply};

use super::life::{Life, step_ms};
use super::network::Message;
use super::roundtrip;

impl Life {
    pub(super) fn coordinate(&mut self, inputs: Vec<Input>) {
        let due = self.leader.next_deadline().is_some_and(|deadline| deadline <= self.now);
        if inputs.is_empty() && !due {
            return;
        }
        let fate = self.rng.below(1_000);
        self.round(&inputs, fate);
        for _ in 0..4 {
            match self.leader.next_deadline() {
                Some(deadline) if deadline <= self.now => self.round(&[], 0),
                _ => break,
            }
        }
        let deadline = self.leader.next_deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now), "the leader wants to decide for ever");
    }

    pub(super) fn round(&mut self, inputs: &[Input], fate: u64) {
        let facts = self.leader.decide(&self.state, self.now, inputs);
        // Sometimes the entry is not committed, sometimes the leader dies between commit and act.
        if fate > 1_000 - self.faults.new_leader / 3 {
            self.met.note("lost log entry");
            return self.change_leader();
        }
        let mut effects = Vec::new();
        for fact in facts {
            effects.extend(self.commit(fact));
        }
        self.check();
        if fate > 1_000 - self.faults.new_leader {
            self.met.note("effects lost");
            return self.change_leader();
        }
        self.perform(&effects);
        for answer in self.leader.answers(&self.state, self.now) {
            self.check_verdicts(&answer);
            if let Some(index) = self
                .workers
                .iter()
                .position(|worker| worker.poll.is_some_and(|(token, _)| token == answer.token))
            {
                let incarnation = self.workers[index].incarnation;
                self.send(Message::Answered(index, incarnation, answer));
            }
        }
        for input in inputs {
            self.reply(input);
        }
        self.leader.validate(&self.state).unwrap_or_else(|wrong| panic!("the leader's memory: {wrong}"));
    }

    fn commit(&mut self, fact: Fact) -> Vec<Effect> {
        let effects = apply(&mut self.state, &fact).unwrap_or_else(|illegal| panic!("{illegal}"));
        let mirrored =
            apply(&mut self.mirror, &roundtrip(&fact)).unwrap_or_else(|illegal| panic!("{illegal}"));
        assert_eq!(effects, mirrored);
        self.met.note_fact(&fact);
        let (samples, maps) = match &fact {
            Fact::JobSubmitted { job, .. } => {
                let status = self.leader.job_status(&self.state, *job).expect("it was submitted");
                (status.sample.total, status.map.total)
            }
            _ => (0, 0),
        };
        self.ledger.take_down(&fact, samples, maps, |attempt| self.reported_good.contains(&attempt));
        self.check_clients(&fact);
        self.log.push(fact);
        effects
    }

    pub(super) fn perform(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Commit { job, failures: _ } = effect {
                let parts = self.state.outputs(*job);
                let known = &self.ledger.jobs[job];
                let expected = if known.reduces == 0 { known.maps } else { known.reduces };
                if self.state.phase(*job) == Some(JobPhase::Committing) {
                    assert_eq!(parts.len(), expected as usize, "an output for each task of the final stage");
                }
                for part in parts {
                    assert_eq!(
                        self.ledger.winners[&part.attempt.task].0, part.attempt,
                        "outputs are the winners'"
                    );
                }
                let bad = self.rng.chance(self.faults.bad_commit);
                let result = if bad { Err("no space left".to_owned()) } else { Ok(()) };
                // The coordinator does it itself: it may be late, but it is not lost as long as the leader lives.
                let at = step_ms(self.now, self.rng.below(500));
                self.sent += 1;
                let message = Message::ToCoordinator(Input::Committed { job: *job, result });
                self.network.insert((at, self.sent), message);
            }
        }
    }

    fn reply(&mut self, input: &Input) {
        match input {
            Input::Register(hello) => {
                let index = self.workers.iter().position(|worker| worker.incarnation == hello.incarnation);
                let id = self.state.worker_of(hello.incarnation);
                if let (Some(index), Some(id)) = (index, id) {
                    self.send(Message::Registered(index, hello.incarnation, id));
                }
            }
            Input::Heartbeat { worker, incarnation, .. } => {
                let index = self.workers.iter().position(|known| known.incarnation == *incarnation);
                let orders = self.leader.orders(&self.state, *worker, *incarnation);
                if orders.as_ref().is_ok_and(|orders| orders.leave) {
                    self.check_leave(*worker);
                }
                match (index, orders) {
                    (Some(index), Ok(orders)) => self.send(Message::Ordered(index, *incarnation, orders)),
                    (Some(index), Err(_)) if self.workers[index].id == Some(*worker) => {
                        self.workers[index].id = None;
                    }
                    _ => {}
                }
            }
            Input::OpenSession { nonce } => {
                if let Some(client) = self.state.session_of(*nonce) {
                    self.send(Message::Opened(*nonce, client));
                }
            }
            Input::Kv(call) => {
                let answer = self.kv_answer(call);
                self.send(Message::Executed(call.key.client, call.key.request, answer));
            }
            Input::Submit(spec, planner) => {
                let answer = match self.state.admit(spec, *planner) {
                    Ok(Some(job)) => Ok(Recorded::Job(job)),
                    Ok(None) => panic!("a submission without an answer"),
                    Err(refusal) => Err(refusal),
                };
                self.send(Message::Executed(spec.key.client, spec.key.request, answer));
            }
            _ => {}
        }
    }
}
