//! The mechanism: what each fact does to the state.
//!
//! Total: a fact that does not fit is refused and changes nothing. So every check comes before the first change.

use std::sync::Arc;

use gristmill_model::{
    AttemptId, AttemptStats, Bounds, JobId, JobPhase, PathBytes, RequestId, Stage, TaskId, Timestamp,
    WorkerId,
};

use super::illegal::illegal;
use super::job::{HowEnded, JobEnd, JobHead, MESSAGES_MAX};
use super::store::{Store, new_head};
use super::task::{Live, Winner};
use super::worker::Worker;
use super::{IllegalFact, Recorded, clients};
use crate::effect::Effect;
use crate::fact::{EndCause, Fact, RunLoss, TaskResult};
use crate::plan::Planner;
use crate::sampler::Sampler;

/// Applies one fact to a store.
pub(crate) fn apply_to<S: Store>(store: &mut S, fact: &Fact) -> Result<Vec<Effect>, IllegalFact> {
    if store.cluster().is_none() != matches!(fact, Fact::Founded { .. }) {
        return Err(illegal(store, fact));
    }
    let applied = match fact {
        Fact::JobSubmitted { job, at, spec, planner, sampler } => {
            let samples = u32::try_from(sampler.tasks(spec).len()).ok();
            let maps = u32::try_from(planner.count(spec, u64::from(u32::MAX))).ok();
            let head = samples.zip(maps).map(|(samples, maps)| new_head(spec, samples, maps, *at));
            head.and_then(|head| submit(store, *job, head, *planner, *sampler))
        }
        Fact::WorkerJoined { worker, incarnation, name, machine, slots, at: _ } => {
            let joining = Worker {
                incarnation: *incarnation,
                name: Arc::clone(name),
                machine: Arc::clone(machine),
                slots: *slots,
                lost: None,
                draining: false,
                running: Default::default(),
                runs: Default::default(),
                failures: 0,
            };
            join(store, *worker, joining)
        }
        Fact::WorkerLost { worker, at, cause: _ } => lose_worker(store, *worker, *at),
        Fact::AttemptAssigned { attempt, worker, at, backup } => {
            assign(store, *attempt, *worker, *at, *backup)
        }
        Fact::TaskWon { attempt, at, result } => win(store, *attempt, *at, result),
        Fact::AttemptEnded { attempt, at: _, cause } => end_attempt(store, *attempt, cause),
        Fact::RunLost { attempt, at: _, loss } => lose_run(store, *attempt, *loss),
        Fact::ReduceOutdated { attempt, at: _, by: _ } => outdate(store, *attempt),
        Fact::CommitFailed { job, at: _, message: _ } => fail_commit(store, *job),
        Fact::JobCommitted { job, at } => end_job(store, *job, *at, HowEnded::Done),
        Fact::JobFailed { job, at, message } => {
            end_job(store, *job, *at, HowEnded::Failed(message.as_str().into()))
        }
        Fact::JobCancelled { job, at, asked } => {
            clients::once(store, *asked, |store| end_job(store, *job, *at, HowEnded::Cancelled))
        }
        Fact::JobForgotten { job } => forget(store, *job),
        Fact::BoundsChosen { job, at: _, bounds } => choose_bounds(store, *job, bounds),
        Fact::Founded { cluster } => {
            store.found(*cluster);
            Some(Vec::new())
        }
        Fact::SessionOpened { client, at: _, nonce } => clients::open(store, *client, *nonce),
        Fact::SessionKept { client, at: _, done_below } => clients::keep(store, *client, *done_below),
        Fact::SessionExpired { client, at: _ } => clients::expire(store, *client),
        Fact::KvApplied { key, at: _, done_below, op } => clients::carry_out(store, *key, *done_below, op),
        Fact::WorkerDraining { worker, at: _, asked } => {
            clients::once(store, *asked, |store| drain(store, *worker))
        }
        Fact::RequestFulfilled { asked, at: _ } => clients::once(store, *asked, |_| Some(Vec::new())),
        Fact::RequestRefused { asked, at: _, refused } => clients::refuse(store, *asked, refused),
    };
    applied.ok_or_else(|| illegal(store, fact))
}

fn submit<S: Store>(
    store: &mut S,
    job: JobId,
    head: JobHead,
    planner: Planner,
    sampler: Sampler,
) -> Option<Vec<Effect>> {
    let key = head.spec.key;
    let fits = job == store.next_job() && store.job_of(key).is_none();
    if !fits || store.sessions().check(key, RequestId(0)).is_err() {
        return None;
    }
    let mut effects = vec![Effect::Place { job }];
    effects.extend(commit_if_complete(&head, job));
    store.add_job(head, planner, sampler);
    store.sessions_mut().record(key, RequestId(0), Recorded::Job(job));
    Some(effects)
}

