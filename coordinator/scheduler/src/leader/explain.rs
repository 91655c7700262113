//! Says what a job or a task waits for, and until when.
//!
//! A deadline is given only where the wait ends at that time whatever comes in or does not: an attempt without progress is taken away, a silent
//! worker is lost, one that was avoided is forgiven. Otherwise the text says what must happen.

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
        let Wait { text, deadline } = match stage {
            Some(stage) => self.wait_of_stage(state, known, job, stage, now),
            None => Wait::without_deadline(text_of_end(head)),
        };
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

    fn wait_of_stage(&self, state: &State, known: &Job, job: JobId, stage: Stage, now: Timestamp) -> Wait {
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
        if waiting == 0 {
            return Wait::without_deadline(text);
        }
        let slot = self.wait_for_slot(state, job, now);
        Wait { text: format!("{text}; {waiting} tasks wait for {}", slot.text), deadline: slot.deadline }
    }

    fn wait_for_slot(&self, state: &State, job: JobId, now: Timestamp) -> Wait {
        let workers = self.contacts.len() - self.draining.len();
        match (self.contacts.len(), state.slots()) {
            (0, _) => Wait::without_deadline("a worker: none is registered, until one joins".into()),
            (draining, _) if workers == 0 => Wait::without_deadline(format!(
                "a worker: the {draining} that are registered drain, until another joins"
            )),
            (_, 0) => Wait::without_deadline("a slot: no worker has any, until one with slots joins".into()),
            (_, slots) => {
                let turn = self.text_of_turn(state, job);
                let hindered = self.hindered(state, now);
                Wait {
                    text: format!("a free slot of {slots} on {workers} workers{turn}{}", hindered.text),
                    deadline: hindered.deadline,
                }
            }
        }
    }

    /// Which jobs are served before this one.
    fn text_of_turn(&self, state: &State, job: JobId) -> String {
        let before = self.shares.before(job);
        if before == 0 {
            return String::new();
        }
        let head = state.head(job);
        let (priority, running) = head.map_or((0, 0), |head| (head.spec.priority, head.running));
        format!(
            ", after {before} jobs of a higher priority than {priority} or of the same with fewer attempts than {running} running"
        )
    }

    /// Why the workers that are there take nothing, or nothing more.
    fn hindered(&self, state: &State, now: Timestamp) -> Wait {
        let has_room = |id: &WorkerId| {
            state.worker(*id).is_some_and(|worker| (worker.slots as usize) > worker.running.len())
        };
        let open = self.contacts.iter().filter(|(id, _)| !self.draining.contains(*id));
        let (free, full): (Vec<_>, Vec<_>) = open.partition(|(id, _)| has_room(id));
        let mut text = String::new();
        if !full.is_empty() {
            text.push_str(", until an attempt ends or a worker joins");
        }
        let forgiven = self.avoided(now);
        let (avoided, trusted): (Vec<_>, Vec<_>) =
            free.into_iter().partition(|(id, _)| forgiven.contains_key(*id));
        let avoided = avoided.iter().filter_map(|(id, _)| Some((*forgiven.get(*id)?, **id)));
        let avoided_first = avoided.clone().min();
        if let Some((_, first)) = avoided_first {
            let names = named(first, avoided.count());
            text.push_str(&format!("; {names} gets nothing for a while, since attempts keep failing there"));
        }
        let silent = trusted.iter().filter(|(id, _)| !self.idle.contains(*id));
        let silent = silent.map(|(id, contact)| (contact.heard + self.lease(), **id));
        let silent_first = silent.clone().min();
        if let Some((end, first)) = silent_first {
            let (names, heard_ms) = (named(first, silent.count()), self.silent_ms(end, now));
            text.push_str(&format!(
                "; {names} has a free slot and does not ask for work; {first} was heard of {heard_ms} ms ago, and is lost at {} ms",
                self.settings.lease_ms
            ));
        }
        if text.is_empty() {
            text.push_str(", until it is handed out, which is next");
        }
        let deadline = avoided_first.into_iter().chain(silent_first).map(|(at, _)| at).min();
        Wait { text, deadline }
    }

    /// How long nothing was heard of a worker whose lease ends then.
    fn silent_ms(&self, lease_end: Timestamp, now: Timestamp) -> u64 {
        (now.ms + self.settings.lease_ms).saturating_sub(lease_end.ms)
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
            return Ok(explain(format!("waits for nothing: {}", text_of_end(head)), None));
        };
        if let Some(winner) = state_of_task.winner() {
            let attempt = task.attempt(winner.number);
            return Ok(explain(format!("waits for nothing: {attempt} on {} has won", winner.worker), None));
        }
        let watched = state_of_task.live.iter().map(|live| task.attempt(live.number));
        let watched: Vec<_> =
            watched.filter_map(|attempt| Some((attempt, self.watches.get(&attempt)?))).collect();
        if !watched.is_empty() {
            let waits = watched.iter().map(|(attempt, watch)| self.wait_of_attempt(*attempt, watch, now));
            let waits: Vec<Wait> = waits.collect();
            let deadline = waits.iter().filter_map(|wait| wait.deadline).min();
            let texts: Vec<String> = waits.into_iter().map(|wait| wait.text).collect();
            return Ok(explain(texts.join("; "), deadline));
        }
        let failures = match (state_of_task.failures(), state_of_task.setbacks()) {
            (0, 0) => String::new(),
            (failures, setbacks) => format!(" (failed {failures} times, given up {setbacks} times)"),
        };
        Ok(match head.open_stage() {
            Some(open) if open == task.stage => {
                let slot = self.wait_for_slot(state, task.job, now);
                explain(format!("waits for {}{failures}", slot.text), slot.deadline)
            }
            Some(Stage::Sample) => explain(
                format!("waits until {} more samples are taken", head.samples - head.samples_done),
                None,
            ),
            Some(_) => {
                explain(format!("waits until {} more maps are done", head.maps - head.maps_done), None)
            }
            None => explain(format!("waits for nothing: {}", text_of_end(head)), None),
        })
    }

    fn wait_of_attempt(&self, attempt: AttemptId, watch: &Watch, now: Timestamp) -> Wait {
        let worker = watch.worker;
        let taken_away = watch.progressed + Duration::from_millis(watch.timeout_ms);
        let lost = self.contacts.get(&worker).map(|contact| contact.heard + self.lease());
        let running_ms = now.ms.saturating_sub(watch.assigned.ms);
        let mut text = if self.waiting.has(attempt) {
            format!(
                "{attempt} waits on {worker} for a slot, for {running_ms} ms, until an attempt there ends"
            )
        } else {
            let arrived = if watch.seen { "" } else { ", which has not confirmed it" };
            let silent_ms = now.ms.saturating_sub(watch.progressed.ms);
            format!(
                "{attempt} runs on {worker}{arrived} for {running_ms} ms; its last progress was {silent_ms} ms ago, and it is taken away at {} ms",
                watch.timeout_ms
            )
        };
        if let Some(lost) = lost {
            text.push_str(&format!(
                "; {worker} was heard of {} ms ago, and is lost at {} ms",
                self.silent_ms(lost, now),
                self.settings.lease_ms
            ));
        }
        Wait { text, deadline: lost.into_iter().chain([taken_away]).min() }
    }
}

/// What something waits for, and when that wait ends whatever comes in.
struct Wait {
    text: String,
    deadline: Option<Timestamp>,
}

impl Wait {
    fn without_deadline(text: String) -> Self {
        Self { text, deadline: None }
    }
}

fn named(first: WorkerId, count: usize) -> String {
    if count == 1 { first.to_string() } else { format!("{first}, like {} others,", count - 1) }
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
