//! The slots of an agent: which process each has, what it does, and which one is best for an assignment.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use gristmill_model::{Assignment, AttemptId, JobId, Progress, Sha256};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use super::Event;
use crate::config::SlotCommand;
use crate::process::{LatestProgress, ProcessId, SlotProcess};
use crate::work_dir::WorkDir;

/// Starts of a slot in a row that may fail before the worker gives up, unless slots have started before: then it is the machine that is
/// in need, and that may pass.
const FAILED_STARTS_MAX: u32 = 5;
/// Pause before the second start in a row; it doubles with each.
const RESTART_PAUSE: Duration = Duration::from_millis(100);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(3);

/// Which slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotIndex(usize);

/// What ties a process to some assignments for ever: a library is never unloaded, a memory bound never raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    plugin: Sha256,
    memory_bytes: u64,
}

impl Bound {
    fn of(assignment: &Assignment) -> Self {
        Self { plugin: assignment.plugin.sha256, memory_bytes: assignment.memory_bytes }
    }
}

/// A place for one attempt at a time.
#[derive(Default)]
pub(super) struct Slot {
    process: Option<SlotProcess>,
    ready: bool,
    bound: Option<Bound>,
    failed_starts: u32,
    pub(super) busy: Option<Busy>,
}

/// An attempt in a slot.
pub(super) struct Busy {
    pub(super) assignment: Assignment,
    /// The one file that the attempt makes.
    pub(super) product: PathBuf,
    /// Grows while the attempt is prepared.
    pub(super) steps: Arc<AtomicU64>,
    pub(super) doing: Doing,
}

/// How far an attempt is.
pub(super) enum Doing {
    /// The agent gathers what the slot needs.
    Preparing(AbortHandle),
    /// The slot runs it.
    Running(Arc<LatestProgress>),
    /// The slot has been killed for it; `report` is whether anybody waits for its end.
    Dying { report: bool },
}

/// What a death means for the slot.
pub(super) enum AfterDeath {
    /// It starts again, now or after a pause.
    Restarts,
    /// Too many starts have failed in a row.
    Hopeless,
}

/// All slots.
pub(super) struct Slots {
    slots: Vec<Slot>,
    command: SlotCommand,
    dir: Arc<WorkDir>,
    events: UnboundedSender<Event>,
    next_process: u64,
    any_started: bool,
    /// Threads of processes that were sent away.
    keepers: Vec<JoinHandle<()>>,
}

impl Slots {
    pub(super) fn new(
        slots: u32,
        command: SlotCommand,
        dir: Arc<WorkDir>,
        events: UnboundedSender<Event>,
    ) -> Self {
        let slots = (0..slots).map(|_| Slot::default()).collect();
        Self { slots, command, dir, events, next_process: 0, any_started: false, keepers: Vec::new() }
    }

    pub(super) fn start_all(&mut self) {
        (0..self.slots.len()).for_each(|index| self.start(SlotIndex(index)));
    }

    /// Gives a slot a new process; the one it has, if any, ends.
    pub(super) fn start(&mut self, index: SlotIndex) {
        self.next_process += 1;
        let id = ProcessId(self.next_process);
        let events = self.events.clone();
        let tell = move |id, event| drop(events.send(Event::Process(id, event)));
        let started = SlotProcess::start(id, self.command.clone(), self.dir.slot_home(id), tell);
        let slot = &mut self.slots[index.0];
        let old = slot.process.take();
        (slot.ready, slot.bound) = (false, None);
        match started {
            Ok(process) => slot.process = Some(process),
            Err(error) => {
                tracing::warn!(%error, "cannot start the keeper of a slot");
                self.restart_later(index);
            }
        }
        self.keepers.extend(old.and_then(SlotProcess::into_keeper));
    }

    /// How many attempts could begin now.
    pub(super) fn free(&self) -> u32 {
        let free = self.slots.iter().filter(|slot| slot.is_free()).count();
        u32::try_from(free).unwrap_or(u32::MAX)
    }

    /// How many attempts are in slots.
    pub(super) fn held(&self) -> usize {
        self.slots.iter().filter(|slot| slot.busy.is_some()).count()
    }

    /// How long the least patient attempt in a slot may be without progress.
    pub(super) fn patience(&self) -> Option<Duration> {
        let busy = self.slots.iter().filter_map(|slot| slot.busy.as_ref());
        busy.map(|busy| Duration::from_millis(busy.assignment.task_timeout_ms)).min()
    }

    /// A free slot whose process can take `assignment`: best one that has loaded its plugin, then a fresh one, then one that gets a new
    /// process.
    pub(super) fn choose(&mut self, assignment: &Assignment) -> Option<SlotIndex> {
        let bound = Bound::of(assignment);
        let rank = |slot: &Slot| match slot.bound {
            Some(has) if has == bound => 0,
            None if slot.ready => 1,
            None => 2,
            Some(_) => 3,
        };
        let free = self.slots.iter().enumerate().filter(|(_, slot)| slot.is_free());
        let (index, slot) = free.min_by_key(|(_, slot)| rank(slot))?;
        if rank(slot) == 3 {
            self.start(SlotIndex(index));
        }
        self.slots[index].process.is_some().then_some(SlotIndex(index))
    }

