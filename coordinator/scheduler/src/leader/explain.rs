//! Says what a job or a task waits for, and until when: each waiting thing has an owner and a deadline.

use std::time::Duration;

use gristmill_model::{
    AttemptId, Explanation, JobId, JobPhase, NotFound, Stage, TaskId, Timestamp, WorkerId,
};

use super::Leader;
use super::drain::needing;
use super::memory::Watch;
use super::status::attempts_of;
use crate::state::{Job, JobHead, State, Store};

/// Tasks explained one by one when the whole job is asked about.
const TASKS_MAX: usize = 64;

impl Leader {
    /// What a job, or one task of it, waits for.
    pub fn explain(
        &self,
        state: &State,
        now: Timestamp,
        job: JobId,
        task: Option<TaskId>,
    ) -> Result<Vec<Explanation>, NotFound> {
        let known = state.job(job).ok_or(NotFound::Job(job))?;
        match task {
            Some(task) if task.job == job => Ok(vec![self.explain_task(state, known, task, now)?]),
            Some(task) => Err(NotFound::Task(task)),
            None => self.explain_job(state, known, job, now),
        }
    }

    fn explain_job(
        &self,
        state: &State,
        known: &Job,
        job: JobId,
        now: Timestamp,
    ) -> Result<Vec<Explanation>, NotFound> {
        let head = &known.head;
        let stage = head.open_stage();
        let text = match stage {
            Some(stage) => self.text_of_stage(state, known, job, stage, now),
            None => text_of_end(head),
        };
        let deadline = stage.and_then(|_| self.next_look());
        let mut all = vec![Explanation { task: None, text, deadline }];
        // In the order of the stages. Reduces may still run while a map runs again.
        let running = Stage::ALL.into_iter().flat_map(|stage| self.watches.range(attempts_of(job, stage)));
        let mut tasks: Vec<TaskId> = running.map(|(attempt, _)| attempt.task).collect();
        tasks.dedup();
        for task in tasks.into_iter().take(TASKS_MAX) {
            all.push(self.explain_task(state, known, task, now)?);
        }
        Ok(all)
    }

    fn text_of_stage(&self, state: &State, known: &Job, job: JobId, stage: Stage, now: Timestamp) -> String {
        let head = &known.head;
        let waiting = known.ready(stage).len();
        let total = known.tasks(stage).len();
        let running = self.watches.range(attempts_of(job, stage)).count();
        let won = match stage {
            Stage::Sample => head.samples_done,
            Stage::Map => head.maps_done,
            Stage::Reduce => head.reduces_done,
        };
        let mut text = format!("{won} of {total} {stage} tasks are done, {running} attempts run");
        if head.spec.priority != 0 {
            text.push_str(&format!("; its priority is {}", head.spec.priority));
        }
        let needed = |id: &&WorkerId| {
            state.worker(**id).is_some_and(|worker| needing(state, worker).any(|needing| needing == job))
        };
        for worker in self.draining.iter().filter(needed) {
            text.push_str(&format!(
                "; {worker} drains and stays until the job is over, for its runs are needed"
            ));
        }
        if waiting > 0 {
            text.push_str(&format!("; {waiting} tasks wait for {}", self.text_of_slots(state, job, now)));
        }
        text
    }

    fn text_of_slots(&self, state: &State, job: JobId, now: Timestamp) -> String {
        let before = self.shares.before(job);
        let workers = self.contacts.len() - self.draining.len();
        match (self.contacts.len(), state.slots()) {
            (0, _) => "a worker: none is registered".into(),
            (draining, _) if workers == 0 => format!("a worker: the {draining} that are registered drain"),
            (_, 0) => "a slot: no worker has any".into(),
            (_, slots) if before > 0 => {
                let head = state.head(job);
                let (priority, running) = head.map_or((0, 0), |head| (head.spec.priority, head.running));
                format!(
                    "a free slot of {slots} on {workers} workers, after {before} jobs of a higher priority than {priority} or of the same with fewer attempts than {running} running"
                )
            }
            (_, slots) => {
                let silent =
                    self.contacts.values().map(|contact| now.ms.saturating_sub(contact.heard.ms)).max();
                let silent = silent.unwrap_or(0);
                format!(
                    "a free slot of {slots} on {workers} workers (the most silent was heard of {silent} ms ago)"
                )
            }
        }
    }

