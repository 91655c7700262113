//! The one loop that owns the scheduler's state and its leader.
//!
//! Each turn takes all events that have come in, lets the leader decide, makes the facts certain as one log entry, applies them,
//! performs their effects and answers whoever can be answered. What comes in meanwhile is the next turn. Slow work (disks) is
//! done elsewhere and comes back as an event; nothing is decided outside this loop, and nothing here waits but for the log.
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
mod submissions;
mod watchers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gristmill_model::JobId;
use gristmill_protocol::PollReply;
use gristmill_scheduler::{Effect, Fact, IllegalFact, Input, Leader, PollToken, State, apply};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use self::connections::Connections;
use self::submissions::Submissions;
use self::watchers::Watchers;
use crate::attempt_logs::AttemptLogs;
use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::commit::Outputs;
use crate::event::{Event, Holder, Reply};
use crate::fact_log::{Entry, FactLog, LogError};

/// Events of one turn.
const BATCH_MAX: usize = 1024;
/// Never wait less than this for a deadline.
const TICK_MIN: Duration = Duration::from_millis(1);
/// How long workers may take to leave when everything is over.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// Why the loop ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the scheduler decided something impossible, which is a mistake of gristmill: {0}")]
    Illegal(#[from] IllegalFact),
}

/// What the loop works with.
pub(crate) struct Tools {
    pub(crate) events: mpsc::WeakUnboundedSender<Event>,
    pub(crate) blobs: Arc<Blobs>,
    pub(crate) logs: AttemptLogs,
    pub(crate) outputs: Outputs,
    pub(crate) heartbeat_ms: u64,
}

pub(crate) struct MainLoop<L> {
    clock: Clock,
    log: L,
    state: State,
    leader: Leader,
    tools: Tools,
    connections: Connections,
    polls: BTreeMap<PollToken, Parked>,
    last_token: u64,
    watchers: Watchers,
    submissions: Submissions,
    /// Ended jobs whose staged files are being removed; told to nobody before that.
    cleaning: BTreeSet<JobId>,
    /// Inputs that arose while answering; they are the beginning of the next turn.
    next_inputs: Vec<Input>,
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

impl<L: FactLog> MainLoop<L> {
    pub(crate) fn new(clock: Clock, log: L, state: State, leader: Leader, tools: Tools) -> Self {
        Self {
            clock,
            log,
            state,
            leader,
            tools,
            connections: Connections::default(),
            polls: BTreeMap::new(),
            last_token: 0,
            watchers: Watchers::default(),
            submissions: Submissions::default(),
            cleaning: BTreeSet::new(),
            next_inputs: Vec::new(),
            finish: Finish::NotAsked,
        }
    }

    /// Runs until everything is finished, or `stop` becomes true, or the log fails. Whoever then waits is told that nobody answers.
    pub(crate) async fn run(
        mut self,
        mut events: mpsc::UnboundedReceiver<Event>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Fault> {
        let unfinished = self.leader.resume(&self.state);
        self.perform(unfinished);
        loop {
            let batch = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                batch = self.gather(&mut events) => batch,
            };
            let Some(batch) = batch else { return Ok(()) };
            self.turn(batch).await?;
            if self.has_finished() {
                return Ok(());
            }
        }
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
        let leader = self.leader.next_deadline().map(|at| self.clock.instant(at));
        let leaving = match self.finish {
            Finish::Leaving(until) => Some(until),
            Finish::NotAsked | Finish::Asked => None,
        };
        let wake = [leader, self.watchers.wake(), leaving].into_iter().flatten().min();
        wake.map(|wake| wake.max(Instant::now() + TICK_MIN))
    }

    async fn turn(&mut self, batch: Vec<Event>) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut inputs = std::mem::take(&mut self.next_inputs);
        let mut due = Vec::new();
        for event in batch {
            self.take_in(event, &mut inputs, &mut due);
        }
        let facts = self.leader.decide(&self.state, now, &inputs);
        let effects = self.record(facts).await?;
        self.perform(effects);
        self.answer_polls(now);
        self.answer_due(due, now);
        self.finish_if_done();
        self.serve_watchers();
        Ok(())
    }

    /// Makes the facts certain and applies them.
    async fn record(&mut self, facts: Vec<Fact>) -> Result<Vec<Effect>, Fault> {
        let mut effects = Vec::new();
        if facts.is_empty() {
            return Ok(effects);
        }
        let entry = Entry::new(facts);
        let facts = entry.facts.clone();
        self.log.propose(entry).await?;
        for fact in facts.iter() {
            effects.extend(apply(&mut self.state, fact)?);
            if let Fact::JobSubmitted { job, spec, .. } = fact {
                self.tools.blobs.pin(spec.plugin.sha256);
                self.place_output(*job, spec).await;
            }
        }
        Ok(effects)
    }

    /// Tells the workers to leave once there is nothing left to do.
    fn finish_if_done(&mut self) {
        let busy = !self.state.live_jobs().is_empty()
            || !self.submissions.is_empty()
            || !self.cleaning.is_empty()
            || !self.next_inputs.is_empty();
        if matches!(self.finish, Finish::Asked) && !busy {
            self.finish = Finish::Leaving(Instant::now() + LEAVE_MAX);
        }
        if matches!(self.finish, Finish::Leaving(_)) {
            self.send_all_away();
        }
    }

    fn has_finished(&self) -> bool {
        match self.finish {
            Finish::NotAsked | Finish::Asked => false,
            Finish::Leaving(until) => self.connections.no_workers() || Instant::now() >= until,
        }
    }
}

fn far_off() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}
