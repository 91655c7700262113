//! A coordinator that hands out what a test gives it and remembers what it is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use gristmill_model::{
    Assignment, AttemptId, Blob, ClusterId, Incarnation, JobId, Outcome, Progress, Refusal, Report, Segment,
    Sha256, TaskId, WorkerId,
};
use gristmill_protocol::limits::{CHUNK_BYTES, SEGMENTS_PAGE};
use gristmill_protocol::{
    Answer, ClientServiceRequest, ClientServiceResponse, ConnectionId, Endpoint, Heartbeat, KvServiceRequest,
    KvServiceResponse, Lane, Listener, Orders, PeerServiceRequest, PeerServiceResponse, PollReply,
    PollRequest, Registered, Services, Verdict, WorkerHello, WorkerServiceRequest as Call,
    WorkerServiceResponse as Reply, serve,
};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

pub(crate) const CLUSTER: ClusterId = ClusterId(0xc1);
/// Only reached when something is wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct State {
    hellos: Vec<WorkerHello>,
    known: BTreeMap<WorkerId, Incarnation>,
    live_jobs: BTreeSet<JobId>,
    to_give: VecDeque<Assignment>,
    given: Vec<(AttemptId, Incarnation)>,
    reports: Vec<Report>,
    winners: BTreeMap<TaskId, AttemptId>,
    /// Good reports of these tasks come too late.
    decided: BTreeSet<TaskId>,
    cancel: BTreeSet<AttemptId>,
    forget: BTreeSet<JobId>,
    finished: bool,
    leave: bool,
    running: Vec<Progress>,
    heartbeats: u64,
    /// How seldom workers that join are to beat; what is less than they can is as often as they can.
    heartbeat_ms: u64,
    /// The same with nothing to do; never more often than else.
    idle_heartbeat_ms: u64,
    blobs: BTreeMap<Sha256, Vec<u8>>,
    blob_calls: u32,
    /// Done once, before a blob is handed out.
    before_blob: Option<Box<dyn FnOnce() + Send>>,
    segments: BTreeMap<AttemptId, Vec<Segment>>,
    goodbyes: Vec<WorkerId>,
    /// Of each worker, the newest is the one that waits.
    newest_poll: BTreeMap<WorkerId, u64>,
    /// Assignments are handed out again with the next poll.
    to_repeat: Vec<Assignment>,
    /// Polls answered with nothing, after their reports were read.
    polls_to_spoil: u32,
    refused: (u64, u64),
}

/// One member of a group that shares its state, as if it were replicated.
#[derive(Clone, Default)]
pub(crate) struct Coordinator {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    standing: Arc<Mutex<Standing>>,
}

/// What a member does with calls.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    #[default]
    Leads,
    /// And names this one, or none.
    Follows(Option<String>),
    /// It has the calls, and answers none.
    Hangs,
}

/// Ends the service when dropped.
pub(crate) struct Serving {
    _stop: watch::Sender<bool>,
}

