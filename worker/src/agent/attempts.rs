//! The life of an attempt in this worker: accepted, prepared, run, ended or taken away, reported, settled.
//!
//! ```text
//! accept ─ queued ─ Preparing ─ Running ─┬─ ended by itself ───────── report ─ settle (verdict)
//!             │         │          │     └─ its slot died ─────────── report ─ settle
//!             │         │          └─ cancel ─ Dying ─ its slot died ─ report ─ settle
//!             └─────────┴─ cancel or cannot begin ─────────────────── report ─ settle
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gristmill_model::{Assignment, AttemptId, Blob, JobId, Outcome, PathBytes, Report, TaskFailure, Work};
use gristmill_protocol::Verdict;

use super::prepare::{Preparation, Prepared, Unprepared};
use super::slots::{AfterDeath, Busy, Doing, SlotIndex};
use super::{Agent, Event, failures};
use crate::config::WorkerError;
use crate::frames::{Begin, BeginWork};
use crate::process::{Death, LatestProgress, ProcessEvent, ProcessId};
use crate::work_dir::output_path;

/// A slot says how far it is at least this often, and at least five times in the time it has to make progress.
const PROGRESS_MAX: Duration = Duration::from_millis(500);

impl Agent {
    /// Takes an assignment. One that came twice is the same one.
    pub(super) fn accept(&mut self, assignment: Assignment) {
        let attempt = assignment.attempt;
        if !self.accepted.insert(attempt) {
            return;
        }
        if self.slots.free() == 0 && self.queue.room() == 0 {
            // More than was asked for; somebody else may have room.
            self.report(attempt, Outcome::Cancelled, Vec::new(), None);
            return;
        }
        tracing::debug!(%attempt, "accepted");
        self.jobs.insert(attempt.task.job);
        self.queue.push(assignment);
        self.begin_waiting();
        self.read_ahead(attempt);
    }

    /// What an attempt that waits is going to read first is fetched meanwhile.
    fn read_ahead(&mut self, attempt: AttemptId) {
        if let Some(Work::Map(work)) = self.queue.work(attempt)
            && let Some(split) = work.splits.first().cloned()
        {
            self.calls.spawn_blocking(move || gristmill_dataplane::read_ahead(&split));
        }
    }

    /// Gives free slots what waits for them.
    pub(super) fn begin_waiting(&mut self) {
        while let Some(slot) = self.queue.first().and_then(|first| self.slots.choose(first)) {
            let Some(assignment) = self.queue.pop() else { return };
            self.prepare(slot, assignment);
        }
    }

    fn prepare(&mut self, slot: SlotIndex, assignment: Assignment) {
        let attempt = assignment.attempt;
        self.slots.bind(slot, &assignment);
        if let Some(prepared) = self.at_hand(&assignment) {
            return self.begin_at_once(slot, assignment, &prepared);
        }
        let (Some(registration), Some(process)) = (&self.registration, self.slots.process(slot)) else {
            // There is no process to give it to, nor will there be soon.
            self.report(attempt, Outcome::Cancelled, Vec::new(), None);
            return;
        };
        let steps = Arc::new(AtomicU64::new(0));
        let preparation = Preparation {
            link: self.link.clone(),
            dir: self.dir.clone(),
            plugins: self.plugins.clone(),
            worker: registration.worker,
            incarnation: self.incarnation,
            slot: process.sender(),
            steps: steps.clone(),
        };
        let (process, events, given) = (process.id(), self.events.clone(), assignment.clone());
        let task = self.calls.spawn(async move {
            let result = preparation.run(&given).await;
            let _ = events.send(Event::Prepared { process, attempt, result });
        });
        let product = self.product(&assignment);
        *self.slots.busy(slot) = Some(Busy { assignment, product, steps, doing: Doing::Preparing(task) });
    }