fn join<S: Store>(store: &mut S, id: WorkerId, worker: Worker) -> Option<Vec<Effect>> {
    if id != store.next_worker() || store.worker_of(worker.incarnation).is_some() {
        return None;
    }
    store.add_worker(worker);
    Some(Vec::new())
}

fn lose_worker<S: Store>(store: &mut S, id: WorkerId, at: Timestamp) -> Option<Vec<Effect>> {
    let running = store.worker(id).filter(|worker| worker.is_live())?.running.clone();
    for attempt in running {
        stop(store, attempt);
        store.with_figures(attempt.task.job, |figures| figures.tally.worker_lost += 1);
    }
    store.unregister(id, at);
    if store.worker(id)?.is_forgettable() {
        store.forget_worker(id);
    }
    Some(vec![Effect::WorkerLost { worker: id }])
}

fn drain<S: Store>(store: &mut S, id: WorkerId) -> Option<Vec<Effect>> {
    store.worker(id).filter(|worker| worker.is_open())?;
    store.drain(id);
    Some(Vec::new())
}

fn assign<S: Store>(
    store: &mut S,
    attempt: AttemptId,
    worker: WorkerId,
    at: Timestamp,
    backup: bool,
) -> Option<Vec<Effect>> {
    let task = attempt.task;
    let open = store.head(task.job)?.open_stage() == Some(task.stage);
    if !open || !store.worker(worker)?.is_open() {
        return None;
    }
    store.task_mut(task)?.assign(Live { number: attempt.number, worker, at }, backup).ok()?;
    store.worker_mut(worker)?.running.insert(attempt);
    store.set_ready(task, false);
    store.with_figures(task.job, |figures| {
        if backup { figures.tally.backups += 1 } else { *figures.running_mut(task.stage) += 1 }
    });
    let head = store.head_mut(task.job)?;
    head.revision += 1;
    head.running = head.running.saturating_add(1);
    Some(vec![Effect::Assign { worker, attempt }])
}

fn win<S: Store>(
    store: &mut S,
    attempt: AttemptId,
    at: Timestamp,
    result: &TaskResult,
) -> Option<Vec<Effect>> {
    let task = attempt.task;
    let head = store.head(task.job)?;
    let makes_runs = task.stage == Stage::Map && head.spec.reduces > 0;
    if !head.is_live() || head.is_complete() {
        return None;
    }
    let live = store.task(task)?.live(attempt.number)?;
    let (mut winner, stage) = to_winner(live, at, result);
    if stage != task.stage {
        return None;
    }
    winner.counters = match result {
        TaskResult::Map(made) => store.number_counters(task.job, &made.stats),
        TaskResult::Reduce(made) => store.number_counters(task.job, &made.stats),
        TaskResult::Sample(_) => Default::default(),
    };
    let lost_digest = store.lost_digest(task);
    let checksum = winner.checksum;
    let beaten = store.task_mut(task)?.win(winner).ok()?;

    leave_worker(store, attempt, live.worker);
    for other in &beaten {
        leave_worker(store, task.attempt(other.number), other.worker);
    }
    if makes_runs && let Some(worker) = store.worker_mut(live.worker) {
        worker.add_run(task.job);
    }
    record_win(store, task, result, beaten.len() as u64, lost_digest.is_none());
    if lost_digest.is_some_and(|digest| digest != checksum) {
        store.with_figures(task.job, |figures| {
            figures.warn(format!(
                "the app is not deterministic: {task} made a different result when it ran again"
            ));
        });
    }
    let head = store.head_mut(task.job)?;
    head.revision += 1;
    head.running = head.running.saturating_sub(1 + u32::try_from(beaten.len()).unwrap_or(u32::MAX));
    *head.done_mut(task.stage) += 1;

    let cancel = |other: &Live| Effect::Cancel { worker: other.worker, attempt: task.attempt(other.number) };
    let mut effects: Vec<Effect> = beaten.iter().map(cancel).collect();
    let commit = commit_if_complete(store.head(task.job)?, task.job);
    if !commit.is_empty() {
        // Maps that were running again because a run was lost: nobody needs it any more.
        effects.extend(stop_all(store, task.job));
    }
    effects.extend(commit);
    Some(effects)
}

