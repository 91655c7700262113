//! A program that drives jobs may be killed at any moment and started again: `kmeans-driver`, as docs/iterating.md promises.
#![expect(clippy::unwrap_used, reason = "what helps a test is as strict as the test")]

use std::path::PathBuf;
use std::time::Duration;

use gristmill_protocol::{Client, Endpoint};
use gristmill_tests::{
    Ended, Group, Output, Place, Process, Random, Worker, assert_undisturbed, plugin, program, until,
};
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(60);
const ITERATIONS: usize = 4;

/// A run of k-means under a name of its own.
struct Run<'p> {
    place: &'p Place,
    address: String,
    client: Client,
    name: &'static str,
    points: Vec<PathBuf>,
    outputs: PathBuf,
    runtime: Runtime,
}

impl<'p> Run<'p> {
    fn new(place: &'p Place, group: &Group<'_>, name: &'static str, points: &[PathBuf]) -> Self {
        let (points, outputs) = (points.to_vec(), place.new_folder());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::new(Endpoint::parse(group.address()).unwrap(), PATIENCE);
        Self { place, address: group.address().to_owned(), client, name, points, outputs, runtime }
    }

    fn start(&self) -> Process {
        let mut command = self.place.command(program("kmeans-driver"));
        command.args(["--coordinator", &self.address, "--name", self.name, "--k", "3"]);
        command.args(["--tolerance", "0", "--iterations-max", &ITERATIONS.to_string(), "--output"]);
        command.arg(&self.outputs).arg("--plugin").arg(plugin("kmeans")).args(&self.points);
        self.place.start("kmeans-driver", command)
    }

    /// What the driver has done that others can see: how often it has written down how far it is, and whether a job waits.
    fn done(&self) -> (u64, bool) {
        let key = format!("kmeans/{}", self.name);
        self.runtime.block_on(async {
            let entry = self.client.kv().get(key.as_bytes()).await.unwrap();
            let jobs = self.client.jobs().await.unwrap();
            (entry.map_or(0, |entry| entry.version), jobs.iter().any(|job| !job.phase.is_final()))
        })
    }

    /// Kills the driver whenever it has done something, and starts it again, until it is at its end. Nobody works while it lives: so it
    /// cannot get past a job that it submits, and dies at least once in each iteration. `befall` hears of every death.
    fn through_deaths(&self, group: &mut Group<'_>, mut befall: impl FnMut(&mut Group<'_>, usize)) -> Ended {
        for deaths in 1.. {
            let (before, _) = self.done();
            let mut driver = self.start();
            let ended = until("the driver to do something", || {
                if !driver.is_running() {
                    return Some(true);
                }
                let (written, waits) = self.done();
                (written != before || waits).then_some(false)
            });
            if ended {
                return driver.wait().done();
            }
            driver.kill();
            befall(group, deaths);
            work(group);
        }
        unreachable!("a driver that gets on with each life");
    }

    /// What each iteration has made.
    fn outputs(&self) -> Vec<Output> {
        (1..=ITERATIONS)
            .map(|iteration| Output::committed(&self.outputs.join(format!("iteration-{iteration:05}"))))
            .collect()
    }
}

fn points(place: &Place) -> Vec<PathBuf> {
    let mut random = Random::new(7);
    let mut file = |name: &str| {
        let mut line = |_| format!("{},{}\n", random.below(1000), random.below(1000));
        place.input(name, (0..300).map(&mut line).collect::<String>())
    };
    vec![file("one"), file("two")]
}

/// Has all jobs worked off.
fn work(group: &Group<'_>) {
    let workers = group.workers(2, 1);
    jobs(group).iter().for_each(|job| drop(group.until_done(job)));
    workers.iter().for_each(Worker::until_jobs_are_forgotten);
    workers.into_iter().for_each(Worker::end);
}

/// The ids of all jobs that the coordinators know.
fn jobs(group: &Group<'_>) -> Vec<String> {
    let listed = group.ask(["jobs"]).done().stdout();
    listed.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn driver_that_is_killed_after_each_step_runs_each_iteration_once() {
    let place = Place::new();
    let mut group = place.group(3);
    let points = points(&place);
    let calm = Run::new(&place, &group, "calm", &points);
    let workers = group.workers(2, 1);
    let expected = calm.start().wait().done();
    workers.iter().for_each(Worker::until_jobs_are_forgotten);
    workers.into_iter().for_each(Worker::end);
    assert_eq!(jobs(&group).len(), ITERATIONS);

    let hunted = Run::new(&place, &group, "hunted", &points);
    let mut killed = 0;
    let ended = hunted.through_deaths(&mut group, |group, deaths| {
        killed = deaths;
        if deaths == ITERATIONS {
            let leader = group.leader();
            group.kill(leader);
        }
    });
    assert!(killed >= ITERATIONS, "the driver was killed only {killed} times");
    assert_eq!(ended.stdout(), expected.stdout());
    for (hunted, calm) in hunted.outputs().iter().zip(calm.outputs()) {
        assert!(hunted.parts() == calm.parts(), "{hunted:?} instead of {calm:?}");
    }

    group.restart_all();
    let jobs = jobs(&group);
    assert_eq!(jobs.len(), 2 * ITERATIONS, "each iteration is one job: {jobs:?}");
    jobs.iter().for_each(|job| assert_undisturbed(&group.until_done(job)));
    let history = group.ask(["history"]).done().stdout();
    assert_eq!(history.lines().count(), 2 * ITERATIONS, "{history}");
    group.end(vec![]);
}
