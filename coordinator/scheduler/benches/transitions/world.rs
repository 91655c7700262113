//! A coordinator whose workers always have something to report.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gristmill_model::{
    AttemptId, AttemptStats, Blob, ClientId, ClusterId, Incarnation, InputFile, InputMode, JobSpec,
    MapResult, Outcome, PartitionSize, PathBytes, PluginInfo, Report, RequestId, RequestKey, Sha256, Stage,
    Timestamp, WorkerId,
};
use gristmill_scheduler::{Hello, Input, Leader, Planner, Poll, PollToken, Settings, State, apply};

use super::timed;

const REDUCES: u32 = 16;

/// Whether somebody holds a copy of the state while it changes, a new one for each half of the running attempts.
#[derive(Clone, Copy)]
pub(crate) enum Copies {
    Never,
    Often,
}

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::Often => "often",
        })
    }
}

pub(crate) struct World {
    pub(crate) state: State,
    leader: Leader,
    now: Timestamp,
    tokens: u64,
    /// Running attempts, the oldest first.
    running: VecDeque<(WorkerId, AttemptId)>,
}

impl World {
    /// All slots of so many workers are busy with so many map tasks, of one job with reduces or of several without.
    pub(crate) fn new(workers: u64, slots: u32, tasks: u64, jobs: u64) -> Self {
        let (state, now) = (State::new(), Timestamp::from_ms(1_000));
        let leader = Leader::new(&state, now, Settings::default());
        let mut world = Self { state, leader, now, tokens: 0, running: VecDeque::new() };
        world.turn(&[Input::Found(ClusterId(1)), Input::OpenSession { nonce: 1 }]);
        for worker in 1..=workers {
            world.turn(&[Input::Register(hello(worker, slots))]);
        }
        let reduces = if jobs > 1 { 0 } else { REDUCES };
        for job in 1..=jobs {
            world.turn(&[Input::Submit(Arc::new(spec(job, tasks / jobs, reduces)), Planner::EvenPieces)]);
        }
        let polls: Vec<_> = (1..=workers).map(|id| world.poll(WorkerId(id), slots, Vec::new())).collect();
        world.turn(&polls);
        world
    }

    /// Reports so many winners, or as many maps as there are left, by so many workers at once, each of which is given another attempt. Returns how
    /// many facts that made, and the time of the coordinator alone.
    pub(crate) fn run(
        &mut self,
        winners: u64,
        batch: u64,
        copies: Copies,
    ) -> Result<(u64, Duration), Box<dyn Error>> {
        let (mut facts, mut time, mut left) = (0, Duration::ZERO, winners);
        while left > 0 && !self.running.is_empty() {
            // All that is told of half of the running attempts is made before the time begins.
            let told = left.min(self.running.len().div_ceil(2) as u64);
            let rounds: Vec<_> = (0..told.div_ceil(batch)).map(|_| self.polls(batch)).collect();
            left -= told;
            let (longer, more) = timed(|| {
                let copy = matches!(copies, Copies::Often).then(|| self.state.clone());
                let more: u64 = rounds.iter().map(|polls| self.turn(polls)).sum();
                drop(copy);
                more
            })?;
            time += longer;
            facts += more;
        }
        Ok((facts, time))
    }

    fn polls(&mut self, count: u64) -> Vec<Input> {
        self.now.ms += 1;
        let mut reports: BTreeMap<WorkerId, Vec<Report>> = BTreeMap::new();
        for _ in 0..count {
            let Some((worker, attempt)) = self.running.pop_front() else { break };
            let reduces = self.state.spec(attempt.task.job).map_or(0, |spec| spec.reduces);
            reports.entry(worker).or_default().push(mapped(attempt, reduces));
        }
        let poll = |(worker, reports): (WorkerId, Vec<Report>)| {
            self.poll(worker, u32::try_from(reports.len()).unwrap_or(u32::MAX), reports)
        };
        reports.into_iter().map(poll).collect()
    }

    fn poll(&mut self, worker: WorkerId, free_slots: u32, reports: Vec<Report>) -> Input {
        self.tokens += 1;
        Input::Poll(Poll {
            token: PollToken(self.tokens),
            worker,
            incarnation: Incarnation(worker.0),
            free_slots,
            ahead: 0,
            held: u32::MAX,
            reports,
            wait_ms: 60_000,
        })
    }

    /// One decision, until the leader wants no other.
    fn turn(&mut self, inputs: &[Input]) -> u64 {
        let mut count = 0;
        let mut inputs = inputs;
        loop {
            let facts = self.leader.decide(&self.state, self.now, inputs);
            for fact in &facts {
                apply(&mut self.state, fact).expect("what was decided is legal");
            }
            count += facts.len() as u64;
            for answer in self.leader.answers(&self.state, self.now) {
                let given = answer.reply.into_iter().flat_map(|reply| reply.assignments);
                let maps = given.filter(|given| given.attempt.task.stage == Stage::Map);
                self.running.extend(maps.map(|given| (answer.worker, given.attempt)));
            }
            inputs = &[];
            if self.leader.next_deadline().is_none_or(|deadline| deadline > self.now) {
                return count;
            }
        }
    }
}

fn hello(worker: u64, slots: u32) -> Hello {
    Hello {
        name: format!("worker-{worker}"),
        incarnation: Incarnation(worker),
        slots,
        machine: format!("machine-{}", worker / 2),
        running: Vec::new(),
    }
}

fn spec(job: u64, tasks: u64, reduces: u32) -> JobSpec {
    let plugin = PluginInfo {
        sha256: Sha256([7; 32]),
        bytes: 1_000,
        name: "wc".into(),
        version: "1.0.0".into(),
        input_mode: InputMode::Text,
        map_only: reduces == 0,
        combines: true,
        total_order: false,
    };
    let file = InputFile {
        name: "a".into(),
        path: "/in/a".into(),
        bytes: tasks << 20,
        modified_ns: 0,
        splittable: true,
    };
    JobSpec {
        key: RequestKey { client: ClientId(1), request: RequestId(job) },
        plugin,
        params: Default::default(),
        inputs: vec![file],
        output: format!("/out/{job}").as_str().into(),
        overwrite: false,
        reduces,
        split_bytes: 1 << 20,
        memory_bytes: 1 << 28,
        task_timeout_ms: u64::MAX,
        max_attempts: 4,
        priority: 0,
    }
}

fn mapped(attempt: AttemptId, reduces: u32) -> Report {
    let path = format!("/var/lib/gristmill/work/gristmill-0123456789abcdef-j1/{attempt}.run");
    let stats = AttemptStats {
        bytes_in: 1 << 20,
        records_in: 20_000,
        calls: 17,
        pairs_in: 180_000,
        pairs_out: 9_000,
        bytes_out: 140_000,
        records_out: 0,
        spills: 1,
        wall_ms: 213,
        cpu_ms: 198,
        peak_bytes: 12 << 20,
        counters: [("lines".to_owned(), 20_000), ("words".to_owned(), 180_000)].into(),
    };
    let outcome = Outcome::Mapped(MapResult {
        path: PathBytes(path.into_bytes()),
        bytes: 140_000,
        digest: u64::from(attempt.task.index) << 20,
        partitions: vec![PartitionSize { bytes: 9_000, pairs: 560 }; reduces as usize],
        stats,
    });
    Report { attempt, outcome, log: Blob::default() }
}
