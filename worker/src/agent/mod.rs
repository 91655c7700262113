//! The agent: one loop that owns all state of a worker.
//!
//! Calls to the coordinator, slot processes, preparations and removals run elsewhere and tell the loop when something has happened,
//! as an [`Event`]; the loop decides and never waits for any of them. Messages from before the last registration are known by their
//! [`Epoch`] and ignored.

mod accepted;
mod attempts;
mod beats;
mod calls;
mod end;
mod failures;
mod prepare;
mod queue;
mod reports;
mod slots;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{AttemptId, ClusterId, Incarnation, JobId, WorkerId};
use gristmill_protocol::{Backoff, CallError, Orders, PollReply, Registered, WorkerLink};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::config::{Exit, WorkerConfig, WorkerError};
use crate::plugins::Plugins;
use crate::process::{ProcessEvent, ProcessId};
use crate::work_dir::{Survey, WorkDir};
use accepted::Accepted;
use beats::Beats;
use prepare::{Prepared, Unprepared};
use queue::Queue;
use reports::Reports;
use slots::{SlotIndex, Slots};

/// How long what an attempt needs is asked for before the loop hears that it cannot be had.
const CALL_PATIENCE: Duration = Duration::from_secs(2);

/// Runs a worker until its coordinator is finished or lets it go, `shutdown` completes, or it cannot go on.
///
/// When it returns, no slot is left, and of its files only runs that jobs still need (none after [`Exit::Finished`]).
/// Dropped before that, it still kills its slots; what it leaves on disk is removed by the next worker in the same directory.
pub async fn run(config: WorkerConfig, shutdown: impl Future<Output = ()>) -> Result<Exit, WorkerError> {
    if config.slots == 0 {
        return Err(WorkerError::NoSlots);
    }
    let incarnation = Incarnation(rand::random());
    let root = config.work_dir.clone();
    let opened = tokio::task::spawn_blocking(move || WorkDir::open(&root, incarnation)).await;
    let dir = opened.unwrap_or_else(|error| {
        let path = config.work_dir.clone();
        Err(WorkerError::WorkDir { path, what: "prepare it", source: error.into() })
    })?;
    let (agent, events) = Agent::new(config, dir, incarnation);
    agent.live(events, shutdown).await
}

/// Which registration a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Epoch(u64);

/// All that can happen to an agent, but for time and the shutdown.
enum Event {
    Registered(Epoch, Result<(Registered, Survey), CallError>),
    RegisterAgain(Epoch),
    Polled { epoch: Epoch, number: u64, result: Result<PollReply, CallError> },
    PollAgain(Epoch),
    Beaten(Epoch, Result<Orders, CallError>),
    Prepared { process: ProcessId, attempt: AttemptId, result: Result<Prepared, Unprepared> },
    Process(ProcessId, ProcessEvent),
    RestartSlot(SlotIndex),
}

/// What the coordinator said when it took this worker.
struct Registration {
    worker: WorkerId,
    cluster: ClusterId,
    beats: Beats,
}

/// The polls in flight.
#[derive(Default)]
struct Polls {
    /// Polls of this epoch are counted; this is the last.
    newest: u64,
    /// How many free slots it has offered; none when it has come back.
    offered: u32,
    /// Whether it has brought reports; then it comes back at once.
    reporting: bool,
    /// The last has failed, and the time for the next has not come.
    resting: bool,
    backoff: Backoff,
}

struct Agent {
    config: WorkerConfig,
    dir: Arc<WorkDir>,
    plugins: Arc<Plugins>,
    link: WorkerLink,
    events: UnboundedSender<Event>,
    /// A new one for every registration from scratch: to the coordinator, a worker that was given up is dead.
    incarnation: Incarnation,
    epoch: Epoch,
    registration: Option<Registration>,
    /// Between tries to register.
    registering: Backoff,
    heard: Instant,
    /// When it was last told that the coordinator does not answer; `None` since it did.
    told: Option<Instant>,
    beating: bool,
    slots: Slots,
    queue: Queue,
    reports: Reports,
    polls: Polls,
    /// Those taken last, to know one that comes again.
    accepted: Accepted,
    /// Jobs that have, or may have, a directory here.
    jobs: BTreeSet<JobId>,
    /// Those of them whose directory has been made.
    job_dirs: BTreeSet<JobId>,
    /// Jobs that are over; their directories go when no slot works for them.
    over: BTreeSet<JobId>,
    /// Calls and preparations under way; they end with the agent.
    calls: JoinSet<()>,
    /// Removals under way; the agent waits for them at its end.
    chores: JoinSet<()>,
    finished: bool,
    /// It was to leave when it is not needed any more, and that is now.
    drained: bool,
}