    /// What a map attempt needs, when an earlier one of its job has needed it too.
    fn at_hand(&self, assignment: &Assignment) -> Option<Prepared> {
        let is_map = matches!(assignment.work, Work::Map(_));
        let has_dir = assignment.reduces == 0 || self.job_dirs.contains(&assignment.attempt.task.job);
        let plugin = self.plugins.known(&assignment.plugin).filter(|_| is_map && has_dir)?;
        Some(Prepared { plugin })
    }

    fn begin_at_once(&mut self, slot: SlotIndex, assignment: Assignment, prepared: &Prepared) {
        let product = self.product(&assignment);
        match self.tell_slot(slot, &assignment, &product, prepared) {
            Ok(progress) => {
                let (steps, doing) = (Arc::new(AtomicU64::new(1)), Doing::Running(progress));
                *self.slots.busy(slot) = Some(Busy { assignment, product, steps, doing });
            }
            Err(failure) => self.report(assignment.attempt, Outcome::Failed(failure), Vec::new(), None),
        }
    }

    /// The one file that an attempt makes: a run, or output. A sample makes none, and is given the name of one.
    fn product(&self, assignment: &Assignment) -> PathBuf {
        let Assignment { cluster, attempt, .. } = *assignment;
        match assignment.work {
            Work::Map(_) | Work::Sample(_) if assignment.reduces > 0 => {
                self.dir.run_path(cluster, attempt, self.incarnation)
            }
            _ => output_path(&assignment.output.to_path(), cluster, attempt, self.incarnation),
        }
    }

    pub(super) fn on_prepared(
        &mut self,
        process: ProcessId,
        attempt: AttemptId,
        result: Result<Prepared, Unprepared>,
    ) {
        let Some(slot) = self.slots.of_process(process) else { return };
        let Some(busy) = self.slots.busy(slot).take() else { return };
        if busy.assignment.attempt != attempt || !matches!(busy.doing, Doing::Preparing(_)) {
            *self.slots.busy(slot) = Some(busy);
            return;
        }
        match result {
            Ok(prepared) => {
                if matches!(busy.assignment.work, Work::Map(_)) && busy.assignment.reduces > 0 {
                    self.job_dirs.insert(attempt.task.job);
                }
                self.begin(slot, busy, &prepared);
            }
            Err(Unprepared::Stale) => self.end_unbegun(slot, &busy, Outcome::Cancelled),
            Err(Unprepared::Failed(failure)) => self.end_unbegun(slot, &busy, Outcome::Failed(failure)),
        }
    }

    fn begin(&mut self, slot: SlotIndex, mut busy: Busy, prepared: &Prepared) {
        match self.tell_slot(slot, &busy.assignment, &busy.product, prepared) {
            Ok(progress) => {
                busy.steps.fetch_add(1, Ordering::Relaxed);
                busy.doing = Doing::Running(progress);
                *self.slots.busy(slot) = Some(busy);
            }
            Err(failure) => self.end_unbegun(slot, &busy, Outcome::Failed(failure)),
        }
    }

    /// Has the slot's process begin. Its figures appear in the result.
    fn tell_slot(
        &self,
        slot: SlotIndex,
        assignment: &Assignment,
        product: &Path,
        prepared: &Prepared,
    ) -> Result<Arc<LatestProgress>, TaskFailure> {
        let process = self.slots.process(slot);
        let process = process.ok_or_else(|| failures::machine("the slot has no process".to_owned()))?;
        let begun = process.begin(begin_frame(assignment, product, prepared));
        begun.map_err(|error| failures::machine(format!("the assignment does not fit: {error}")))
    }

    /// Ends an attempt that its slot has not begun.
    fn end_unbegun(&mut self, slot: SlotIndex, busy: &Busy, outcome: Outcome) {
        // The slot may hold segments for a reduce that will not come.
        if matches!(busy.assignment.work, Work::Reduce(_)) {
            self.slots.start(slot);
        }
        self.report(busy.assignment.attempt, outcome, Vec::new(), Some(busy.product.clone()));
        self.sweep();
    }

