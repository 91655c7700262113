//! The turns of a loop: intake, decision, proposal, effects, answers.

use std::time::Duration;

use gristmill_model::ClusterId;
use gristmill_scheduler::{Effect, Fact, Input, Leader};

use super::main_loop::{Batch, MainLoop, Phase};
use crate::simulation::life::{Life, step_ms};
use crate::simulation::network::{Call, Message, Request};

/// Time after which a leader that gets no entry through takes itself for one no more.
const PROPOSE_MAX: Duration = Duration::from_millis(3_000);
/// A leader that has only empty answers to give confirms itself so often.
const CONFIRM_PAUSE: Duration = Duration::from_millis(500);
/// Pause before a member that still leads begins a new loop.
const LEAD_AGAIN_MS: u64 = 100;

/// How a loop goes on.
pub(super) enum Next {
    /// There is more to do at once.
    Go,
    /// Something is waited for.
    Wait,
    /// The leadership is over.
    Over,
}

impl Life {
    /// Lets a member do what is to be done now.
    pub(crate) fn coordinate(&mut self, m: usize) {
        self.keep_up(m);
        if !self.members[m].acts(self.now) || self.members[m].stalled_until > self.now {
            return;
        }
        self.begin_to_lead(m);
        let mut turns = 0;
        while let Some(mut main_loop) = self.members[m].main_loop.take() {
            let next = self.go_on(m, &mut main_loop);
            if !self.members[m].acts(self.now) {
                // It crashed in the middle of it.
                return;
            }
            match next {
                Next::Over => return self.end_leadership(m, main_loop),
                Next::Go | Next::Wait => self.members[m].main_loop = Some(main_loop),
            }
            turns += 1;
            assert!(turns < 40, "the leader wants to decide for ever");
            if matches!(next, Next::Wait) {
                return;
            }
        }
        self.refuse_all(m);
    }

    fn begin_to_lead(&mut self, m: usize) {
        let now = self.now;
        let idle = self.members[m].main_loop.is_none() && self.members[m].lead_again <= now;
        if let Some(term) = self.reigns_in(m).filter(|_| idle) {
            self.met.note("leadership");
            self.members[m].main_loop = Some(MainLoop::new(term, now));
        }
    }

    fn end_leadership(&mut self, m: usize, main_loop: MainLoop) {
        self.met.note("leadership lost");
        self.members[m].awaited = None;
        self.members[m].lead_again = step_ms(self.now, LEAD_AGAIN_MS);
        for caller in main_loop.polls.into_values() {
            self.refuse(m, caller);
        }
        self.refuse_all(m);
    }

    fn go_on(&mut self, m: usize, main_loop: &mut MainLoop) -> Next {
        match std::mem::replace(&mut main_loop.phase, Phase::Idle) {
            Phase::Begins => {
                let Some(barrier) = self.propose(m, main_loop.term, Vec::new()) else { return Next::Over };
                main_loop.phase = Phase::Waits(barrier);
                Next::Go
            }
            Phase::Waits(index) => self.after_barrier(m, main_loop, index),
            Phase::Idle => self.turn(m, main_loop),
            Phase::Decided(batch, facts) => {
                let Some(index) = self.propose(m, main_loop.term, facts) else { return Next::Over };
                main_loop.since = self.now;
                main_loop.phase = Phase::Proposed(batch, index);
                Next::Go
            }
            Phase::Proposed(batch, index) => self.after_proposal(m, main_loop, batch, index),
            Phase::Confirms(told) => {
                if self.confirm(m) && self.members[m].disk.term() == main_loop.term {
                    assert!(self.is_newest(m), "member {m} answers from an old state");
                    self.tell(m, main_loop, told);
                    return Next::Go;
                }
                main_loop.phase = Phase::Confirms(told);
                self.wait_or_end(m, main_loop)
            }
        }
    }

    fn wait_or_end(&self, m: usize, main_loop: &MainLoop) -> Next {
        let leads = self.members[m].reign().is_some();
        let late = main_loop.since + PROPOSE_MAX <= self.now;
        if leads && !late { Next::Wait } else { Next::Over }
    }

