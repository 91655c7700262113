//! What clients asked and were told, as they saw it: whether all of it could have happened one at a time.

use gristmill_linearizable::{
    Answer, Call, Kv, Operation, Submission, Submissions, Verdict, check, revisions,
};
use gristmill_model::{Blob, KvAnswer, KvEntry, KvOp, RequestKey};
use gristmill_scheduler::Recorded;

/// Configurations that a check may try for one key: far more than any of these histories needs.
const BUDGET: u64 = 1_000_000;

#[derive(Default)]
pub(super) struct Histories {
    kv: Vec<Operation<Call, Answer>>,
    submissions: Vec<Operation<Submission, u64>>,
    /// Grows with every call and every answer.
    time: u64,
}

impl Histories {
    pub(super) fn tick(&mut self) -> u64 {
        self.time += 1;
        self.time
    }

    /// What a key was found to hold.
    pub(super) fn read(&mut self, client: usize, called: u64, key: &Blob, found: Option<KvEntry>) {
        let answer = found.map_or(Answer::Absent, |entry| {
            let KvEntry { key: _, value, version, revision } = entry;
            Answer::Entry { value: value.0.into(), version, revision }
        });
        let answered = Some((self.tick(), answer));
        self.kv.push(Operation {
            key: key.0.clone(),
            client: client as u64,
            call: Call::Get,
            called,
            answered,
        });
    }

    /// What was answered to a write; nothing if nobody will ever know.
    pub(super) fn wrote(&mut self, client: usize, called: u64, op: &KvOp, answer: Option<KvAnswer>) {
        let (key, call) = match op {
            KvOp::Put { key, value } => (key, Call::Put(value.0.clone().into())),
            KvOp::Append { key, value } => (key, Call::Append(value.0.clone().into())),
            KvOp::Cas { key, version, value } => (key, Call::Cas(*version, value.0.clone().into())),
            KvOp::Delete { key, version } => (key, Call::Delete(*version)),
        };
        let answer = answer.map(|answer| match answer {
            KvAnswer::Written { version, revision } => Answer::Written { version, revision },
            KvAnswer::Deleted { revision, existed } => Answer::Deleted { existed, revision: Some(revision) },
            KvAnswer::Mismatch { version } => Answer::Mismatch { version },
        });
        let answered = answer.map(|answer| (self.tick(), answer));
        self.kv.push(Operation { key: key.0.clone(), client: client as u64, call, called, answered });
    }

    /// Which job a submission became.
    pub(super) fn submitted(&mut self, client: usize, called: u64, key: RequestKey, answer: Recorded) {
        let Recorded::Job(job) = answer else { return };
        let key = format!("{} {}", key.client.0, key.request.0).into_bytes();
        let answered = Some((self.tick(), job.0));
        let operation = Operation { key, client: client as u64, call: Submission, called, answered };
        self.submissions.push(operation);
    }

    pub(super) fn check(&self) {
        let verdict = check::<Kv>(&self.kv, BUDGET);
        assert_eq!(verdict, Verdict::Linearizable, "the store: {verdict}");
        assert_eq!(revisions(&self.kv), Ok(()), "the revisions of the store");
        let verdict = check::<Submissions>(&self.submissions, BUDGET);
        assert_eq!(verdict, Verdict::Linearizable, "submissions: {verdict}");
        assert_eq!(Submissions::jobs(&self.submissions), Ok(()), "the ids of jobs");
    }
}
