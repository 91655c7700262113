//! Requests on their way to becoming jobs: their output directory is prepared first, so that a job that exists can write.
//!
//! A request that comes again while its first copy is on the way waits with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gristmill_model::{JobId, JobRequest, JobSpec, Refusal, RequestKey};
use gristmill_scheduler::{Input, Planner};

use super::intake::Due;
use super::{Finish, MainLoop};
use crate::event::{Event, Reply};
use crate::fact_log::FactLog;
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
    fn answer(self, answer: &Result<Option<JobId>, Refusal>) {
        for reply in self.replies {
            let _ = reply.send(answer.clone());
        }
    }
}

impl<L: FactLog> MainLoop<L> {
    pub(super) fn submit(
        &mut self,
        key: RequestKey,
        request: Option<Box<JobRequest>>,
        reply: Reply<Option<JobId>>,
    ) {
        if let Some(job) = self.state.job_of(key) {
            let _ = reply.send(Ok(Some(job)));
            return;
        }
        if let Some(submission) = self.submissions.get_mut(&key) {
            submission.replies.push(reply);
            return;
        }
        let Some(request) = request else {
            let _ = reply.send(Ok(None));
            return;
        };
        if !matches!(self.finish, Finish::NotAsked) {
            let _ = reply.send(Err(Refusal::Unavailable("it takes no more jobs".to_owned())));
            return;
        }
        let (spec, planner) = request::settle(*request, self.state.slots());
        let spec = Arc::new(spec);
        match self.state.admit(&spec, planner) {
            Ok(None) => self.prepare(key, spec, planner, reply),
            answer => drop(reply.send(answer)),
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
        let outputs = self.tools.outputs.clone();
        self.elsewhere(move || Event::Prepared(key, outputs.prepare(&spec)));
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
                let submission = self.submissions.remove(&key);
                submission.into_iter().for_each(|submission| submission.answer(&Err(refusal.clone())));
            }
        }
    }

    /// The job exists: its staging directory gets the name under which attempts look for it. They are handed out in a later turn.
    pub(super) async fn place_output(&mut self, job: JobId, spec: &Arc<JobSpec>) {
        let (outputs, spec) = (self.tools.outputs.clone(), spec.clone());
        let placed = tokio::task::spawn_blocking(move || outputs.assign(job, &spec)).await;
        if let Ok(Err(error)) = placed {
            // Its attempts will fail for want of the directory, and say so.
            tracing::error!(%job, %error, "cannot name the staging directory of a job");
        }
    }

    /// Tells whoever waits for this request what has become of it, now that it has been decided.
    pub(super) fn answer_submission(&mut self, key: RequestKey) {
        let Some(submission) = self.submissions.remove(&key) else { return };
        if let Some(job) = self.state.job_of(key) {
            submission.answer(&Ok(Some(job)));
            return;
        }
        let refusal = match self.state.admit(&submission.spec, submission.planner) {
            Err(refusal) => refusal,
            Ok(_) => Refusal::Unavailable("the job was not taken".to_owned()),
        };
        let (outputs, spec) = (self.tools.outputs.clone(), submission.spec.clone());
        tokio::task::spawn_blocking(move || outputs.withdraw(&spec));
        submission.answer(&Err(refusal));
    }
}
