//! The driver is killed before and after every call it makes, and started again: no iteration runs twice, and the result is the same.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;
use gristmill_model::{ClientId, JobId, RequestId, RequestKey};
use kmeans::Point;

use super::drive;
use crate::cluster::{Cluster, Ended, Submitted};
use crate::progress::{Goal, Progress, Step};

/// A cluster that halves the distance of each centroid to 0 in every iteration, and may lose its caller at any call.
#[derive(Default)]
struct World {
    store: RefCell<Option<(Progress, u64)>>,
    sessions: Cell<u64>,
    over: RefCell<BTreeSet<u64>>,
    jobs: RefCell<BTreeMap<RequestKey, (JobId, u32)>>,
    forgotten: Cell<bool>,
    failing: Cell<bool>,
    /// Jobs are refused, and what was refused once is refused for ever.
    refusing: Cell<bool>,
    refused: RefCell<BTreeSet<RequestKey>>,
    /// How often a job was made for each iteration.
    runs: RefCell<BTreeMap<u32, u32>>,
    outputs: RefCell<BTreeMap<u32, Vec<Point>>>,
    /// Calls until the caller is killed: before the call has an effect, or after it.
    left: Cell<Option<u32>>,
    calls: Cell<u32>,
}

impl World {
    /// A call: with its effect, or without.
    fn call<T>(&self, effect: impl FnOnce() -> T) -> anyhow::Result<T> {
        self.calls.set(self.calls.get() + 1);
        self.tick()?;
        let result = effect();
        self.tick()?;
        Ok(result)
    }