impl Coordinator {
    pub(crate) fn serve(&self, listener: Listener) -> Serving {
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve(listener, Arc::new(self.clone()), stopped));
        Serving { _stop: stop }
    }

    pub(crate) fn serve_in_memory(&self) -> (Serving, Endpoint) {
        let (connector, listener) = gristmill_protocol::memory();
        (self.serve(Listener::Memory(listener)), Endpoint::Memory(connector))
    }

    /// Another member of its group.
    pub(crate) fn fellow(&self) -> Self {
        Self { standing: Arc::default(), ..self.clone() }
    }

    pub(crate) fn becomes(&self, standing: Standing) {
        *self.standing.lock().unwrap() = standing;
        self.changed.notify_waiters();
    }

    fn standing(&self) -> Standing {
        self.standing.lock().unwrap().clone()
    }

    /// Calls that were refused by members that do not lead: polls, and heartbeats.
    pub(crate) fn refused(&self) -> (u64, u64) {
        self.state().refused
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change<T>(&self, how: impl FnOnce(&mut State) -> T) -> T {
        let result = how(&mut self.state());
        self.changed.notify_waiters();
        result
    }

    pub(crate) fn give(&self, assignment: Assignment) {
        self.change(|state| {
            state.live_jobs.insert(assignment.attempt.task.job);
            state.to_give.push_back(assignment);
        });
    }

    /// Hands out what may have been handed out before.
    pub(crate) fn give_again(&self, assignment: Assignment) {
        self.change(|state| state.to_repeat.push(assignment));
    }

    pub(crate) fn cancel(&self, attempt: AttemptId) {
        self.change(|state| state.cancel.insert(attempt));
    }

    pub(crate) fn forget(&self, job: JobId) {
        self.change(|state| {
            state.live_jobs.remove(&job);
            state.forget.insert(job);
        });
    }

    pub(crate) fn finish(&self) {
        self.change(|state| state.finished = true);
    }

    /// All workers are to leave.
    pub(crate) fn drain(&self) {
        self.change(|state| state.leave = true);
    }

    /// As after a lost connection: the workers' attempts are given to others.
    pub(crate) fn give_up_workers(&self) {
        self.change(|state| state.known.clear());
    }

    pub(crate) fn decide(&self, task: TaskId) {
        self.change(|state| state.decided.insert(task));
    }

    pub(crate) fn add_blob(&self, sha256: Sha256, bytes: Vec<u8>) {
        self.change(|state| state.blobs.insert(sha256, bytes));
    }

    pub(crate) fn add_segments(&self, attempt: AttemptId, segments: Vec<Segment>) {
        self.change(|state| state.segments.insert(attempt, segments));
    }

    pub(crate) fn add_live_job(&self, job: JobId) {
        self.change(|state| state.live_jobs.insert(job));
    }

    /// The next poll with reports ends with an error, though they have been read.
    pub(crate) fn spoil_next_report(&self) {
        self.change(|state| state.polls_to_spoil += 1);
    }

    pub(crate) fn hellos(&self) -> Vec<WorkerHello> {
        self.state().hellos.clone()
    }

    pub(crate) fn goodbyes(&self) -> Vec<WorkerId> {
        self.state().goodbyes.clone()
    }

    pub(crate) fn before_the_next_blob(&self, act: impl FnOnce() + Send + 'static) {
        self.change(|state| state.before_blob = Some(Box::new(act)));
    }

    pub(crate) fn blob_calls(&self) -> u32 {
        self.state().blob_calls
    }

    /// Reports of an attempt so far.
    pub(crate) fn reports(&self, attempt: AttemptId) -> usize {
        self.state().reports.iter().filter(|report| report.attempt == attempt).count()
    }

    pub(crate) fn incarnation_given(&self, attempt: AttemptId) -> Option<Incarnation> {
        self.state().given.iter().find(|(given, _)| *given == attempt).map(|(_, incarnation)| *incarnation)
    }

    pub(crate) async fn report(&self, attempt: AttemptId) -> Report {
        self.wait(|state| state.reports.iter().find(|report| report.attempt == attempt).cloned()).await
    }

    /// Waits until a heartbeat shows that an attempt has done something.
    pub(crate) async fn progress(&self, attempt: AttemptId, ticks: u64) -> Progress {
        let seen = |p: &&Progress| p.attempt == attempt && p.ticks >= ticks;
        self.wait(|state| state.running.iter().find(seen).copied()).await
    }

    /// Waits until a heartbeat says that an attempt waits for a slot.
    pub(crate) async fn waits(&self, attempt: AttemptId) {
        let waits = |p: &&Progress| p.attempt == attempt && p.waits;
        self.wait(|state| state.running.iter().find(waits).copied()).await;
    }

    /// Waits for that many more heartbeats.
    pub(crate) async fn heartbeats(&self, more: u64) {
        let enough = self.state().heartbeats + more;
        self.wait(|state| (state.heartbeats >= enough).then_some(())).await;
    }

    /// How many heartbeats have come.
    pub(crate) fn heartbeats_so_far(&self) -> u64 {
        self.state().heartbeats
    }

    /// Workers that join from now on are to beat that seldom.
    pub(crate) fn beat_every(&self, heartbeat_ms: u64) {
        self.change(|state| state.heartbeat_ms = heartbeat_ms);
    }

    /// Workers that join from now on are to beat that seldom while they have nothing to do.
    pub(crate) fn rest_for(&self, idle_heartbeat_ms: u64) {
        self.change(|state| state.idle_heartbeat_ms = idle_heartbeat_ms);
    }

    /// How many polls have come from all workers.
    pub(crate) fn polls(&self) -> u64 {
        self.state().newest_poll.values().sum()
    }

    /// Waits until that many registrations have come.
    pub(crate) async fn registered(&self, times: usize) {
        self.wait(|state| (state.hellos.len() >= times).then_some(())).await;
    }

    async fn wait<T>(&self, look: impl Fn(&State) -> Option<T>) -> T {
        let found = async {
            loop {
                let changed = self.changed.notified();
                let mut changed = std::pin::pin!(changed);
                changed.as_mut().enable();
                if let Some(found) = look(&self.state()) {
                    return found;
                }
                changed.await;
            }
        };
        timeout(DEADLINE, found).await.expect("it did not come about")
    }

    async fn poll(self, request: PollRequest) -> Result<PollReply, Refusal> {
        let mut verdicts = Vec::new();
        let number;
        {
            let mut state = self.state();
            check(&state, request.worker, request.incarnation)?;
            let newest = state.newest_poll.entry(request.worker).or_default();
            *newest += 1;
            number = *newest;
            for report in &request.reports {
                verdicts.push((report.attempt, state.judge(report)));
            }
            let spoil = !verdicts.is_empty() && state.polls_to_spoil > 0;
            state.polls_to_spoil -= u32::from(spoil);
            drop(state);
            self.changed.notify_waiters();
            if spoil {
                return Err(Refusal::Unavailable("spoilt by the test".to_owned()));
            }
        }
        let wait = Duration::from_millis(if verdicts.is_empty() { request.wait_ms } else { 0 });
        let mut over = std::pin::pin!(sleep(wait));
        let mut is_over = wait.is_zero();
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            {
                self.check_leading()?;
                let mut state = self.state();
                check(&state, request.worker, request.incarnation)?;
                if state.newest_poll.get(&request.worker) != Some(&number) {
                    return Ok(PollReply::default());
                }
                let orders = state.orders();
                let room = request.free_slots.saturating_add(request.ahead) as usize;
                let count = state.to_give.len().min(room);
                let mut assignments = std::mem::take(&mut state.to_repeat);
                let new: Vec<_> = state.to_give.drain(..count).collect();
                assignments.extend(new);
                let given = assignments.iter().map(|a| (a.attempt, request.incarnation)).collect::<Vec<_>>();
                state.given.extend(given);
                if is_over || !assignments.is_empty() || orders.finished {
                    return Ok(PollReply { assignments, verdicts, orders });
                }
            }
            tokio::select! {
                () = changed => {}
                () = &mut over => is_over = true,
            }
        }
    }

    fn check_leading(&self) -> Result<(), Refusal> {
        match self.standing() {
            Standing::Leads => Ok(()),
            Standing::Follows(leader) => Err(Refusal::NotLeader { leader }),
            // Whoever waits for a poll that is under way sees no difference.
            Standing::Hangs => Ok(()),
        }
    }

    fn refuse(&self, call: &Call, refusal: Refusal) -> Reply {
        match call {
            Call::Register { .. } => Reply::Register(Err(refusal)),
            Call::Poll { .. } => {
                self.change(|state| state.refused.0 += 1);
                Reply::Poll(Err(refusal))
            }
            Call::Heartbeat { .. } => {
                self.change(|state| state.refused.1 += 1);
                Reply::Heartbeat(Err(refusal))
            }
            Call::Segments { .. } => Reply::Segments(Err(refusal)),
            Call::Blob { .. } => Reply::Blob(Err(refusal)),
            Call::Goodbye { .. } => Reply::Goodbye(Err(refusal)),
        }
    }

    fn register(&self, hello: WorkerHello) -> Registered {
        self.change(|state| {
            state.hellos.push(hello.clone());
            let worker = WorkerId(state.hellos.len() as u64);
            state.known.insert(worker, hello.incarnation);
            let live_jobs = state.live_jobs.iter().copied().collect();
            Registered {
                worker,
                cluster: CLUSTER,
                live_jobs,
                heartbeat_ms: state.heartbeat_ms,
                idle_heartbeat_ms: state.idle_heartbeat_ms,
            }
        })
    }

    fn heartbeat(&self, heartbeat: Heartbeat) -> Result<Orders, Refusal> {
        self.change(|state| {
            check(state, heartbeat.worker, heartbeat.incarnation)?;
            state.running = heartbeat.running;
            state.heartbeats += 1;
            Ok(state.orders())
        })
    }

    fn segments(&self, attempt: AttemptId, from: u32) -> Result<Vec<Segment>, Refusal> {
        let state = self.state();
        let all =
            state.segments.get(&attempt).ok_or_else(|| Refusal::Invalid("not your attempt".to_owned()))?;
        Ok(all.iter().skip(from as usize).take(SEGMENTS_PAGE).cloned().collect())
    }

    fn blob(&self, sha256: Sha256, offset: u64) -> Result<Blob, Refusal> {
        let before = self.state().before_blob.take();
        // It may wait for the worker, which runs on the same threads.
        before.into_iter().for_each(tokio::task::block_in_place);
        let mut state = self.state();
        state.blob_calls += 1;
        let all = state.blobs.get(&sha256).ok_or_else(|| Refusal::UnknownBlob(sha256.to_string()))?;
        Ok(Blob(all.iter().skip(offset as usize).take(CHUNK_BYTES).copied().collect()))
    }
}

