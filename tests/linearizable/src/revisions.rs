//! Numbers that one counter gives out: revisions of a store, ids of jobs.
//!
//! Who was given a number before somebody else asked for one has the lower one, across all keys; and no number is given twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::{Answer, Call, Operation};

/// Two answers whose numbers contradict the order in which they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disorder {
    /// The number of the later operation.
    pub number: u64,
    /// When it was called.
    pub called: u64,
    /// A number at least as high, which had been told before that.
    pub told: u64,
}

/// A number that somebody was told.
struct Told {
    called: u64,
    answered: u64,
    number: u64,
    /// Whether this operation drew it; otherwise it only saw it, or one of the same age.
    drawn: bool,
}

/// Checks the revisions of all keys of a store together.
pub fn revisions(history: &[Operation<Call, Answer>]) -> Result<(), Disorder> {
    let told = history.iter().filter_map(|operation| {
        let answered = operation.answered_at()?;
        let (number, drawn) = match &operation.answered.as_ref()?.1 {
            Answer::Written { revision, .. } => (*revision, true),
            Answer::Deleted { existed, revision } => ((*revision)?, *existed),
            Answer::Entry { revision, .. } => (*revision, false),
            Answer::Absent | Answer::Mismatch { .. } => return None,
        };
        Some(Told { called: operation.called, answered, number, drawn })
    });
    in_order(told.collect())
}

/// Checks the ids of jobs: each request draws one, and those who repeat the request see it.
pub(crate) fn job_ids<C>(history: &[Operation<C, u64>]) -> Result<(), Disorder> {
    let mut requests = BTreeMap::<&[u8], (u64, Option<(u64, u64)>)>::new();
    for operation in history {
        let (called, first) = requests.entry(&operation.key).or_insert((operation.called, None));
        *called = (*called).min(operation.called);
        if let Some((answered, job)) = operation.answered {
            *first = Some(first.map_or((answered, job), |first| first.min((answered, job))));
        }
    }
    let told = requests.into_values().filter_map(|(called, first)| {
        let (answered, number) = first?;
        Some(Told { called, answered, number, drawn: true })
    });
    in_order(told.collect())
}

fn in_order(mut told: Vec<Told>) -> Result<(), Disorder> {
    let mut drawn = BTreeSet::new();
    let twice = told.iter().find(|told| told.drawn && !drawn.insert(told.number));
    if let Some(Told { number, called, .. }) = twice {
        return Err(Disorder { number: *number, called: *called, told: *number });
    }
    let mut answers: Vec<(u64, u64)> = told.iter().map(|told| (told.answered, told.number)).collect();
    answers.sort_unstable();
    told.sort_by_key(|told| told.called);
    let (mut answers, mut highest) = (answers.into_iter().peekable(), 0);
    for Told { called, number, .. } in told.into_iter().filter(|told| told.drawn) {
        while let Some((_, number)) = answers.next_if(|(answered, _)| *answered < called) {
            highest = highest.max(number);
        }
        if number <= highest {
            return Err(Disorder { number, called, told: highest });
        }
    }
    Ok(())
}

impl fmt::Display for Disorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, called, told } = self;
        if number == told {
            return write!(f, "number {number}, drawn by the operation called at {called}, is drawn twice");
        }
        write!(f, "the operation called at {called} drew {number}, although {told} was told before that")
    }
}
