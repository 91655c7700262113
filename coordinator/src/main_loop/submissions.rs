//! Requests on their way to becoming jobs: their output directory is prepared first, so that a job that exists can write.
//!
//! A request that comes again while its first copy is on the way waits with it. One that is refused for good is on its way until that is recorded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{JobId, JobRequest, JobSpec, Refusal, RequestId, RequestKey};
use gristmill_scheduler::{Asked, Input, Planner, Refused, State};
use tokio::time::timeout;

use super::intake::Due;
use super::told::Told;
use super::{Finish, MainLoop};
use crate::event::{Event, Question, Reply};
use crate::replica::Replica;
use crate::request;

/// So long the loop waits for the file system of an output, on which it has just been prepared: all other jobs wait with it.
const PLACE_MAX: Duration = Duration::from_secs(1);

/// Requests on their way.
pub(super) type Submissions = BTreeMap<RequestKey, Submission>;

/// One request.
pub(super) struct Submission {
    spec: Arc<JobSpec>,
    planner: Planner,
    /// Why it does not become a job, if nothing was prepared for it.
    refusal: Option<Refusal>,
    replies: Vec<Reply<Option<JobId>>>,
}

impl Submission {
    fn answer(self, answer: &Result<Option<JobId>, Refusal>, told: &mut Told) {
        for reply in self.replies {
            told.say(reply, answer.clone());
        }
    }

    /// Why it has become no job, if nothing is recorded of it. What would be final must be recorded before anybody hears it.
    fn why_not(&self) -> Refusal {
        let passing = self.refusal.clone().filter(|refusal| Refused::of(refusal).is_none());
        passing.unwrap_or_else(|| Refusal::Unavailable("the job was not taken".to_owned()))
    }
}

impl<R: Replica> MainLoop<R> {
    pub(super) fn submit(
        &mut self,
        state: &State,
        key: RequestKey,
        request: Option<Box<JobRequest>>,
        reply: Reply<Option<JobId>>,
        inputs: &mut Vec<Input>,
        due: &mut Vec<Due>,
    ) {
        if let Some(submission) = self.submissions.get_mut(&key) {
            submission.replies.push(reply);
            return;
        }
        let known = state.submitted(key);
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
        let admitted = state.admit(&spec, planner);
        let submission = Submission { spec: spec.clone(), planner, refusal: None, replies: vec![reply] };
        self.submissions.insert(key, submission);
        match admitted {
            Ok(_) => {
                let (outputs, cluster) = (self.tools.outputs.clone(), self.cluster);
                self.elsewhere(move || Event::Prepared(key, outputs.prepare(cluster, &spec)));
            }
            Err(refusal) => self.refuse(key, refusal, inputs, due),
        }
    }

    fn refuse(&mut self, key: RequestKey, refusal: Refusal, inputs: &mut Vec<Input>, due: &mut Vec<Due>) {
        let Some(submission) = self.submissions.get_mut(&key) else { return };
        submission.refusal = Some(refusal.clone());
        inputs.push(Input::Refuse(Asked { key, done_below: RequestId(0) }, refusal));
        due.push(Due::Submitted(key));
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
            Err(refusal) => self.refuse(key, refusal, inputs, due),
        }
    }

    /// The job exists: its staging directory gets the name under which attempts look for it. They are handed out in a later turn.
    pub(super) async fn place_output(&mut self, job: JobId) {
        let spec = self.replica.read().spec(job).cloned();
        let Some(spec) = spec else { return };
        let (outputs, cluster) = (self.tools.outputs.clone(), self.cluster);
        let placed = tokio::task::spawn_blocking(move || outputs.assign(cluster, job, &spec));
        // Its attempts will fail for want of the directory, and say so.
        match timeout(PLACE_MAX, placed).await {
            Ok(Ok(Err(error))) => {
                tracing::error!(%job, %error, "cannot name the staging directory of a job");
            }
            Ok(_) => {}
            Err(_) => tracing::error!(%job, "the file system of its output does not answer"),
        }
    }

    /// Tells whoever waits for this request what has become of it, now that it has been decided.
    pub(super) fn answer_submission(&mut self, state: &State, key: RequestKey, told: &mut Told) {
        let Some(submission) = self.submissions.remove(&key) else { return };
        let known = state.submitted(key);
        if !matches!(known, Ok(Some(_))) && submission.refusal.is_none() {
            let (outputs, cluster) = (self.tools.outputs.clone(), self.cluster);
            let spec = submission.spec.clone();
            tokio::task::spawn_blocking(move || outputs.withdraw(cluster, &spec));
        }
        let answer = known.and_then(|job| job.map_or_else(|| Err(submission.why_not()), |job| Ok(Some(job))));
        submission.answer(&answer, told);
    }
}