    fn explain_task(
        &self,
        state: &State,
        known: &Job,
        task: TaskId,
        now: Timestamp,
    ) -> Result<Explanation, NotFound> {
        let head = &known.head;
        let explain = |text: String, deadline| Explanation { task: Some(task), text, deadline };
        let total = match task.stage {
            Stage::Sample => head.samples,
            Stage::Map => head.maps,
            Stage::Reduce => head.spec.reduces,
        };
        if task.index >= total {
            return Err(NotFound::Task(task));
        }
        let Some(state_of_task) = known.task(task) else {
            return Ok(explain(format!("nothing: {}", text_of_end(head)), None));
        };
        if let Some(winner) = state_of_task.winner() {
            let attempt = task.attempt(winner.number);
            return Ok(explain(format!("nothing: {attempt} on {} has won", winner.worker), None));
        }
        let watched = state_of_task.live.iter().map(|live| task.attempt(live.number));
        let watched: Vec<_> =
            watched.filter_map(|attempt| Some((attempt, self.watches.get(&attempt)?))).collect();
        if !watched.is_empty() {
            let deadline = watched.iter().map(|(_, watch)| deadline_of(watch)).min();
            let texts: Vec<_> = watched
                .iter()
                .map(|(attempt, watch)| text_of_watch(*attempt, watch, self.waiting.has(*attempt), now))
                .collect();
            return Ok(explain(texts.join("; "), deadline));
        }
        let failures = match (state_of_task.failures(), state_of_task.setbacks()) {
            (0, 0) => String::new(),
            (failures, setbacks) => format!(" (failed {failures} times, given up {setbacks} times)"),
        };
        let text = match head.open_stage() {
            Some(open) if open == task.stage => {
                format!("{task} waits for {}{failures}", self.text_of_slots(state, task.job, now))
            }
            Some(Stage::Sample) => {
                format!("{task} waits for {} samples that are not taken", head.samples - head.samples_done)
            }
            Some(_) => format!("{task} waits for {} maps that are not done", head.maps - head.maps_done),
            None => format!("nothing: {}", text_of_end(head)),
        };
        Ok(explain(text, self.next_look()))
    }
}

fn deadline_of(watch: &Watch) -> Timestamp {
    watch.progressed + Duration::from_millis(watch.timeout_ms)
}

fn text_of_watch(attempt: AttemptId, watch: &Watch, waits: bool, now: Timestamp) -> String {
    let running_ms = now.ms.saturating_sub(watch.assigned.ms);
    let silent_ms = now.ms.saturating_sub(watch.progressed.ms);
    if waits {
        return format!("{attempt} waits on {} for a slot, for {running_ms} ms", watch.worker);
    }
    let arrived = if watch.seen { "" } else { ", which has not confirmed it" };
    format!(
        "{attempt} runs on {}{arrived} for {running_ms} ms; its last progress was {silent_ms} ms ago, and it is taken away at {} ms",
        watch.worker, watch.timeout_ms
    )
}

fn text_of_end(head: &JobHead) -> String {
    match head.phase() {
        JobPhase::Committing if head.commit_failures > 0 => {
            format!(
                "all tasks are done; the coordinator commits the output again after {} failures",
                head.commit_failures
            )
        }
        JobPhase::Committing => "all tasks are done; the coordinator commits the output".into(),
        JobPhase::Done => "the job is done".into(),
        JobPhase::Failed(message) => format!("the job has failed: {message}"),
        JobPhase::Cancelled => "the job was cancelled".into(),
        JobPhase::Sampling | JobPhase::Mapping | JobPhase::Reducing => "the job runs".into(),
    }
}
