//! One job after the other: which, and what must come of it.

use std::fmt;
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
/// How many leaders are to fall in a job.
const LEADERS: u64 = 5;
/// How often a job is played anew, each time with twice the input, because it was over before leaders had fallen often enough.
const DOUBLINGS_MAX: u32 = 6;
/// How often a job is played anew because none fell while it committed: that takes milliseconds, and is missed by chance.
const MISSES_MAX: u32 = 30;

/// All jobs of a run.
pub(crate) struct Rounds<'p> {
    place: &'p Place,
    done: u64,
    submitted: u64,
    /// How often each of the books is given to a job of long texts.
    books: usize,
    /// The same of the short ones.
    lab_books: usize,
}

/// A job, and who is hit.
struct Round<'p> {
    name: &'static str,
    job: Job<'p>,
    /// What gives the same output without ever failing.
    oracle: Job<'p>,
    hits_workers: bool,
    inputs: Inputs,
}

/// What a job reads.
#[derive(Clone, Copy)]
enum Inputs {
    Books,
    LabBooks,
}

/// Whether a job was hit as is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Enough,
    /// It was over before there had been time for all that comes before the commit.
    TooFewLeaders,
    /// There was, but no leader fell in the commit.
    MissedCommit,
}

/// How often a job was played in vain.
#[derive(Default)]
struct Tries {
    doublings: u32,
    misses: u32,
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
        Self { place, done: 0, submitted: 0, books: 2, lab_books: 1 }
    }

    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Plays one more job, again if need be until it was hit as often as is wanted.
    pub(crate) fn play_next(&mut self, fire: &mut Fire<'_>) {
        let mut tries = Tries::default();
        loop {
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
            let verdict = Verdict::of(leaders, fire.has_hit_enough(), played.hit_commit);
            println!(
                "job {} right after {} ms, {workers} kills of workers, {leaders} of leaders, in commit {}{verdict}",
                round.name,
                played.took.as_millis(),
                u8::from(played.hit_commit),
            );
            match verdict {
                Verdict::Enough => {
                    self.done += 1;
                    return;
                }
                Verdict::TooFewLeaders => self.grow(round.inputs),
                Verdict::MissedCommit => {}
            }
            if let Err(why) = tries.count(verdict) {
                panic!("job {}: {why}", round.name);
            }
        }
    }

    fn grow(&mut self, inputs: Inputs) {
        match inputs {
            Inputs::Books => self.books *= 2,
            Inputs::LabBooks => self.lab_books *= 2,
        }
    }

    fn round(&self) -> Round<'p> {
        let books = std::iter::repeat_n(books(), self.books).flatten();
        let wc = self.place.job("wc").reduces(REDUCES).split_size("64KiB").inputs(books);
        // That app takes whole files and lives through each only by luck: eight small ones are enough to begin with.
        let lab_books = || std::iter::repeat_n(lab_books(), self.lab_books).flatten();
        let crash = |app: &str| self.place.job(app).reduces(REDUCES).inputs(lab_books());
        match self.done % 3 {
            0 => Round { name: "wc", job: wc.clone(), oracle: wc, hits_workers: true, inputs: Inputs::Books },
            1 => {
                let delays = ["exit-percent=20", "delay-percent=33", "delay-ms-max=1500"];
                let job = delays.iter().fold(crash("crash"), |job, delay| job.option("--arg").option(*delay));
                let (oracle, inputs) = (crash("nocrash"), Inputs::LabBooks);
                Round { name: "crash", job, oracle, hits_workers: true, inputs }
            }
            // A disk under load may keep an attempt waiting for long. One that a failover has lost is found after this time too.
            _ => {
                let (job, inputs) = (wc.clone().task_timeout("1m"), Inputs::Books);
                Round { name: "calm-wc", job, oracle: wc, hits_workers: false, inputs }
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

impl Verdict {
    fn of(leaders: u64, came_to_commit: bool, hit_commit: bool) -> Self {
        match came_to_commit {
            true if hit_commit && leaders >= LEADERS => Self::Enough,
            true => Self::MissedCommit,
            false => Self::TooFewLeaders,
        }
    }
}

/// What follows from it, behind a line that tells how the job was hit.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enough => "",
            Self::TooFewLeaders => "; too few leaders, so once more with twice the input",
            Self::MissedCommit => "; none in the commit, so once more",
        })
    }
}

impl Tries {
    /// Counts one, or says why there is no other.
    fn count(&mut self, verdict: Verdict) -> Result<(), String> {
        match verdict {
            Verdict::Enough => {}
            Verdict::TooFewLeaders => self.doublings += 1,
            Verdict::MissedCommit => self.misses += 1,
        }
        if self.doublings > DOUBLINGS_MAX {
            return Err(format!("it is over too soon also after {DOUBLINGS_MAX} doublings of its input"));
        }
        if self.misses > MISSES_MAX {
            return Err(format!(
                "no leader fell in its commit in {} tries that were long enough",
                self.misses
            ));
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_was_missed_uses_up_no_doubling() {
        assert_eq!(Verdict::of(LEADERS - 2, false, false), Verdict::TooFewLeaders);
        assert_eq!(Verdict::of(LEADERS - 1, true, false), Verdict::MissedCommit, "the watch saw nothing");
        assert_eq!(Verdict::of(LEADERS, true, false), Verdict::MissedCommit, "the watch was late");
        assert_eq!(Verdict::of(LEADERS, true, true), Verdict::Enough);
        let mut tries = Tries::default();
        for _ in 0..MISSES_MAX {
            tries.count(Verdict::MissedCommit).unwrap();
        }
        for _ in 0..DOUBLINGS_MAX {
            tries.count(Verdict::TooFewLeaders).unwrap();
        }
        assert!(tries.count(Verdict::TooFewLeaders).unwrap_err().contains("over too soon"));
        let mut tries = Tries { misses: MISSES_MAX, ..Tries::default() };
        assert!(tries.count(Verdict::MissedCommit).unwrap_err().contains("in its commit"));
    }

    #[test]
    fn only_a_job_that_is_too_short_is_said_to_get_more_input() {
        assert!(Verdict::TooFewLeaders.to_string().contains("twice the input"));
        assert!(!Verdict::MissedCommit.to_string().contains("input"));
        assert_eq!(Verdict::Enough.to_string(), "");
    }
}