    fn tick(&self) -> anyhow::Result<()> {
        match self.left.get() {
            Some(0) => Err(anyhow!("killed")),
            Some(left) => {
                self.left.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn session_is_over(&self, session: u64) {
        self.over.borrow_mut().insert(session);
    }
}

fn halved(points: &[Point]) -> Vec<Point> {
    points.iter().map(|point| Point(point.0.iter().map(|value| value / 2).collect())).collect()
}

impl Cluster for World {
    async fn read(&self) -> anyhow::Result<Option<(Progress, u64)>> {
        self.call(|| self.store.borrow().clone())
    }

    async fn write(&self, version: u64, progress: &Progress) -> anyhow::Result<Option<u64>> {
        self.call(|| {
            let mut store = self.store.borrow_mut();
            let is = store.as_ref().map_or(0, |(_, version)| *version);
            if is != version {
                return None;
            }
            *store = Some((progress.clone(), version + 1));
            Some(version + 1)
        })
    }

    async fn session(&self, _: RequestId) -> anyhow::Result<ClientId> {
        self.call(|| {
            self.sessions.set(self.sessions.get() + 1);
            ClientId(self.sessions.get())
        })
    }

    async fn submit(
        &self,
        key: RequestKey,
        iteration: u32,
        centroids: &[Point],
    ) -> anyhow::Result<Submitted> {
        self.call(|| {
            let mut jobs = self.jobs.borrow_mut();
            if let Some((job, _)) = jobs.get(&key) {
                return Submitted::Job(*job);
            }
            if self.over.borrow().contains(&key.client.0) {
                return Submitted::SessionOver;
            }
            if self.refusing.get() || self.refused.borrow().contains(&key) {
                self.refused.borrow_mut().insert(key);
                return Submitted::Refused("no room".to_owned());
            }
            let job = JobId(jobs.len() as u64 + 1);
            jobs.insert(key, (job, iteration));
            *self.runs.borrow_mut().entry(iteration).or_default() += 1;
            self.outputs.borrow_mut().insert(iteration, halved(centroids));
            Submitted::Job(job)
        })
    }

    async fn wait(&self, job: JobId) -> anyhow::Result<Ended> {
        self.call(|| {
            if self.forgotten.get() {
                return Ended::Forgotten;
            }
            assert!(self.jobs.borrow().values().any(|(known, _)| *known == job));
            if self.failing.get() { Ended::Failed("no such luck".to_owned()) } else { Ended::Done }
        })
    }

    async fn output(&self, iteration: u32, _: &[Point]) -> anyhow::Result<Option<Vec<(usize, Point)>>> {
        self.call(|| {
            self.outputs.borrow().get(&iteration).map(|points| points.iter().cloned().enumerate().collect())
        })
    }
}

const GOAL: Goal = Goal { tolerance: 100_000, iterations_max: 50 };

fn begin() -> Vec<Point> {
    Point::parse_list("1,2;-1,0").unwrap()
}

async fn start(world: &World) -> anyhow::Result<Progress> {
    drive(world, &begin(), GOAL, &mut |_| {}).await
}

#[tokio::test]
async fn a_run_goes_on_until_nothing_moves() {
    let world = World::default();
    let mut told = Vec::new();
    let end = drive(&world, &begin(), GOAL, &mut |progress| told.push(progress.moved)).await.unwrap();
    assert_eq!(told, [1_000_000, 500_000, 250_000, 125_000, 62_500].map(Some));
    assert_eq!(Point::list(&end.centroids), "0.03125,0.0625;-0.03125,0");
    assert!(
        world.runs.borrow().iter().map(|(iteration, runs)| (*iteration, *runs)).eq((1..=5).map(|n| (n, 1)))
    );
    // Started again, it only tells the result.
    let calls = world.calls.get();
    assert_eq!(start(&world).await.unwrap(), end);
    assert_eq!(world.calls.get(), calls + 1);
}

#[tokio::test]
async fn killed_before_or_after_any_call_it_goes_on_and_runs_no_iteration_twice() {
    let expected = start(&World::default()).await.unwrap();
    let mut killed = 0;
    for first in 0.. {
        let world = World::default();
        world.left.set(Some(first));
        if start(&world).await.is_ok() {
            break;
        }
        killed += 1;
        // The second life ends early as well.
        world.left.set(Some(first % 7));
        let _ = start(&world).await;
        world.left.set(None);
        assert_eq!(start(&world).await.unwrap(), expected, "killed at {first}");
        assert!(world.runs.borrow().values().all(|runs| *runs == 1), "killed at {first}: {:?}", world.runs);
    }
    assert!(killed > 40, "killed at only {killed} places");
}

#[tokio::test]
async fn when_the_session_has_run_out_an_iteration_that_was_submitted_is_not_run_again() {
    for submitted in [false, true] {
        let world = World::default();
        let progress = Progress::begin(&begin()).at(Step::Submitting { session: 77 });
        if submitted {
            world.submit(progress.request(77), 1, &progress.centroids).await.unwrap();
        }
        *world.store.borrow_mut() = Some((progress, 1));
        world.session_is_over(77);
        start(&world).await.unwrap();
        assert!(world.runs.borrow().values().all(|runs| *runs == 1), "{submitted}");
    }
}

#[tokio::test]
async fn a_job_that_is_forgotten_counts_if_its_output_is_there() {
    let world = World::default();
    let progress = Progress::begin(&begin());
    let submitted = world.submit(progress.request(1), 1, &progress.centroids).await.unwrap();
    assert_eq!(submitted, Submitted::Job(JobId(1)));
    *world.store.borrow_mut() = Some((progress.running(JobId(1)), 1));
    world.forgotten.set(true);
    start(&world).await.unwrap();
    assert!(world.runs.borrow().values().all(|runs| *runs == 1));
}

#[tokio::test]
async fn a_failed_iteration_is_told_and_tried_again_by_the_next_start() {
    let world = World::default();
    world.failing.set(true);
    let error = start(&world).await.unwrap_err();
    assert_eq!(error.to_string(), "iteration 1 failed: no such luck; another start tries it again");
    assert_eq!(world.store.borrow().as_ref().unwrap().0, Progress::begin(&begin()));
    world.failing.set(false);
    start(&world).await.unwrap();
    assert_eq!(world.runs.borrow()[&1], 2);
}

#[tokio::test]
async fn a_refused_iteration_is_told_and_asked_for_under_another_key_by_the_next_start() {
    let world = World::default();
    world.refusing.set(true);
    let error = start(&world).await.unwrap_err();
    assert_eq!(error.to_string(), "iteration 1 failed: no room; another start tries it again");
    world.refusing.set(false);
    let expected = start(&World::default()).await.unwrap();
    assert_eq!(start(&world).await.unwrap(), expected);
    assert!(world.runs.borrow().values().all(|runs| *runs == 1));
}

#[tokio::test]
async fn two_drivers_of_one_run_do_not_run_an_iteration_twice() {
    let world = World::default();
    let expected = start(&World::default()).await.unwrap();
    // One has stopped between its session and its writing of it; another has meanwhile begun the run.
    let (mine, version) = (Progress::begin(&begin()).at(Step::Submitting { session: 1 }), 0);
    world.sessions.set(1);
    world.left.set(Some(9));
    assert!(start(&world).await.is_err());
    world.left.set(None);
    assert_eq!(world.write(version, &mine).await.unwrap(), None, "it is told that another was faster");
    assert_eq!(start(&world).await.unwrap(), expected);
    assert!(world.runs.borrow().values().all(|runs| *runs == 1));
}
