//! What was given ahead makes way: no slot begins it while a task of a higher priority waits, and no job waits for ever behind it.

use std::collections::VecDeque;

use gristmill_model::{AttemptId, JobId, JobSpec, Progress, Report, TaskId};
use gristmill_scheduler::{Input, Leader, Poll};
use proptest::prelude::*;

use crate::fixtures::{mapped, spec, submit};
use crate::world::{World, map, settings};

/// A large job, and two workers of two slots that hold two attempts of it ahead.
fn busy(maps: u64) -> World {
    let mut world = World::new();
    world.submit(spec(1, maps, 0));
    for (worker, machine) in [(1, "a"), (2, "b")] {
        world.join(machine, 2);
        let poll = world.poll_of(worker, 2, 2, 0);
        world.happen(&[Input::Poll(poll)]);
    }
    for worker in [1, 2] {
        assert_eq!(world.running(worker).len(), 4, "two run and two wait");
        wait_for_news(&mut world, worker, 0);
    }
    world.look_away();
    world
}

fn wait_for_news(world: &mut World, worker: u64, ahead: u32) {
    let poll = world.poll_of(worker, 0, ahead, 4 - ahead);
    world.happen(&[Input::Poll(poll)]);
}

/// Job 2, of so many maps.
fn second(maps: u64, priority: i8) -> JobSpec {
    JobSpec { priority, ..spec(2, maps, 0) }
}

fn ends(world: &mut World, worker: u64, attempt: AttemptId, free: u32, ahead: u32, held: u32) {
    let reports = vec![mapped(attempt, 0, 1, 1)];
    let poll = Poll { reports, ..world.poll_of(worker, free, ahead, held) };
    world.happen(&[Input::Poll(poll)]);
}

#[test]
fn the_next_free_slot_is_for_a_job_of_a_higher_priority() {
    let mut world = busy(100);
    world.submit(second(1, 1));
    let taken = ["j1.m2.a0", "j1.m3.a0", "j1.m6.a0", "j1.m7.a0"].map(|it| format!("{it} ends: TakenBack"));
    assert_eq!(world.told(), [&["j2 submitted".to_owned()][..], &taken].concat());
    assert_eq!(world.answers(), ["w1: end j1.m2.a0, end j1.m3.a0", "w2: end j1.m6.a0, end j1.m7.a0"]);
    // Whichever slot that is.
    ends(&mut world, 2, map(4, 0), 1, 2, 1);
    assert_eq!(world.told()[..2], ["j1.m4.a0 wins", "j2.m0.a0 to w2"]);
    let attempts = world.status().attempts;
    assert_eq!((attempts.failed, attempts.cancelled, attempts.worker_lost), (0, 4, 0), "nothing went wrong");
}

#[test]
fn what_was_taken_back_waits_as_before_and_is_given_out_again() {
    let mut world = busy(16);
    world.submit(second(1, 1));
    world.look_away();
    ends(&mut world, 1, map(0, 0), 1, 2, 1);
    assert_eq!(world.told(), ["j1.m0.a0 wins", "j2.m0.a0 to w1", "j1.m2.a1 to w1", "j1.m3.a1 to w1"]);
}

#[test]
fn what_has_begun_is_left_alone() {
    let mut world = busy(100);
    // Its first attempt has ended, and the first that waited has begun.
    ends(&mut world, 1, map(0, 0), 0, 1, 3);
    let beat = world.heartbeat(
        2,
        [(4, false), (5, false), (6, false), (7, true)]
            .map(|(index, waits)| Progress { attempt: map(index, 0), ticks: 1, bytes_in: 0, waits })
            .into(),
    );
    world.happen(&[beat]);
    world.look_away();
    world.submit(second(1, 1));
    let told = world.told();
    assert!(!told.iter().any(|it| it.starts_with("j1.m2.a0") || it.starts_with("j1.m6.a0")), "{told:?}");
    assert!(told.contains(&"j1.m3.a0 ends: TakenBack".into()), "{told:?}");
    assert!(told.contains(&"j1.m7.a0 ends: TakenBack".into()), "{told:?}");
}

#[test]
fn an_equal_takes_nothing_back_and_gets_a_slot_when_what_waits_has_begun() {
    let mut world = busy(100);
    world.submit(second(3, 0));
    assert_eq!(world.told(), ["j2 submitted"]);
    // Each of these begins in a slot of its own what was given ahead, and nothing more is.
    ends(&mut world, 1, map(0, 0), 0, 1, 3);
    ends(&mut world, 1, map(1, 0), 0, 2, 2);
    assert_eq!(world.told(), ["j1.m0.a0 wins", "j1.m1.a0 wins"]);
    ends(&mut world, 1, map(2, 0), 1, 2, 1);
    assert_eq!(world.told(), ["j1.m2.a0 wins", "j2.m0.a0 to w1"]);
}

