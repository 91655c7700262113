//! Says why a fact is refused: names both ends, the fact and the state of what it is about.

use gristmill_model::{AttemptId, ClientId, JobId, RequestId, WorkerId};

use super::IllegalFact;
use super::store::Store;
use crate::fact::Fact;
use crate::input::Asked;

pub(crate) fn illegal<S: Store>(store: &S, fact: &Fact) -> IllegalFact {
    let (fact, state) = match fact {
        Fact::JobSubmitted { job, spec, .. } => {
            let state = match store.sessions().check(spec.key, RequestId(0)) {
                Err(refusal) if store.job_of(spec.key).is_none() => refusal.to_string(),
                _ => format!("the next job is {} or its key is known", store.next_job()),
            };
            (format!("{job} submitted"), state)
        }
        Fact::WorkerJoined { worker, incarnation, .. } => (
            format!("{worker} joined as {incarnation}"),
            format!("the next worker is {} or that incarnation is registered", store.next_worker()),
        ),
        Fact::WorkerLost { worker, .. } => (format!("{worker} lost"), worker_state(store, *worker)),
        Fact::WorkerDraining { worker, asked, .. } => {
            (format!("{worker} drains"), request_state(store, asked, worker_state(store, *worker)))
        }
        Fact::AttemptAssigned { attempt, worker, backup, .. } => (
            format!("{attempt} assigned to {worker} (backup: {backup})"),
            format!("{}; {}", task_state(store, attempt), worker_state(store, *worker)),
        ),
        Fact::TaskWon { attempt, .. } => (format!("{attempt} won"), task_state(store, attempt)),
        Fact::AttemptEnded { attempt, cause, .. } => {
            (format!("{attempt} ended ({cause:?})"), task_state(store, attempt))
        }
        Fact::RunLost { attempt, .. } => (format!("run of {attempt} lost"), task_state(store, attempt)),
        Fact::ReduceOutdated { attempt, .. } => (format!("{attempt} outdated"), task_state(store, attempt)),
        Fact::CommitFailed { job, .. } => (format!("commit of {job} failed"), job_state(store, *job)),
        Fact::JobCommitted { job, .. } => (format!("{job} committed"), job_state(store, *job)),
        Fact::JobFailed { job, .. } => (format!("{job} failed"), job_state(store, *job)),
        Fact::JobCancelled { job, asked, .. } => {
            (format!("{job} cancelled"), request_state(store, asked, job_state(store, *job)))
        }
        Fact::JobForgotten { job } => (format!("{job} forgotten"), job_state(store, *job)),
        Fact::BoundsChosen { job, .. } => (format!("bounds of {job} chosen"), job_state(store, *job)),
        Fact::Founded { cluster } => (format!("cluster {cluster} founded"), cluster_state(store)),
        Fact::SessionOpened { client, nonce, .. } => (
            format!("session of {client} opened by {nonce:016x}"),
            format!("the next is {} or that one is open", store.sessions().next()),
        ),
        Fact::SessionKept { client, done_below, .. } => (
            format!("{client} has all answers before request {}", done_below.0),
            session_state(store, *client),
        ),
        Fact::SessionExpired { client, .. } => {
            (format!("session of {client} expired"), session_state(store, *client))
        }
        Fact::KvApplied { key, done_below, op, .. } => {
            let refused = store.sessions().check(*key, *done_below).and_then(|()| store.kv().check(op));
            let refused = refused.err().map_or_else(Default::default, |refusal| refusal.to_string());
            (format!("request {} of {} on a key", key.request.0, key.client), refused)
        }
        Fact::RequestRefused { asked, .. } => (
            format!("request {} of {} refused", asked.key.request.0, asked.key.client),
            request_state(store, asked, "the refusal is not final".into()),
        ),
        Fact::RequestFulfilled { asked, .. } => (
            format!("request {} of {} fulfilled", asked.key.request.0, asked.key.client),
            request_state(store, asked, String::new()),
        ),
    };
    let state = if store.cluster().is_none() { cluster_state(store) } else { state };
    IllegalFact { fact, state }
}

fn cluster_state<S: Store>(store: &S) -> String {
    match store.cluster() {
        None => "no cluster is founded".into(),
        Some(cluster) => format!("cluster {cluster} is founded"),
    }
}

fn session_state<S: Store>(store: &S, client: ClientId) -> String {
    let open = store.sessions().contains(client);
    if open { format!("{client} has not more than that to say") } else { format!("{client} has no session") }
}

/// Why a request may not be executed, or else the state of what it is about.
fn request_state<S: Store>(store: &S, asked: &Asked, otherwise: String) -> String {
    let checked = store.sessions().check(asked.key, asked.done_below);
    checked.err().map_or(otherwise, |refusal| refusal.to_string())
}

fn job_state<S: Store>(store: &S, job: JobId) -> String {
    match store.head(job) {
        None => format!("there is no job {job}"),
        Some(head) => {
            format!("{job} is {:?} ({}/{} maps done)", head.phase(), head.maps_done, head.maps)
        }
    }
}

fn task_state<S: Store>(store: &S, attempt: &AttemptId) -> String {
    let job = job_state(store, attempt.task.job);
    match store.task(attempt.task) {
        None => format!("{job} and has no task {}", attempt.task),
        Some(task) => format!(
            "{job} and {} has winner {:?}, running {:?}, next attempt {}",
            attempt.task,
            task.winner().map(|winner| winner.number),
            task.live.iter().map(|live| live.number).collect::<Vec<_>>(),
            task.next,
        ),
    }
}

fn worker_state<S: Store>(store: &S, worker: WorkerId) -> String {
    match store.worker(worker) {
        None => format!("there is no worker {worker}"),
        Some(known) if known.is_open() => format!("{worker} lives"),
        Some(known) if known.is_live() => format!("{worker} drains"),
        Some(_) => format!("{worker} is lost"),
    }
}
