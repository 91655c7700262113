//! One job after the other: which, and what must come of it.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use gristmill_tests::{Job, Output, Place, assert_undisturbed, books, lab_books};

use crate::commit_watch::CommitWatch;
use crate::fire::Fire;

/// Longer than this no job may take.
const LIMIT: Duration = Duration::from_secs(600);
/// Enough outputs that a commit has a middle.
const REDUCES: u32 = 24;
/// How often a job is played anew, each time with twice the input, because it was over before it had been hit often enough.
const TRIES_MAX: u32 = 6;

/// All jobs of a run.
pub(crate) struct Rounds<'p> {
    place: &'p Place,
    done: u64,
    submitted: u64,
    copies: usize,
}

/// A job, and who is hit.
struct Round<'p> {
    name: &'static str,
    job: Job<'p>,
    /// What gives the same output without ever failing.
    oracle: Job<'p>,
    hits_workers: bool,
}

/// What came of a job.
struct Played {
    id: String,
    output: PathBuf,
    hit_commit: bool,
    took: Duration,
}

impl<'p> Rounds<'p> {
    pub(crate) fn prepare(place: &'p Place) -> Self {
        Self { place, done: 0, submitted: 0, copies: 2 }
    }

    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Plays one more job, again if need be until it was hit as often as is wanted.
    pub(crate) fn play_next(&mut self, fire: &mut Fire<'_>) {
        for _ in 0..TRIES_MAX {
            let round = self.round();
            let before = fire.tally;
            fire.troops.until_complete();
            let workers = fire.troops.registered();
            let played = self.play(&round, fire);
            let status = fire.troops.group.job(&played.id);
            assert_like(&round, &played.output);
            if !round.hits_workers {
                fire.troops.until_complete();
                assert_undisturbed(&status);
                assert_eq!(
                    fire.troops.registered(),
                    workers,
                    "workers that were not touched registered anew"
                );
            }
            let leaders = fire.tally.leader_kills - before.leader_kills;
            let workers =
                fire.tally.worker_kills + fire.tally.slot_kills - before.worker_kills - before.slot_kills;
            let enough = leaders >= 5 && played.hit_commit;
            let verdict = if enough { "" } else { "; too few, so once more with twice the input" };
            println!(
                "job {} right after {} ms, {workers} kills of workers, {leaders} of leaders, in commit {}{verdict}",
                round.name,
                played.took.as_millis(),
                u8::from(played.hit_commit),
            );
            if enough {
                self.done += 1;
                return;
            }
            if leaders < 5 {
                self.copies *= 2;
            }
        }
        panic!(
            "no job was long enough to be hit as often as is wanted: this machine is too fast for {TRIES_MAX} doublings"
        );
    }

    fn round(&self) -> Round<'p> {
        let books = std::iter::repeat_n(books(), self.copies).flatten();
        let wc = self.place.job("wc").reduces(REDUCES).split_size("64KiB").inputs(books);
        // That app takes whole files and lives through each only by luck: eight small ones are enough.
        let crash = |app: &str| self.place.job(app).reduces(REDUCES).inputs(lab_books());
        match self.done % 3 {
            0 => Round { name: "wc", job: wc.clone(), oracle: wc, hits_workers: true },
            1 => {
                let delays = ["exit-percent=20", "delay-percent=33", "delay-ms-max=1500"];
                let job = delays.iter().fold(crash("crash"), |job, delay| job.option("--arg").option(*delay));
                Round { name: "crash", job, oracle: crash("nocrash"), hits_workers: true }
            }
            // A disk under load may keep an attempt waiting for long. One that a failover has lost is found after this time too.
            _ => {
                Round { name: "calm-wc", job: wc.clone().task_timeout("1m"), oracle: wc, hits_workers: false }
            }
        }
    }

    fn play(&mut self, round: &Round<'_>, fire: &mut Fire<'_>) -> Played {
        let begun = Instant::now();
        let output = self.place.new_output();
        let job = round.job.clone().max_attempts(100_000).option("--quiet").output(&output);
        let watch = CommitWatch::start(&output);
        fire.reload();
        let mut submitted = job.start_submit(&fire.troops.group);
        self.submitted += 1;
        let mut hit_commit = false;
        while submitted.is_running() {
            assert!(begun.elapsed() < LIMIT, "job {} took more than {LIMIT:?}", round.name);
            if round.hits_workers {
                fire.at_workers();
            }
            if let Some(leader) = watch.take_hit() {
                fire.leader_fell(leader);
                hit_commit = !output.join("_SUCCESS").exists();
                fire.tally.commit_kills += u64::from(hit_commit);
            }
            fire.at_coordinators();
            if let Some(leader) = target(fire) {
                watch.aim(leader);
            }
            thread::sleep(Duration::from_millis(20));
        }
        submitted.wait().done();
        Played { id: format!("j{}", self.submitted), output, hit_commit, took: begun.elapsed() }
    }
}

/// The leader and its process, once it is time to wait for the commit.
fn target(fire: &Fire<'_>) -> Option<(u64, u32)> {
    if !fire.has_hit_enough() {
        return None;
    }
    let leader = fire.troops.group.leader_if_any().filter(|&id| fire.troops.group.is_started(id))?;
    Some((leader, fire.troops.group.process(leader).id()))
}

fn assert_like(round: &Round<'_>, output: &Path) {
    let expected = round.oracle.sequential().done().output();
    let output = Output::committed(output);
    assert!(output.parts() == expected.parts(), "job {}: {output:?} instead of {expected:?}", round.name);
}
