//! What became certain, in order: the truth that every member must agree with, and that is held against the rules entry by entry.

use std::rc::Rc;

use gristmill_scheduler::{Fact, Leader, State, apply};

use super::group::Entry;
use super::life::Life;

impl Life {
    /// An entry is certain for ever. One that was decided under an earlier leadership changes nothing.
    pub(super) fn make_certain(&mut self, entry: Rc<Entry>) {
        self.trace.note_entry(&entry);
        if entry.decided == entry.entered {
            for fact in &entry.facts {
                self.take_down(fact);
            }
            self.state.validate().unwrap_or_else(|wrong| panic!("the state: {wrong}"));
            if entry.facts.iter().any(|fact| matches!(fact, Fact::KvApplied { .. })) {
                self.check_kv();
            }
        }
        self.entries.push(entry);
        self.states.push(self.state.clone());
    }

    fn take_down(&mut self, fact: &Fact) {
        apply(&mut self.state, fact).unwrap_or_else(|illegal| panic!("{illegal}"));
        self.met.note_fact(fact);
        let (samples, maps) = match fact {
            Fact::JobSubmitted { job, .. } => {
                let leader = Leader::new(&self.state, self.now, self.settings.clone());
                let status = leader.job_status(&self.state, *job).expect("it was submitted");
                (status.sample.total, status.map.total)
            }
            _ => (0, 0),
        };
        self.ledger.take_down(fact, samples, maps, |attempt| self.reported_good.contains(&attempt));
        self.check_clients(fact);
        if let Fact::JobCommitted { job, .. } = fact {
            self.check_output(*job);
        }
        self.log.push(fact.clone());
    }

    /// A member's state is the one that was when as much was certain.
    pub(super) fn check_replica(&self, m: usize) {
        let (state, applied) = self.applied_by(m);
        assert_eq!(
            *state, self.states[applied],
            "member {m} has another state after {applied} entries than others had"
        );
    }

    /// Replays the whole log.
    pub(super) fn check_replay(&self) {
        let mut state = State::new();
        for fact in &self.log {
            apply(&mut state, fact).unwrap_or_else(|illegal| panic!("{illegal}"));
        }
        assert_eq!(state, self.state, "a replay gives another state");
    }
}
