//! Requests on their way to becoming jobs: their output directory is prepared first, so that a job that exists can write.
//!
//! A request that comes again while its first copy is on the way waits with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gristmill_model::{JobId, JobRequest, JobSpec, Refusal, RequestKey};
use gristmill_scheduler::{Input, Planner, Recorded, State};

use super::intake::Due;
use super::told::Told;
use super::{Finish, MainLoop};
use crate::event::{Event, Question, Reply};
use crate::replica::Replica;
use crate::request;

/// Requests on their way.
pub(super) type Submissions = BTreeMap<RequestKey, Submission>;

/// One request.
pub(super) struct Submission {
    spec: Arc<JobSpec>,
    planner: Planner,
    replies: Vec<Reply<Option<JobId>>>,
}

impl Submission {
    fn answer(self, answer: &Result<Option<JobId>, Refusal>, told: &mut Told) {
        for reply in self.replies {
            told.say(reply, answer.clone());
        }
    }
}

impl<R: Replica> MainLoop<R> {
    pub(super) fn submit(
        &mut self,
        state: &State,
        key: RequestKey,
        request: Option<Box<JobRequest>>,
        reply: Reply<Option<JobId>>,
        due: &mut Vec<Due>,
    ) {
        if let Some(submission) = self.submissions.get_mut(&key) {
            submission.replies.push(reply);
            return;
        }
        let known = known_job(state, key);
        let (Ok(None), Some(request)) = (&known, request) else {
            due.push(Due::Answer(Question::Submitted(known, reply)));
            return;
        };
        if !matches!(self.finish, Finish::NotAsked) {
            let refusal = Refusal::Unavailable("it takes no more jobs".to_owned());
            due.push(Due::Answer(Question::Submitted(Err(refusal), reply)));
            return;
        }
        let (spec, planner) = request::settle(*request, state.slots());
        let spec = Arc::new(spec);
        match state.admit(&spec, planner) {
            Ok(None) => self.prepare(key, spec, planner, reply),
            answer => due.push(Due::Answer(Question::Submitted(answer, reply))),
        }
    }

    fn prepare(
        &mut self,
        key: RequestKey,
        spec: Arc<JobSpec>,
        planner: Planner,
        reply: Reply<Option<JobId>>,
    ) {
        self.submissions.insert(key, Submission { spec: spec.clone(), planner, replies: vec![reply] });
        let (outputs, cluster) = (self.tools.outputs.clone(), self.cluster);
        self.elsewhere(move || Event::Prepared(key, outputs.prepare(cluster, &spec)));
    }

    pub(super) fn prepared(
        &mut self,
        key: RequestKey,
        prepared: Result<(), Refusal>,
        inputs: &mut Vec<Input>,
        due: &mut Vec<Due>,
    ) {
        match prepared {
            Ok(()) => {
                let Some(submission) = self.submissions.get(&key) else { return };
                inputs.push(Input::Submit(submission.spec.clone(), submission.planner));
                due.push(Due::Submitted(key));
            }
            Err(refusal) => {
                let waiting = self.submissions.remove(&key).into_iter().flat_map(|known| known.replies);
                due.extend(
                    waiting.map(|reply| Due::Answer(Question::Submitted(Err(refusal.clone()), reply))),
                );
            }
        }
    }

    /// The job exists: its staging directory gets the name under which attempts look for it. They are handed out in a later turn.
    pub(super) async fn place_output(&mut self, job: JobId) {
        let spec = self.replica.read().spec(job).cloned();
        let Some(spec) = spec else { return };
        let (outputs, cluster) = (self.tools.outputs.clone(), self.cluster);
        let placed = tokio::task::spawn_blocking(move || outputs.assign(cluster, job, &spec)).await;
        if let Ok(Err(error)) = placed {
            // Its attempts will fail for want of the directory, and say so.
            tracing::error!(%job, %error, "cannot name the staging directory of a job");
        }
    }

    /// Tells whoever waits for this request what has become of it, now that it has been decided.
    pub(super) fn answer_submission(&mut self, state: &State, key: RequestKey, told: &mut Told) {
        let Some(submission) = self.submissions.remove(&key) else { return };
        let known = known_job(state, key);
        if let Ok(Some(_)) = known {
            submission.answer(&known, told);
            return;
        }
        let refusal = match state.admit(&submission.spec, submission.planner) {
            Err(refusal) => refusal,
            Ok(_) => Refusal::Unavailable("the job was not taken".to_owned()),
        };
        let (outputs, cluster) = (self.tools.outputs.clone(), self.cluster);
        let spec = submission.spec.clone();
        tokio::task::spawn_blocking(move || outputs.withdraw(cluster, &spec));
        submission.answer(&Err(refusal), told);
    }
}

/// The job that this request has become, if it has.
fn known_job(state: &State, key: RequestKey) -> Result<Option<JobId>, Refusal> {
    if let Some(job) = state.job_of(key) {
        return Ok(Some(job));
    }
    match state.recorded(key)? {
        Some(Recorded::Job(job)) => Ok(Some(job)),
        Some(Recorded::Kv(_)) => Err(Refusal::Invalid("this request was a write to the store".to_owned())),
        None => Ok(None),
    }
}