fn check(state: &State, worker: WorkerId, incarnation: Incarnation) -> Result<(), Refusal> {
    if state.known.get(&worker) == Some(&incarnation) { Ok(()) } else { Err(Refusal::UnknownWorker) }
}

impl State {
    fn judge(&mut self, report: &Report) -> Verdict {
        self.reports.push(report.clone());
        let good = matches!(report.outcome, Outcome::Mapped(_) | Outcome::Reduced(_));
        let task = report.attempt.task;
        if !good || self.decided.contains(&task) {
            return Verdict::Discarded;
        }
        let winner = *self.winners.entry(task).or_insert(report.attempt);
        if winner == report.attempt { Verdict::Won } else { Verdict::Discarded }
    }

    fn orders(&self) -> Orders {
        let reported = |attempt: &&AttemptId| !self.reports.iter().any(|r| r.attempt == **attempt);
        Orders {
            cancel: self.cancel.iter().filter(reported).copied().collect(),
            forget: self.forget.iter().copied().collect(),
            finished: self.finished,
            leave: self.leave,
        }
    }
}

impl Services for Coordinator {
    fn client(&self, _: ConnectionId, call: ClientServiceRequest) -> Answer<ClientServiceResponse> {
        panic!("no client is in this test: {call:?}")
    }