    pub(super) fn on_process(&mut self, process: ProcessId, event: ProcessEvent) -> Result<(), WorkerError> {
        let Some(slot) = self.slots.of_process(process) else { return Ok(()) };
        match event {
            ProcessEvent::Ready => self.slots.on_ready(slot),
            ProcessEvent::Ended { outcome, log } => self.on_ended(slot, outcome, log),
            ProcessEvent::Died(death) => return self.on_death(slot, death),
        }
        Ok(())
    }

    fn on_ended(&mut self, slot: SlotIndex, outcome: Outcome, log: Vec<u8>) {
        // One that was killed as it ended is reported when it is dead.
        let busy = self.slots.busy(slot).take_if(|busy| matches!(busy.doing, Doing::Running(_)));
        let Some(busy) = busy else { return };
        let outcome = check(outcome, &busy.product);
        self.report(busy.assignment.attempt, outcome, log, Some(busy.product.clone()));
        self.sweep();
    }

    fn on_death(&mut self, slot: SlotIndex, Death { cause, log }: Death) -> Result<(), WorkerError> {
        let was_ready = self.slots.is_ready(slot);
        let after = self.slots.on_death(slot);
        if let AfterDeath::Hopeless = after {
            let problem =
                format!("the slot {}\n{}", failures::describe(&cause), String::from_utf8_lossy(&log));
            let program = self.config.slot_command.program.clone();
            return Err(WorkerError::SlotStart { program, problem: problem.trim_end().to_owned() });
        }
        let Some(busy) = self.slots.busy(slot).take() else { return Ok(()) };
        let attempt = busy.assignment.attempt;
        let memory_bytes = busy.assignment.memory_bytes;
        let product = Some(busy.product.clone());
        match busy.doing {
            // It died with nothing to do, so the app has no part in it: begin again with the next process.
            Doing::Preparing(_) if was_ready => self.prepare(slot, busy.assignment.clone()),
            Doing::Dying { report: false } => self.discard(product),
            // It never became ready, and the next process may be long in coming: somebody else may have one.
            Doing::Preparing(_) | Doing::Dying { report: true } => {
                self.report(attempt, Outcome::Cancelled, log, product);
            }
            Doing::Running(_) => {
                let failure = failures::of_death(&cause, &log, memory_bytes);
                tracing::info!(%attempt, "{}", failure.message);
                self.report(attempt, Outcome::Failed(failure), log, product);
            }
        }
        self.sweep();
        Ok(())
    }

    /// Takes an attempt away. Its slot is killed, hung as it may be, and the end reported when it is dead.
    pub(super) fn cancel(&mut self, attempt: AttemptId) {
        if self.queue.remove(attempt) {
            self.report(attempt, Outcome::Cancelled, Vec::new(), None);
            return;
        }
        let Some(slot) = self.slots.of_attempt(attempt) else {
            // Nobody has it: say so, or the coordinator would ask for ever.
            if !self.reports.holds(attempt) {
                self.report(attempt, Outcome::Cancelled, Vec::new(), None);
            }
            return;
        };
        self.take_away(slot, true);
    }

    fn take_away(&mut self, slot: SlotIndex, report: bool) {
        let Some(mut busy) = self.slots.busy(slot).take() else { return };
        match busy.doing {
            Doing::Preparing(_) if report => self.end_unbegun(slot, &busy, Outcome::Cancelled),
            Doing::Preparing(_) => {
                if matches!(busy.assignment.work, Work::Reduce(_)) {
                    self.slots.start(slot);
                }
            }
            Doing::Running(_) => {
                if let Some(process) = self.slots.process(slot) {
                    process.kill();
                }
                busy.doing = Doing::Dying { report };
                *self.slots.busy(slot) = Some(busy);
            }
            Doing::Dying { report: waited_for } => {
                busy.doing = Doing::Dying { report: report && waited_for };
                *self.slots.busy(slot) = Some(busy);
            }
        }
    }