    /// From now on the slot's process is for assignments like this one.
    pub(super) fn bind(&mut self, index: SlotIndex, assignment: &Assignment) {
        self.slots[index.0].bound = Some(Bound::of(assignment));
    }

    pub(super) fn process(&self, index: SlotIndex) -> Option<&SlotProcess> {
        self.slots[index.0].process.as_ref()
    }

    pub(super) fn busy(&mut self, index: SlotIndex) -> &mut Option<Busy> {
        &mut self.slots[index.0].busy
    }

    /// The slot that this process belongs to; none when it was sent away.
    pub(super) fn of_process(&self, id: ProcessId) -> Option<SlotIndex> {
        let own = |slot: &Slot| slot.process.as_ref().is_some_and(|process| process.id() == id);
        self.slots.iter().position(own).map(SlotIndex)
    }

    /// The slot that has this attempt.
    pub(super) fn of_attempt(&self, attempt: AttemptId) -> Option<SlotIndex> {
        let own = |slot: &Slot| slot.busy.as_ref().is_some_and(|busy| busy.assignment.attempt == attempt);
        self.slots.iter().position(own).map(SlotIndex)
    }

    /// All attempts that are somewhere.
    pub(super) fn attempts(&self) -> Vec<AttemptId> {
        self.slots.iter().filter_map(|slot| Some(slot.busy.as_ref()?.assignment.attempt)).collect()
    }

    pub(super) fn works_for(&self, job: JobId) -> bool {
        self.attempts().iter().any(|attempt| attempt.task.job == job)
    }

    /// How far every attempt is that somebody waits for.
    pub(super) fn progress(&self) -> Vec<Progress> {
        self.slots.iter().filter_map(|slot| slot.busy.as_ref()?.progress()).collect()
    }

    pub(super) fn on_ready(&mut self, index: SlotIndex) {
        let slot = &mut self.slots[index.0];
        (slot.ready, slot.failed_starts) = (true, 0);
        self.any_started = true;
    }

    /// Whether a death of the present process would be a failed start.
    pub(super) fn is_ready(&self, index: SlotIndex) -> bool {
        self.slots[index.0].ready
    }

    /// The process of a slot is dead: it gets another. One that never became ready gets it after a pause, for a while.
    pub(super) fn on_death(&mut self, index: SlotIndex) -> AfterDeath {
        let slot = &mut self.slots[index.0];
        if slot.ready {
            self.start(index);
            return AfterDeath::Restarts;
        }
        self.keepers.extend(slot.process.take().and_then(SlotProcess::into_keeper));
        self.restart_later(index)
    }

    fn restart_later(&mut self, index: SlotIndex) -> AfterDeath {
        let slot = &mut self.slots[index.0];
        slot.failed_starts += 1;
        if slot.failed_starts > FAILED_STARTS_MAX && !self.any_started {
            return AfterDeath::Hopeless;
        }
        let doublings = (slot.failed_starts - 1).min(FAILED_STARTS_MAX);
        let pause = (RESTART_PAUSE * 2_u32.pow(doublings)).min(RESTART_PAUSE_MAX);
        let events = self.events.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = events.send(Event::RestartSlot(index));
        });
        AfterDeath::Restarts
    }

    pub(super) fn clear_away(&mut self) {
        self.keepers.retain(|keeper| !keeper.is_finished());
    }

    /// Kills all; returns what each was doing, and the threads that end when everything of them is gone.
    pub(super) fn end(self) -> (Vec<Busy>, Vec<JoinHandle<()>>) {
        let mut keepers = self.keepers;
        let mut busy = Vec::new();
        for slot in self.slots {
            busy.extend(slot.busy);
            keepers.extend(slot.process.and_then(SlotProcess::into_keeper));
        }
        (busy, keepers)
    }
}

impl Slot {
    fn is_free(&self) -> bool {
        self.busy.is_none() && self.process.is_some()
    }
}

impl Busy {
    fn progress(&self) -> Option<Progress> {
        let attempt = self.assignment.attempt;
        let steps = self.steps.load(Ordering::Relaxed);
        match &self.doing {
            Doing::Running(latest) => {
                let (ticks, bytes_in) = latest.get();
                Some(Progress { attempt, ticks: steps + ticks, bytes_in, waits: false })
            }
            Doing::Preparing(_) | Doing::Dying { report: true } => {
                Some(Progress { attempt, ticks: steps, bytes_in: 0, waits: false })
            }
            Doing::Dying { report: false } => None,
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Doing::Preparing(task) = &self.doing {
            task.abort();
        }
    }
}
