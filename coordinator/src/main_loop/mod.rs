//! The one loop that owns the scheduler's state and its leader.
//!
//! Each turn takes all events that have come in, lets the leader decide, makes the facts certain as one log entry, performs the effects
//! of applying them and answers whoever can be answered. What comes in meanwhile is the next turn. Slow work (disks) is
//! done elsewhere and comes back as an event; nothing is decided outside this loop, and nothing here waits but for the log, and for a
//! moment for the name of the staging directory of a new job.
//!
//! # One leadership
//!
//! A loop lives as long as its node leads in one term. It begins with the state that is applied here and a new leader; when the leadership is
//! lost it ends, and with it everything that waits in it. An answer that says anything about the state rests on an entry that
//! became certain in the same turn, or on a confirmation that nobody else leads; only the empty answer to a heartbeat does not.
//!
//! # Long polls and lost answers
//!
//! A worker's poll is parked in the leader until there is something to say or its time is over; the way back to the caller is kept here
//! by its token. When the caller has gone, the way back is closed, and an assignment sent into it is lost. Three things catch it:
//! - the connection was the worker's last: the worker is lost at once, and everything it held is given to others;
//! - the worker polls again (over its next connection, or after it gave the call up): it has more free slots than the leader thinks,
//!   so it is given once more whatever it was given and has never spoken of. A worker ignores what it has already;
//! - it never polls again but sends heartbeats: the attempt makes no progress, and its task timeout takes it away.
//!
//! # Connections and workers
//!
//! A worker has one connection for calls and one for heartbeats, and may redial either. Every call names worker and incarnation, so a
//! connection belongs to the worker that last spoke on it. When the last of them closes the worker is lost at once: a process that died
//! closes all of them. A worker that merely lost its connections registers again, is a new worker, and is told to end what it
//! still runs; it may continue only if one of its connections never closed.

mod answers;
mod connections;
mod effects;
mod intake;
mod kv;
mod sessions;
mod submissions;
mod told;
mod watchers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{ClusterId, JobId, WorkerStatus};
use gristmill_protocol::PollReply;
use gristmill_scheduler::{Effect, Fact, Input, Leader, LossCause, PollToken, Settings};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use self::connections::Connections;
use self::kv::KvWatchers;
use self::submissions::Submissions;
use self::watchers::Watchers;
use crate::attempt_logs::AttemptLogs;
use crate::clock::Clock;
use crate::commit::Outputs;
use crate::event::{Event, Holder, Reply};
use crate::history::History;
use crate::replica::{Replica, ReplicaError};

/// Events of one turn.
const BATCH_MAX: usize = 1024;
/// Never wait less than this for a deadline.
const TICK_MIN: Duration = Duration::from_millis(1);
/// A leader that has only empty answers to give confirms itself so often.
const CONFIRM_PAUSE: Duration = Duration::from_millis(500);
/// How long workers may take to leave when everything is over.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// How a loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was told to, or everything was finished.
    Over,
    /// Another node leads, or none.
    Deposed,
}

/// What the loop works with.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) clock: Clock,
    pub(crate) events: mpsc::WeakUnboundedSender<Event>,
    pub(crate) logs: AttemptLogs,
    pub(crate) outputs: Outputs,
    pub(crate) history: History,
    pub(crate) heartbeat_ms: u64,
    pub(crate) idle_heartbeat_ms: u64,
    pub(crate) workers_died: bool,
    pub(crate) settings: Settings,
}

pub(crate) struct MainLoop<R> {
    replica: R,
    cluster: ClusterId,
    leader: Leader,
    tools: Tools,
    connections: Connections,
    polls: BTreeMap<PollToken, Parked>,
    last_token: u64,
    watchers: Watchers,
    kv_watchers: KvWatchers,
    submissions: Submissions,
    /// Ended jobs whose staged files are being removed; told to nobody before that.
    cleaning: BTreeSet<JobId>,
    /// Inputs that arose while answering; they are the beginning of the next turn.
    next_inputs: Vec<Input>,
    /// When it was last certain that nobody else leads.
    confirmed: Instant,
    finish: Finish,
}

/// The way back to a worker whose poll waits in the leader.
struct Parked {
    holder: Holder,
    reply: Reply<PollReply>,
}

/// How far the end is.
enum Finish {
    NotAsked,
    /// No more jobs are taken; those that there are go on.
    Asked,
    /// Everything is done; workers are told to leave, and waited for until then.
    Leaving(Instant),
}

impl<R: Replica> MainLoop<R> {
    /// Begins to lead: founds the cluster if that has not been done.
    pub(crate) async fn begin(replica: R, tools: Tools) -> Result<Self, ReplicaError> {
        let tools = Tools { outputs: tools.outputs.anew(), ..tools };
        // A barrier: what an earlier loop of the same term proposed, and never heard of again, comes before it or never.
        replica.propose(Arc::new([])).await?;
        let founded = replica.read().cluster();
        let cluster = match founded {
            Some(cluster) => cluster,
            None => {
                let cluster = ClusterId(rand::random());
                replica.propose(Arc::new([Fact::Founded { cluster }])).await?;
                cluster
            }
        };
        tools.logs.retain(replica.read().jobs(JobId(0)).collect());
        let now = tools.clock.now();
        let leader = Leader::new(&replica.read(), now, tools.settings.clone());
        let dead = if tools.workers_died { leader.workers(&replica.read(), now) } else { Vec::new() };
        let gone =
            |worker: &WorkerStatus| Input::WorkerGone { worker: worker.id, cause: LossCause::Disconnected };
        Ok(Self {
            replica,
            cluster,
            leader,
            tools,
            connections: Connections::default(),
            polls: BTreeMap::new(),
            last_token: 0,
            watchers: Watchers::default(),
            kv_watchers: KvWatchers::default(),
            submissions: Submissions::default(),
            cleaning: BTreeSet::new(),
            next_inputs: dead.iter().map(gone).collect(),
            confirmed: Instant::now(),
            finish: Finish::NotAsked,
        })
    }

