//! What a member keeps on its disk: its term, its vote, a snapshot and the log behind it. A crash loses what is not synced.

use std::rc::Rc;

use gristmill_scheduler::{Fact, State};

use crate::simulation::rng::Rng;
use crate::simulation::roundtrip;

/// One entry of the log.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    /// The term in which it entered the log.
    pub(crate) entered: u64,
    /// The term of the leadership that decided it.
    pub(crate) decided: u64,
    pub(crate) facts: Vec<Fact>,
    /// The same after it was written and read, which is what members apply.
    pub(crate) read: Vec<Fact>,
}

impl Entry {
    pub(super) fn new(entered: u64, decided: u64, facts: Vec<Fact>) -> Self {
        let read = roundtrip(&facts);
        Self { entered, decided, facts, read }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// How many entries are in it.
    pub(super) entries: u64,
    /// The term of the last of them.
    pub(super) term: u64,
    bytes: Rc<Vec<u8>>,
}

impl Snapshot {
    pub(super) fn state(&self) -> State {
        let state: State = postcard::from_bytes(&self.bytes).expect("a snapshot decodes");
        state.validate().unwrap_or_else(|wrong| panic!("the state of a snapshot: {wrong}"));
        state
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vote {
    pub(super) term: u64,
    pub(super) given_to: Option<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Disk {
    vote: Vote,
    synced_vote: Vote,
    pub(super) snapshot: Option<Snapshot>,
    /// The entries before this one are in the snapshot only.
    first: u64,
    /// The term of the entry before the first.
    before: u64,
    entries: Vec<Rc<Entry>>,
    /// As many entries survive a crash.
    synced: u64,
}

impl Disk {
    pub(super) fn term(&self) -> u64 {
        self.vote.term
    }

    pub(super) fn vote(&self) -> Vote {
        self.vote
    }

    pub(super) fn set_vote(&mut self, vote: Vote) {
        self.vote = vote;
        self.synced_vote = vote;
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn len(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    pub(super) fn synced(&self) -> u64 {
        self.synced
    }

    /// Of the entry with this number; 0 before the first of all.
    pub(super) fn term_of(&self, index: Option<u64>) -> Option<u64> {
        match index {
            None => Some(0),
            Some(index) if index + 1 == self.first => Some(self.before),
            Some(index) => self.get(index).map(|entry| entry.entered),
        }
    }

    /// Term and number of the last entry: the larger one is the newer log.
    pub(super) fn newness(&self) -> (u64, u64) {
        (self.term_of(self.len().checked_sub(1)).unwrap_or(0), self.len())
    }

    pub(super) fn get(&self, index: u64) -> Option<&Rc<Entry>> {
        self.entries.get(index.checked_sub(self.first)? as usize)
    }

    pub(super) fn append(&mut self, entry: Rc<Entry>) {
        self.entries.push(entry);
    }

    pub(super) fn sync(&mut self) {
        self.synced = self.len();
    }

    pub(super) fn truncate(&mut self, len: u64) {
        self.entries.truncate(len.saturating_sub(self.first) as usize);
        self.synced = self.synced.min(self.len());
    }

    /// What was written and not synced is lost, all of it or the end; the last write may be torn, and is cut when it is read.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        let kept = rng.between(self.synced, self.len());
        self.truncate(kept);
        // A leader may have taken a snapshot of what others had synced and it had not.
        if let Some(snapshot) =
            self.snapshot.take_if(|snapshot| snapshot.entries > self.first + self.entries.len() as u64)
        {
            self.install(snapshot);
        }
        self.sync();
        self.vote = self.synced_vote;
    }

    /// Takes a snapshot of what is applied, and forgets entries but for a few.
    pub(super) fn compact(&mut self, state: &State, applied: u64, keep: u64) {
        let Some(term) = self.term_of(applied.checked_sub(1)).filter(|_| applied > 0) else { return };
        let bytes = Rc::new(postcard::to_allocvec(state).expect("a state encodes"));
        self.snapshot = Some(Snapshot { entries: applied, term, bytes });
        let first = applied.saturating_sub(keep).max(self.first);
        if first > self.first {
            self.before = self.term_of(Some(first - 1)).expect("the entry is here");
            self.entries.drain(..(first - self.first) as usize);
            self.first = first;
        }
    }

    /// Takes over the snapshot of another, and nothing behind it.
    pub(super) fn install(&mut self, snapshot: Snapshot) {
        (self.first, self.before, self.synced) = (snapshot.entries, snapshot.term, snapshot.entries);
        self.entries.clear();
        self.snapshot = Some(snapshot);
    }
}
