//! Jobs under fire in a group of coordinators: what `scripts/crash-test.sh --coordinators N` runs.
//!
//! Kills workers every second and, in every job, the leader at least five times, at least once of these while it commits the output, and
//! once all coordinators at the same time. Every third job leaves the workers alone: then every task must have exactly the attempts that it
//! would have had without a fault. Every output is compared byte by byte with the sequential one, and nothing may be left behind.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "a program for people and scripts, which report by panicking when something is wrong"
)]
#![expect(clippy::panic, reason = "as the tests do")]

mod commit_watch;
mod fire;
mod round;
mod troops;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use gristmill_tests::{Place, Random};

use crate::fire::Fire;
use crate::round::Rounds;
use crate::troops::Troops;

/// Runs jobs in a group of coordinators while it kills workers and coordinators.
#[derive(Parser, Debug, Clone, Copy)]
struct Options {
    /// Members of the group
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(3..=9))]
    coordinators: u64,
    /// Start new jobs for this long, unless --jobs says how many
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// How many jobs, however long they take
    #[arg(long)]
    jobs: Option<u64>,
    /// Milliseconds between two faults of workers
    #[arg(long, default_value_t = 700, value_parser = clap::value_parser!(u64).range(1..=1000))]
    kill_ms: u64,
    /// Worker processes
    #[arg(long, default_value_t = 3)]
    workers: usize,
    /// Slots of each worker
    #[arg(long, default_value_t = 2)]
    slots: u32,
    /// Seed of all random choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    println!("seed {}\ncoordinators {}\nkill-ms {}", options.seed, options.coordinators, options.kill_ms);
    println!("workers {}\nslots {}", options.workers, options.slots);
    if catch_unwind(AssertUnwindSafe(|| run(options))).is_err() {
        println!("verdict FAILED (seed {})", options.seed);
        return ExitCode::FAILURE;
    }
    println!("verdict PASSED");
    ExitCode::SUCCESS
}

fn run(options: Options) {
    let place = Place::new();
    let troops = Troops::muster(&place, options.coordinators, options.workers, options.slots);
    let mut fire = Fire::new(troops, Random::new(options.seed), Duration::from_millis(options.kill_ms));
    let mut rounds = Rounds::prepare(&place);
    let begun = Instant::now();
    let is_enough = |done| match options.jobs {
        Some(jobs) => done >= jobs,
        None => begun.elapsed() >= Duration::from_secs(options.seconds),
    };
    while !is_enough(rounds.done()) {
        rounds.play_next(&mut fire);
    }
    println!("elapsed-ms {}\njobs {}\n{}", begun.elapsed().as_millis(), rounds.done(), fire.tally);
    // The place is looked through when it is dropped.
    fire.cease();
}
