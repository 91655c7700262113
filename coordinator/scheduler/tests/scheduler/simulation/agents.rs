//! What workers do: they register, send heartbeats, poll, run attempts and read runs.

use std::collections::BTreeSet;

use gristmill_model::{AttemptId, JobPhase, LostRun, Outcome, Progress, Report, Stage, Work, WorkerId};
use gristmill_scheduler::{Answer, Hello, Input, LossCause, Orders, Poll, PollToken, Verdict};

use super::life::{Life, step_ms};
use super::network::{Caller, Request};
use super::worker::{End, Running};
use crate::fixtures;

const WAIT_MS: u64 = 2_000;

impl Life {
    pub(super) fn act(&mut self, index: usize) {
        self.finish_attempts(index);
        let now = self.now;
        let worker = &mut self.workers[index];
        let incarnation = worker.incarnation;
        let Some(id) = worker.id else {
            if worker.next_register <= now {
                worker.next_register = step_ms(now, 500);
                let hello = Hello {
                    name: format!("worker {index}"),
                    incarnation,
                    slots: worker.slots,
                    machine: format!("machine {}", worker.machine),
                    running: worker
                        .running
                        .keys()
                        .chain(worker.queue.iter().map(|(queued, _)| queued))
                        .copied()
                        .collect(),
                };
                self.call_as_worker(index, Input::Register(hello));
                // Whoever does not answer in time is left.
                self.leave_target(index, 300);
            }
            return;
        };
        if worker.next_heartbeat <= now {
            worker.next_heartbeat = step_ms(now, 500);
            for running in worker.running.values_mut().filter(|running| running.ends.is_some()) {
                running.ticks += 1;
            }
            let progress = |(attempt, running): (&AttemptId, &Running)| Progress {
                attempt: *attempt,
                ticks: running.ticks,
                bytes_in: running.ticks,
                waits: false,
            };
            let queued = |(attempt, _): &(AttemptId, Work)| Progress {
                attempt: *attempt,
                ticks: 0,
                bytes_in: 0,
                waits: true,
            };
            let running =
                worker.running.iter().map(progress).chain(worker.queue.iter().map(queued)).collect();
            self.call_as_worker(index, Input::Heartbeat { worker: id, incarnation, running });
        }
        let worker = &mut self.workers[index];
        let waits = worker.poll.is_some_and(|(_, until)| until > now);
        if !waits {
            if worker.poll.is_some() {
                self.leave_target(index, 800);
            }
            self.tokens += 1;
            let token = PollToken(self.tokens);
            let worker = &mut self.workers[index];
            worker.poll = Some((token, step_ms(now, WAIT_MS + 1_000)));
            let (free_slots, reports) = (worker.free_slots(), worker.pending.clone());
            let ahead = worker.slots - worker.queue.len() as u32;
            let held = (worker.running.len() + worker.queue.len()) as u32;
            let poll =
                Poll { token, worker: id, incarnation, free_slots, ahead, held, reports, wait_ms: WAIT_MS };
            self.call_as_worker(index, Input::Poll(poll));
        }
    }

    pub(super) fn call_as_worker(&mut self, index: usize, input: Input) {
        let worker = &self.workers[index];
        let caller = Caller::Worker(index, worker.incarnation);
        self.call(worker.target, caller, Request::Act(input));
    }

    fn leave_target(&mut self, index: usize, per_mille: u64) {
        if self.rng.chance(per_mille) {
            self.workers[index].target = (self.workers[index].target + 1) % self.members.len();
        }
    }

    fn finish_attempts(&mut self, index: usize) {
        let now = self.now;
        let ended = |running: &Running| running.ends.is_some_and(|ends| ends <= now);
        let done: Vec<_> = self.workers[index].running.iter().filter(|(_, running)| ended(running)).collect();
        let done: Vec<_> =
            done.into_iter().map(|(attempt, running)| (*attempt, running.end.clone())).collect();
        for (attempt, mut end) in done {
            self.workers[index].running.remove(&attempt);
            if attempt.task.stage == Stage::Reduce && matches!(end, End::Good) {
                end = self.read_segments(index, attempt, true);
            }
            let report = match end {
                End::Failed => fixtures::failed(attempt, "it is broken"),
                End::RunsLost(runs) => fixtures::ended(attempt, Outcome::RunsLost(runs)),
                End::Cancelled => fixtures::ended(attempt, Outcome::Cancelled),
                End::Good => self.good_report(index, attempt),
            };
            self.workers[index].pending.push(report);
            // A poll that waits for work is given up for news.
            self.workers[index].poll = None;
        }
        self.begin_queued(index);
    }

    fn begin_queued(&mut self, index: usize) {
        while self.workers[index].free_slots() > 0 {
            let Some((attempt, work)) = self.workers[index].queue.pop_front() else { return };
            self.start(index, attempt, &work);
        }
    }

    fn good_report(&mut self, index: usize, attempt: AttemptId) -> Report {
        self.reported_good.insert(attempt);
        let counter = self.rng.below(1_000) as i64;
        let reduces = self.state.spec(attempt.task.job).map_or(0, |spec| spec.reduces);
        match attempt.task.stage {
            Stage::Sample => return fixtures::sampled(attempt, b"acb", counter),
            Stage::Reduce => {
                let report = fixtures::reduced(attempt, counter);
                return self.staged_report(attempt, report);
            }
            Stage::Map if reduces == 0 => {
                let report = fixtures::mapped(attempt, 0, u64::from(attempt.task.index), counter);
                return self.staged_report(attempt, report);
            }
            Stage::Map => {}
        }
        self.disks.entry(self.workers[index].machine).or_default().insert(attempt);
        let fickle = self.rng.chance(self.faults.fickle);
        let digest = if fickle { self.rng.next() } else { u64::from(attempt.task.index) };
        fixtures::mapped(attempt, reduces, digest, counter)
    }