fn end_attempt<S: Store>(store: &mut S, attempt: AttemptId, cause: &EndCause) -> Option<Vec<Effect>> {
    let task = attempt.task;
    store.head(task.job).filter(|head| head.is_live())?;
    let live = store.task(task)?.live(attempt.number)?;
    stop(store, attempt);
    match cause {
        EndCause::Failed { message, .. } => {
            record_failure(store, task, message);
            if let Some(worker) = store.worker_mut(live.worker) {
                worker.failures += 1;
            }
        }
        // Nothing went wrong with it.
        EndCause::TakenBack => {}
        _ => store.task_mut(task)?.trouble_mut().setbacks += 1,
    }
    if matches!(cause, EndCause::Failed { .. } | EndCause::TimedOut | EndCause::Cancelled) {
        store.task_mut(task)?.trouble_mut().shun(live.worker);
    }
    store.with_figures(task.job, |figures| {
        *match cause {
            EndCause::Failed { .. } => &mut figures.tally.failed,
            EndCause::TimedOut => &mut figures.tally.timed_out,
            EndCause::RunsLost | EndCause::Outdated => &mut figures.tally.runs_lost,
            EndCause::Cancelled | EndCause::TakenBack => &mut figures.tally.cancelled,
        } += 1;
    });
    // The others were ended by their worker, which knows.
    let unknown = matches!(cause, EndCause::TimedOut | EndCause::Outdated | EndCause::TakenBack);
    Some(if unknown { vec![Effect::Cancel { worker: live.worker, attempt }] } else { Vec::new() })
}

fn lose_run<S: Store>(store: &mut S, attempt: AttemptId, loss: RunLoss) -> Option<Vec<Effect>> {
    let task = attempt.task;
    let head = store.head(task.job)?;
    let makes_runs = task.stage == Stage::Map && head.spec.reduces > 0;
    if !makes_runs || !head.is_live() || head.is_complete() {
        return None;
    }
    let winner = store.task_mut(task)?.lose_run(attempt.number).ok()?;
    withdraw(store, task, &winner);
    if loss == RunLoss::Damaged {
        store.task_mut(task)?.trouble_mut().setbacks += 1;
    }
    drop_run(store, task.job, winner.worker);
    Some(Vec::new())
}

fn outdate<S: Store>(store: &mut S, attempt: AttemptId) -> Option<Vec<Effect>> {
    let task = attempt.task;
    let head = store.head(task.job)?;
    if task.stage != Stage::Reduce || !head.is_live() || head.is_complete() {
        return None;
    }
    let winner = store.task_mut(task)?.outdate(attempt.number).ok()?;
    withdraw(store, task, &winner);
    Some(Vec::new())
}

fn fail_commit<S: Store>(store: &mut S, job: JobId) -> Option<Vec<Effect>> {
    let head = store.head_mut(job).filter(|head| head.phase() == JobPhase::Committing)?;
    head.commit_failures = head.commit_failures.saturating_add(1);
    head.revision += 1;
    Some(vec![Effect::Commit { job, failures: head.commit_failures }])
}

fn end_job<S: Store>(store: &mut S, job: JobId, at: Timestamp, how: HowEnded) -> Option<Vec<Effect>> {
    let head = store.head(job)?;
    let legal = match how {
        HowEnded::Done => head.phase() == JobPhase::Committing,
        // Once the output may be visible it is too late to say that there is none.
        HowEnded::Cancelled => head.is_live() && !head.is_complete(),
        HowEnded::Failed(_) => head.is_live(),
    };
    if !legal {
        return None;
    }
    let mut effects = stop_all(store, job);
    let makes_runs = store.head(job)?.spec.reduces > 0;
    for id in if makes_runs { store.worker_ids() } else { Vec::new() } {
        if store.worker(id).is_some_and(|worker| worker.runs.contains_key(&job)) {
            let worker = store.worker_mut(id)?;
            worker.runs.remove(&job);
            if worker.is_forgettable() {
                store.forget_worker(id);
            }
        }
    }
    touch(store, job);
    store.end_job(job, JobEnd { at, how });
    effects.push(Effect::JobEnded { job });
    Some(effects)
}

fn forget<S: Store>(store: &mut S, job: JobId) -> Option<Vec<Effect>> {
    store.head(job).filter(|head| !head.is_live())?;
    store.forget_job(job);
    Some(vec![Effect::JobForgotten { job }])
}

fn choose_bounds<S: Store>(store: &mut S, job: JobId, bounds: &Arc<Bounds>) -> Option<Vec<Effect>> {
    let head = store.head_mut(job).filter(|head| head.phase() == JobPhase::Sampling)?;
    if head.samples_done < head.samples {
        return None;
    }
    head.bounds = Some(Arc::clone(bounds));
    head.revision += 1;
    for index in 0..head.samples {
        store.task_mut(TaskId::sample(job, index))?.drop_keys();
    }
    Some(Vec::new())
}