impl Agent {
    fn new(config: WorkerConfig, dir: WorkDir, incarnation: Incarnation) -> (Self, UnboundedReceiver<Event>) {
        let (events, receiver) = unbounded_channel();
        let dir = Arc::new(dir);
        let agent = Self {
            plugins: Arc::new(Plugins::new(&dir)),
            link: WorkerLink::new(config.endpoint.clone(), CALL_PATIENCE),
            slots: Slots::new(config.slots, config.slot_command.clone(), dir.clone(), events.clone()),
            queue: Queue::new(config.slots),
            dir,
            config,
            events,
            incarnation,
            epoch: Epoch(0),
            registration: None,
            registering: Backoff::default(),
            heard: Instant::now(),
            told: None,
            beating: false,
            reports: Reports::default(),
            polls: Polls::default(),
            accepted: Accepted::default(),
            jobs: BTreeSet::new(),
            job_dirs: BTreeSet::new(),
            over: BTreeSet::new(),
            calls: JoinSet::new(),
            chores: JoinSet::new(),
            finished: false,
            drained: false,
        };
        (agent, receiver)
    }

    async fn live(
        mut self,
        mut events: UnboundedReceiver<Event>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Exit, WorkerError> {
        tokio::pin!(shutdown);
        // Slots start while the worker registers: a tiny job should not wait for either.
        self.slots.start_all();
        self.register();
        let result = loop {
            tokio::select! {
                () = &mut shutdown => break Ok(Exit::Shutdown),
                Some(event) = events.recv() => {
                    if let Err(error) = self.handle(event) {
                        break Err(error);
                    }
                }
                () = reach(self.next_beat()) => self.beat(),
            }
            if self.finished {
                break Ok(Exit::Finished);
            }
            if self.drained {
                break Ok(Exit::Drained);
            }
            self.begin_waiting();
            self.poll();
            self.clear_away();
        };
        drop(events);
        self.end(matches!(result, Ok(Exit::Finished))).await;
        result
    }

    /// When to beat next; `None` when not registered.
    fn next_beat(&self) -> Option<Instant> {
        Some(self.registration.as_ref()?.beats.next(self.is_idle(), self.slots.patience()))
    }

    /// Whether nobody waits for anything of it: no attempt is here, no report, and no file that a job may need or that is to be removed.
    fn is_idle(&self) -> bool {
        self.held() == 0 && self.jobs.is_empty()
    }

    /// Attempts that are here: in slots, before them, and ended without an answer.
    fn held(&self) -> usize {
        self.slots.held() + self.queue.len() + self.reports.count()
    }

    /// Lets go of what has ended by itself.
    fn clear_away(&mut self) {
        while self.calls.try_join_next().is_some() {}
        while self.chores.try_join_next().is_some() {}
        self.slots.clear_away();
    }

    fn handle(&mut self, event: Event) -> Result<(), WorkerError> {
        match event {
            Event::Registered(epoch, result) if epoch == self.epoch => self.on_registered(result),
            Event::Polled { epoch, number, result } if epoch == self.epoch => self.on_polled(number, result),
            Event::Beaten(epoch, result) if epoch == self.epoch => self.on_beaten(result),
            Event::RegisterAgain(epoch) if epoch == self.epoch => {
                self.register();
                Ok(())
            }
            Event::PollAgain(epoch) if epoch == self.epoch => {
                self.polls.resting = false;
                Ok(())
            }
            // Of an earlier registration.
            Event::Registered(..)
            | Event::RegisterAgain(_)
            | Event::Polled { .. }
            | Event::PollAgain(_)
            | Event::Beaten(..) => Ok(()),
            Event::Prepared { process, attempt, result } => {
                self.on_prepared(process, attempt, result);
                Ok(())
            }
            Event::Process(process, event) => self.on_process(process, event),
            Event::RestartSlot(slot) => {
                self.slots.start(slot);
                Ok(())
            }
        }
    }
}

/// Waits until then; for ever, if there is no such time.
async fn reach(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