#[test]
fn a_new_leader_learns_from_heartbeats_what_waits() {
    let mut world = busy(100);
    world.leader = Leader::new(&world.state, world.now, settings());
    world.submit(second(1, 1));
    world.look_away();
    let waits = [(0, false), (1, false), (2, true), (3, true)];
    let progress =
        waits.map(|(index, waits)| Progress { attempt: map(index, 0), ticks: 1, bytes_in: 0, waits });
    let beat = world.heartbeat(1, progress.into());
    world.happen(&[beat]);
    assert_eq!(world.told(), ["j1.m2.a0 ends: TakenBack", "j1.m3.a0 ends: TakenBack"]);
}

/// A worker that does what it is told at once.
struct Slots {
    worker: u64,
    running: Vec<AttemptId>,
    queue: VecDeque<AttemptId>,
}

const SLOTS: usize = 2;

impl Slots {
    fn hear(&mut self, part: &str) {
        if let Some(given) = part.strip_prefix("run ") {
            let given = given.parse().expect("an attempt");
            if self.running.len() < SLOTS {
                self.running.push(given);
            } else {
                self.queue.push_back(given);
            }
        } else if let Some(ended) = part.strip_prefix("end ") {
            let ended: AttemptId = ended.parse().expect("an attempt");
            assert!(!self.running.contains(&ended), "{ended} has begun and is taken away");
            self.queue.retain(|queued| *queued != ended);
        }
    }

    fn ask(&mut self, world: &mut World, reports: Vec<Report>) {
        let count = |len: usize| len as u32;
        let (free, room) = (count(SLOTS - self.running.len()), count(SLOTS - self.queue.len()));
        let held = count(self.running.len() + self.queue.len());
        let poll = Poll { reports, ..world.poll_of(self.worker, free, room, held) };
        world.happen(&[Input::Poll(poll)]);
    }
}

/// Workers take in what they are told, and ask again, until all wait.
fn hear(world: &mut World, workers: &mut [Slots]) {
    let mut answers = world.answers();
    while !answers.is_empty() {
        for answer in answers {
            let (worker, parts) = answer.split_once(": ").expect("a worker and what it is told");
            if parts.is_empty() {
                // To a poll that it has given up for another one.
                continue;
            }
            let number: usize = worker.trim_start_matches('w').parse().expect("a number");
            let slots = &mut workers[number - 1];
            parts.split(", ").for_each(|part| slots.hear(part));
            slots.ask(world, vec![]);
        }
        answers = world.answers();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Jobs come and attempts end in any order: whatever a slot begins, nothing of a higher priority waits for one.
    #[test]
    fn no_slot_begins_what_is_less_urgent(
        workers in 1..4_usize,
        moves in proptest::collection::vec((0..4_usize, 0..SLOTS, 0..3_i8, 1..12_u64), 1..80),
    ) {
        let mut world = World::new();
        let mut all: Vec<_> = (1..=workers as u64)
            .map(|worker| Slots { worker, running: vec![], queue: VecDeque::new() })
            .collect();
        all.iter().for_each(|slots| world.join(&slots.worker.to_string(), 2));
        let mut jobs: Vec<(i8, u64)> = vec![];
        for (which, slot, priority, maps) in moves {
            if which >= workers {
                jobs.push((priority, maps));
                let request = jobs.len() as u64;
                world.happen(&[submit(JobSpec { priority, ..spec(request, maps, 0) })]);
            } else {
                let slots = &mut all[which];
                let ended = (slot < slots.running.len()).then(|| slots.running.remove(slot));
                let begun = ended.and_then(|_| slots.queue.pop_front());
                slots.running.extend(begun);
                if let Some(begun) = begun {
                    let waits = highest_that_waits(&world, &jobs, &all, ended);
                    prop_assert!(waits <= Some(priority_of(&jobs, begun)), "{begun} begins, {waits:?} waits");
                }
                all[which].ask(&mut world, ended.map(|ended| mapped(ended, 0, 1, 1)).into_iter().collect());
            }
            hear(&mut world, &mut all);
        }
    }
}

fn priority_of(jobs: &[(i8, u64)], attempt: AttemptId) -> i8 {
    jobs[attempt.task.job.0 as usize - 1].0
}

/// Of the tasks that no worker has.
fn highest_that_waits(
    world: &World,
    jobs: &[(i8, u64)],
    workers: &[Slots],
    ended: Option<AttemptId>,
) -> Option<i8> {
    let held: Vec<TaskId> = workers
        .iter()
        .flat_map(|slots| slots.running.iter().chain(&slots.queue))
        .chain(&ended)
        .map(|attempt| attempt.task)
        .collect();
    let waits = |number: &usize| {
        let job = JobId(*number as u64 + 1);
        let done = world.leader.job_status(&world.state, job).map_or(0, |status| status.map.done);
        let held = held.iter().filter(|task| task.job == job).count();
        jobs[*number].1 > u64::from(done) + held as u64
    };
    (0..jobs.len()).filter(waits).map(|number| jobs[number].0).max()
}