    fn worker(&self, _: ConnectionId, call: Call) -> Answer<Reply> {
        let this = self.clone();
        async move {
            match this.standing() {
                Standing::Leads => {}
                Standing::Hangs => std::future::pending().await,
                Standing::Follows(leader) => return Ok(this.refuse(&call, Refusal::NotLeader { leader })),
            }
            Ok(match call {
                Call::Register { hello } => Reply::Register(Ok(this.register(hello))),
                Call::Poll { request } => Reply::Poll(this.poll(request).await),
                Call::Heartbeat { heartbeat } => Reply::Heartbeat(this.heartbeat(heartbeat)),
                Call::Segments { attempt, from, .. } => Reply::Segments(this.segments(attempt, from)),
                Call::Blob { sha256, offset } => Reply::Blob(this.blob(sha256, offset)),
                Call::Goodbye { worker, .. } => {
                    this.change(|state| state.goodbyes.push(worker));
                    Reply::Goodbye(Ok(this.state().live_jobs.iter().copied().collect()))
                }
            })
        }
        .boxed()
    }

    fn kv(&self, _: ConnectionId, call: KvServiceRequest) -> Answer<KvServiceResponse> {
        panic!("no client is in this test: {call:?}")
    }

    fn peer(&self, _: ConnectionId, _: Lane, call: PeerServiceRequest) -> Answer<PeerServiceResponse> {
        panic!("no peer is in this test: {call:?}")
    }

    fn closed(&self, _: ConnectionId) {}
}