/// Ends every running attempt of a job, as cancelled.
fn stop_all<S: Store>(store: &mut S, job: JobId) -> Vec<Effect> {
    let mut effects = Vec::new();
    let runs = |store: &S| store.head(job).is_some_and(|head| head.running > 0);
    let workers = if runs(store) { store.worker_ids() } else { Vec::new() };
    for worker in workers {
        let of_job =
            TaskId::map(job, 0).attempt(0)..TaskId::map(JobId(job.0.saturating_add(1)), 0).attempt(0);
        let running = store.worker(worker).map(|worker| worker.running.range(of_job).copied().collect());
        let running: Vec<AttemptId> = running.unwrap_or_default();
        for attempt in running {
            stop(store, attempt);
            store.with_figures(job, |figures| figures.tally.cancelled += 1);
            effects.push(Effect::Cancel { worker, attempt });
        }
    }
    effects
}

/// Ends a running attempt, whatever for, and queues its task when nothing else runs for it.
fn stop<S: Store>(store: &mut S, attempt: AttemptId) {
    let task = attempt.task;
    let Some(state) = store.task_mut(task) else { return };
    let Ok(ended) = state.end(attempt.number) else { return };
    let queued = state.is_queued();
    leave_worker(store, attempt, ended.worker);
    if queued {
        store.set_ready(task, true);
        store.with_figures(task.job, |figures| *figures.running_mut(task.stage) -= 1);
    }
    if let Some(head) = store.head_mut(task.job) {
        head.revision += 1;
        head.running = head.running.saturating_sub(1);
    }
}

/// A task has no winner any more and is queued again.
fn withdraw<S: Store>(store: &mut S, task: TaskId, winner: &Winner) {
    store.set_ready(task, true);
    let input_bytes = store.input_bytes(task);
    store.with_figures(task.job, |figures| figures.remove_winner(task, winner, input_bytes));
    if let Some(head) = store.head_mut(task.job) {
        head.revision += 1;
        *head.done_mut(task.stage) -= 1;
    }
}

fn leave_worker<S: Store>(store: &mut S, attempt: AttemptId, worker: WorkerId) {
    if let Some(worker) = store.worker_mut(worker) {
        worker.running.remove(&attempt);
    }
}

fn drop_run<S: Store>(store: &mut S, job: JobId, id: WorkerId) {
    let Some(worker) = store.worker_mut(id) else { return };
    worker.remove_run(job);
    if worker.is_forgettable() {
        store.forget_worker(id);
    }
}

fn record_win<S: Store>(store: &mut S, task: TaskId, result: &TaskResult, beaten: u64, first: bool) {
    let input_bytes = store.input_bytes(task);
    let Some(winner) = store.winner(task).cloned() else { return };
    store.with_figures(task.job, |figures| {
        figures.add_winner(task, &winner, input_bytes);
        figures.tally.cancelled += beaten;
        *figures.running_mut(task.stage) -= 1;
        if first && let TaskResult::Map(made) = result {
            figures.add_partitions(&made.partitions);
        }
    });
}

fn record_failure<S: Store>(store: &mut S, task: TaskId, message: &str) {
    let Some(head) = store.head(task.job) else { return };
    let room = head.messages < MESSAGES_MAX;
    let Some(state) = store.task_mut(task) else { return };
    let trouble = state.trouble_mut();
    trouble.failures += 1;
    if room && trouble.first.is_none() {
        trouble.first = Some(message.into());
        if let Some(head) = store.head_mut(task.job) {
            head.messages += 1;
        }
    }
}

fn to_winner(live: Live, at: Timestamp, result: &TaskResult) -> (Winner, Stage) {
    let nowhere = PathBytes::default();
    let (path, bytes, checksum, stats, stage) = match result {
        TaskResult::Map(made) => (&made.path, made.bytes, made.digest, &made.stats, Stage::Map),
        TaskResult::Reduce(made) => {
            (&made.path, made.bytes, u64::from(made.crc32c), &made.stats, Stage::Reduce)
        }
        TaskResult::Sample(made) => (&nowhere, 0, 0, &made.stats, Stage::Sample),
    };
    let stats = AttemptStats { counters: Default::default(), ..*stats };
    let took_ms = at.ms.saturating_sub(live.at.ms);
    let winner = Winner {
        number: live.number,
        worker: live.worker,
        took_ms,
        path: path.clone(),
        bytes,
        checksum,
        stats,
        counters: Default::default(),
        keys: match result {
            TaskResult::Sample(made) => Some(made.keys.as_slice().into()),
            TaskResult::Map(_) | TaskResult::Reduce(_) => None,
        },
    };
    (winner, stage)
}

fn commit_if_complete(head: &JobHead, job: JobId) -> Vec<Effect> {
    let complete = head.is_live() && head.is_complete();
    if complete { vec![Effect::Commit { job, failures: head.commit_failures }] } else { Vec::new() }
}

fn touch<S: Store>(store: &mut S, job: JobId) {
    if let Some(head) = store.head_mut(job) {
        head.revision += 1;
    }
}