    /// Runs until everything is finished, or `stop` becomes true, or the leadership is lost. Whoever then waits is told that nobody answers.
    pub(crate) async fn run(
        mut self,
        events: &mut mpsc::UnboundedReceiver<Event>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Ending, ReplicaError> {
        let replica = self.replica.clone();
        let mut deposed = std::pin::pin!(replica.deposed());
        let unfinished = self.leader.resume(&replica.read());
        unfinished.iter().filter_map(placed).for_each(|job| self.place_again(&replica, job));
        self.perform(&replica, unfinished);
        let ending = loop {
            let batch = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break Ending::Over,
                () = &mut deposed => break Ending::Deposed,
                batch = self.gather(events) => batch,
            };
            let Some(batch) = batch else { break Ending::Over };
            match self.turn(batch).await {
                Ok(()) => {}
                Err(ReplicaError::Deposed) => break Ending::Deposed,
                Err(error) => return Err(error),
            }
            if self.has_finished() {
                break Ending::Over;
            }
        };
        self.tools.outputs.release();
        Ok(ending)
    }

    /// What has come in; at least one event unless it is time for something. `None` when nothing can come any more.
    async fn gather(&mut self, events: &mut mpsc::UnboundedReceiver<Event>) -> Option<Vec<Event>> {
        let mut batch = Vec::new();
        if self.next_inputs.is_empty() {
            let wake = self.wake();
            tokio::select! {
                event = events.recv() => batch.push(event?),
                () = sleep_until(wake.unwrap_or_else(far_off)), if wake.is_some() => {}
            }
        }
        while batch.len() < BATCH_MAX {
            let Ok(event) = events.try_recv() else { break };
            batch.push(event);
        }
        Some(batch)
    }

    /// When to take a turn though nothing came in.
    fn wake(&self) -> Option<Instant> {
        let leader = self.leader.next_deadline().map(|at| self.tools.clock.instant(at));
        let leaving = match self.finish {
            Finish::Leaving(until) => Some(until),
            Finish::NotAsked | Finish::Asked => None,
        };
        let wake =
            [leader, self.watchers.wake(), self.kv_watchers.wake(), leaving].into_iter().flatten().min();
        wake.map(|wake| wake.max(Instant::now() + TICK_MIN))
    }

    async fn turn(&mut self, batch: Vec<Event>) -> Result<(), ReplicaError> {
        let replica = self.replica.clone();
        let now = self.tools.clock.now();
        let mut due = Vec::new();
        let facts = {
            let state = replica.read();
            let mut inputs = std::mem::take(&mut self.next_inputs);
            for event in batch {
                self.take_in(&state, event, &mut inputs, &mut due);
            }
            self.leader.decide(&state, now, &inputs)
        };
        let certain = !facts.is_empty();
        let effects = if certain { replica.propose(facts.into()).await? } else { Vec::new() };
        for job in effects.iter().filter_map(placed) {
            self.place_output(job).await;
        }
        self.perform(&replica, effects);
        let told = self.prepare_answers(&replica, due, now);
        // Workers would stay with a leader that is cut off and answers their heartbeats: it must notice.
        let long_ago = self.confirmed.elapsed() >= CONFIRM_PAUSE && !told.is_empty();
        let confirms = !certain && (told.rests_on_the_state() || long_ago);
        if confirms {
            replica.confirm().await?;
        }
        if certain || confirms {
            self.confirmed = Instant::now();
        }
        told.send();
        self.finish_if_done(&replica);
        Ok(())
    }

    /// Tells the workers to leave once there is nothing left to do.
    fn finish_if_done(&mut self, replica: &R) {
        let state = replica.read();
        let busy = !state.live_jobs().is_empty()
            || !self.submissions.is_empty()
            || !self.cleaning.is_empty()
            || !self.next_inputs.is_empty();
        if matches!(self.finish, Finish::Asked) && !busy {
            self.finish = Finish::Leaving(Instant::now() + LEAVE_MAX);
        }
        if matches!(self.finish, Finish::Leaving(_)) {
            self.send_all_away(&state);
        }
    }

    fn has_finished(&self) -> bool {
        match self.finish {
            Finish::NotAsked | Finish::Asked => false,
            Finish::Leaving(until) => self.connections.no_workers() || Instant::now() >= until,
        }
    }
}

/// Whose staging directory must get its name.
fn placed(effect: &Effect) -> Option<JobId> {
    match effect {
        Effect::Place { job } => Some(*job),
        _ => None,
    }
}

fn far_off() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

#[cfg(test)]
mod tests;