    /// A zombie that comes back after its job is over finds no place to write.
    fn staged_report(&mut self, attempt: AttemptId, mut report: Report) -> Report {
        if self.stage(attempt, &mut report) {
            return report;
        }
        self.met.note("nowhere to write");
        self.reported_good.remove(&attempt);
        let phase = self.state.phase(attempt.task.job);
        let needed = matches!(phase, Some(JobPhase::Sampling | JobPhase::Mapping | JobPhase::Reducing));
        assert!(!needed, "{attempt} finds no place to write, and its job runs");
        fixtures::ended(attempt, Outcome::Cancelled)
    }

    /// Reads the first half of the segments, or the rest.
    fn read_segments(&mut self, index: usize, attempt: AttemptId, rest: bool) -> End {
        let worker = &self.workers[index];
        let Some(id) = worker.id else { return End::Cancelled };
        let maps = self.ledger.jobs.get(&attempt.task.job).map_or(0, |job| job.maps);
        let (from, limit) = if rest { (maps / 2, usize::MAX) } else { (0, (maps / 2) as usize) };
        let Ok(segments) = self.state.segments(id, worker.incarnation, attempt, from, limit) else {
            self.met.note("segments refused");
            return End::Cancelled;
        };
        let makers: BTreeSet<WorkerId> =
            self.workers.iter().filter(|maker| maker.is_up()).filter_map(|maker| maker.id).collect();
        let mut lost = Vec::new();
        for segment in segments {
            let on_disk =
                |machine: usize| self.disks.get(&machine).is_some_and(|disk| disk.contains(&segment.attempt));
            let served = makers.contains(&segment.worker) && (0..4).any(on_disk);
            if on_disk(self.workers[index].machine) || served {
                let digest = self.ledger.digests[&segment.attempt.task];
                self.ledger.read.entry(attempt).or_default().push(digest);
            } else {
                lost.push(LostRun { attempt: segment.attempt, reason: "it is not there".into() });
            }
        }
        if lost.is_empty() {
            return End::Good;
        }
        self.met.note("runs unreadable");
        End::RunsLost(lost)
    }

    pub(super) fn hear_answer(&mut self, index: usize, answer: Answer) {
        let worker = &mut self.workers[index];
        if worker.poll.is_none_or(|(token, _)| token != answer.token) {
            return;
        }
        worker.poll = None;
        let Ok(reply) = answer.reply else {
            worker.id = None;
            return;
        };
        for (attempt, verdict) in reply.verdicts {
            self.workers[index].pending.retain(|report| report.attempt != attempt);
            if verdict == Verdict::Discarded {
                self.disks.entry(self.workers[index].machine).or_default().remove(&attempt);
            }
        }
        for assignment in reply.assignments {
            let attempt = assignment.attempt;
            let worker = &mut self.workers[index];
            if worker.has(attempt) {
                continue;
            }
            if worker.free_slots() > 0 {
                self.start(index, attempt, &assignment.work);
            } else if worker.queue.len() < worker.slots as usize {
                self.met.note("given ahead");
                worker.queue.push_back((attempt, assignment.work));
            }
        }
        self.hear_orders(index, &reply.orders);
    }

    fn start(&mut self, index: usize, attempt: AttemptId, work: &Work) {
        let mut end = match work {
            Work::Map(_) | Work::Sample(_) => End::Good,
            Work::Reduce(_) => self.read_segments(index, attempt, false),
        };
        if matches!(end, End::Good) && self.rng.chance(self.faults.failing) {
            end = End::Failed;
        }
        let hangs = self.rng.chance(self.faults.hanging);
        let ends = (!hangs).then(|| step_ms(self.now, self.rng.between(20, 3_000)));
        self.workers[index].running.insert(attempt, Running { ends, end, ticks: 0 });
    }

    pub(super) fn hear_orders(&mut self, index: usize, orders: &Orders) {
        for attempt in &orders.cancel {
            let worker = &mut self.workers[index];
            let queued = worker.queue.len();
            worker.queue.retain(|(queued, _)| queued != attempt);
            if worker.running.remove(attempt).is_some() || worker.queue.len() < queued {
                self.workers[index].pending.push(fixtures::ended(*attempt, Outcome::Cancelled));
                self.workers[index].poll = None;
            }
        }
        if orders.leave {
            self.leave(index);
        }
        for job in &orders.forget {
            let live = self.state.live_jobs().contains(job);
            assert!(!live, "a worker is told to forget {job}, which is live");
        }
    }

    /// It says goodbye, and another comes in its place after a while.
    fn leave(&mut self, index: usize) {
        self.met.note("worker leaves");
        let Some(worker) = self.workers[index].id else { return };
        self.call_as_worker(index, Input::WorkerGone { worker, cause: LossCause::Goodbye });
        self.workers[index].dead_until = Some(step_ms(self.now, 500));
    }
}