    /// Lets go of every attempt without a report: they belong to others now. Files that the coordinator may know stay: it removes output
    /// with the job, and runs go with the job's directory.
    pub(super) fn let_go_of_everything(&mut self) {
        self.queue.clear();
        for attempt in self.slots.attempts() {
            if let Some(slot) = self.slots.of_attempt(attempt) {
                self.take_away(slot, false);
            }
        }
        for path in self.reports.abandon() {
            self.remove(path);
        }
        self.sweep();
    }

    fn report(&mut self, attempt: AttemptId, outcome: Outcome, log: Vec<u8>, product: Option<PathBuf>) {
        let kept = match outcome {
            Outcome::Mapped(_) | Outcome::Reduced(_) => product,
            Outcome::Sampled(_) => None,
            Outcome::Failed(_) | Outcome::RunsLost(_) | Outcome::Cancelled => {
                self.discard(product);
                None
            }
        };
        self.reports.push(Report { attempt, outcome, log: Blob(log) }, kept);
    }

    fn discard(&mut self, product: Option<PathBuf>) {
        if let Some(path) = product {
            self.remove(path);
        }
    }

    /// The coordinator has answered for an attempt.
    pub(super) fn settle(&mut self, attempt: AttemptId, verdict: Verdict) {
        let Some(ended) = self.reports.take(attempt) else { return };
        match verdict {
            Verdict::Won => {}
            Verdict::Discarded => self.discard(ended.product),
        }
    }

    /// These jobs are over: what still runs for them is taken away, then their files go.
    pub(super) fn forget(&mut self, jobs: Vec<JobId>) {
        let here: Vec<JobId> = jobs.into_iter().filter(|job| self.jobs.contains(job)).collect();
        for attempt in self.slots.attempts().into_iter().chain(self.queue.attempts()) {
            if here.contains(&attempt.task.job) {
                self.cancel(attempt);
            }
        }
        self.over.extend(here);
        self.sweep();
    }

    /// Removes the directories of jobs that are over and that no slot works for.
    fn sweep(&mut self) {
        let Some(cluster) = self.registration.as_ref().map(|registration| registration.cluster) else {
            return;
        };
        let over = std::mem::take(&mut self.over);
        let in_use = |job: &JobId| self.slots.works_for(*job) || self.queue.works_for(*job);
        let (busy, idle) = over.into_iter().partition(in_use);
        self.over = busy;
        for job in idle {
            self.jobs.remove(&job);
            self.job_dirs.remove(&job);
            self.remove(self.dir.job_dir(cluster, job));
        }
    }
}

fn begin_frame(assignment: &Assignment, product: &Path, prepared: &Prepared) -> Begin {
    let timeout = Duration::from_millis(assignment.task_timeout_ms);
    let progress = (timeout / 5).clamp(Duration::from_millis(1), PROGRESS_MAX);
    Begin {
        attempt: assignment.attempt,
        plugin: PathBytes::from(prepared.plugin.as_path()),
        params: assignment.params.clone(),
        memory_bytes: assignment.memory_bytes,
        product: PathBytes::from(product),
        progress_ms: u64::try_from(progress.as_millis()).unwrap_or(u64::MAX),
        work: match &assignment.work {
            Work::Map(work) => BeginWork::Map { work: work.clone(), partitions: assignment.reduces },
            Work::Sample(work) => BeginWork::Sample { work: work.clone() },
            Work::Reduce(work) => BeginWork::Reduce { partition: work.partition },
        },
    }
}

/// A slot runs code of strangers: it may not name any file but its own as its product.
fn check(outcome: Outcome, product: &Path) -> Outcome {
    let named = match &outcome {
        Outcome::Mapped(result) => &result.path,
        Outcome::Reduced(result) => &result.path,
        Outcome::Sampled(_) | Outcome::Failed(_) | Outcome::RunsLost(_) | Outcome::Cancelled => {
            return outcome;
        }
    };
    if named.to_path() == product {
        return outcome;
    }
    Outcome::Failed(failures::plugin(format!(
        "the slot names {named} as what it made, not {}",
        product.display()
    )))
}