    /// The barrier is certain: whatever an earlier loop has proposed comes before it, or never.
    fn after_barrier(&mut self, m: usize, main_loop: &mut MainLoop, index: u64) -> Next {
        match self.members[m].outcome.take() {
            None => {
                main_loop.phase = Phase::Waits(index);
                return self.wait_or_end(m, main_loop);
            }
            Some(Err(_)) => return Next::Over,
            Some(Ok(_)) => {}
        }
        if self.members[m].state.cluster().is_none() {
            let cluster = ClusterId(self.rng.next());
            let founded = vec![Fact::Founded { cluster }];
            let Some(index) = self.propose(m, main_loop.term, founded) else { return Next::Over };
            main_loop.phase = Phase::Waits(index);
            return Next::Go;
        }
        let member = &self.members[m];
        let leader = Leader::new(&member.state, member.clock(self.now), self.settings.clone());
        let unfinished = leader.resume(&member.state);
        main_loop.leader = Some(leader);
        self.check_replica(m);
        self.perform(m, main_loop, unfinished);
        Next::Go
    }

    /// Takes in what has come, and decides.
    fn turn(&mut self, m: usize, main_loop: &mut MainLoop) -> Next {
        if self.reigns_in(m) != Some(main_loop.term) {
            return Next::Over;
        }
        let now = self.members[m].clock(self.now);
        let mut calls = std::mem::take(&mut self.members[m].inbox);
        for (job, result) in self.finished_commits(m, main_loop) {
            calls.push(Call::of_nobody(Input::Committed { job, result }));
        }
        let due = main_loop.leader().next_deadline().is_some_and(|deadline| deadline <= now);
        if calls.is_empty() && !due {
            return Next::Wait;
        }
        for call in &calls {
            if let Request::Act(Input::Poll(poll)) = &call.request {
                main_loop.polls.insert(poll.token, call.caller);
            }
        }
        let inputs: Vec<Input> = calls.iter().filter_map(Call::input).cloned().collect();
        let facts = main_loop.leader().decide(&self.members[m].state, now, &inputs);
        let batch = Batch { calls, decided_at: now };
        main_loop.since = self.now;
        if facts.is_empty() {
            return self.answer_without_facts(m, main_loop, &batch);
        }
        main_loop.phase = Phase::Decided(batch, facts);
        if self.rng.chance(self.faults.stalled) {
            self.met.note("loop stalls");
            self.members[m].stalled_until = step_ms(self.now, self.rng.between(50, 4_000));
            return Next::Wait;
        }
        Next::Go
    }

    fn answer_without_facts(&mut self, m: usize, main_loop: &mut MainLoop, batch: &Batch) -> Next {
        let told = self.answers(m, main_loop, batch);
        let stale = main_loop.confirmed + CONFIRM_PAUSE <= self.now;
        let rests = stale || told.iter().any(Message::rests_on_the_state);
        if rests && !told.is_empty() {
            main_loop.phase = Phase::Confirms(told);
        } else {
            told.into_iter().for_each(|message| self.send_from(m, message));
        }
        self.check_leadership(m, main_loop, batch);
        Next::Go
    }

    fn after_proposal(&mut self, m: usize, main_loop: &mut MainLoop, batch: Batch, index: u64) -> Next {
        let effects = match self.members[m].outcome.take() {
            None => {
                // It may never hear of it, and still lead.
                if self.rng.chance(self.faults.stalled * 4) {
                    self.met.note("fate unknown");
                    return Next::Over;
                }
                main_loop.phase = Phase::Proposed(batch, index);
                return self.wait_or_end(m, main_loop);
            }
            Some(Err(_)) => return Next::Over,
            Some(Ok(effects)) => effects,
        };
        self.conclude(m, main_loop, &batch, effects)
    }

    /// The facts are certain: what they make necessary is done, and whoever waited for them is answered.
    fn conclude(&mut self, m: usize, main_loop: &mut MainLoop, batch: &Batch, effects: Vec<Effect>) -> Next {
        if self.rng.chance(self.faults.crashed * 2) {
            self.met.note("effects lost");
            self.crash(m);
            return Next::Over;
        }
        self.perform(m, main_loop, effects);
        let told = self.answers(m, main_loop, batch);
        self.check_leadership(m, main_loop, batch);
        self.tell(m, main_loop, told);
        Next::Go
    }

    /// Answers that rest on something certain. Where the loop stood still since then, others may know something newer, as when answers are late.
    fn tell(&mut self, m: usize, main_loop: &mut MainLoop, told: Vec<Message>) {
        main_loop.confirmed = self.now;
        for message in told {
            match (message.rests_on_the_state(), self.is_newest(m)) {
                (true, true) => self.check_told(&message),
                (true, false) => self.met.note("answered late"),
                (false, _) => {}
            }
            self.send_from(m, message);
        }
    }
}
