//! The tests: many seeds, all of them or those that once failed, on all cores.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::life::Life;
use super::met::Met;

const SEEDS: u64 = 10_000;

#[test]
fn every_rule_holds_whatever_fails() {
    if let Some(seed) = number("GRISTMILL_SEED") {
        Life::new(seed).live();
        return;
    }
    let seeds = number("GRISTMILL_SEEDS").unwrap_or(SEEDS);
    let lives = live(seeds);
    if let Some((seed, panic)) = lives.failed.into_iter().next() {
        // The one thing a reader of a failed run needs; the harness shows it with the panic.
        say(&format!("GRISTMILL_SEED={seed} fails, as the first of {} of {seeds} seeds\n", lives.failures));
        resume_unwind(panic);
    }
    if seeds >= SEEDS {
        lives.met.assert_rich();
    }
}

/// What each met when it failed is a script now (`scripted.rs`): a change of what lives draw makes another life of a seed, which must hold as well.
#[test]
fn seeds_that_once_failed_hold() {
    for seed in [11, 35, 1_595, 1_764, 1_980, 9_227] {
        Life::new(seed).live();
    }
}

#[test]
fn a_seed_is_the_same_life_whenever_it_is_lived() {
    for seed in [1, 2, 3] {
        assert_eq!(Life::new(seed).live().1, Life::new(seed).live().1, "seed {seed}");
    }
}

type Panic = Box<dyn std::any::Any + Send>;

#[derive(Default)]
struct Lives {
    /// What they met, so that a simulation which has become harmless is noticed.
    met: Met,
    /// The lowest seed that failed.
    failed: Option<(u64, Panic)>,
    failures: u64,
}

/// Lives all seeds until one fails; with `GRISTMILL_COUNT` all of them, to count those that do.
fn live(seeds: u64) -> Lives {
    let next = AtomicU64::new(0);
    let all = Mutex::new(Lives::default());
    let stop = number("GRISTMILL_COUNT").is_none();
    let work = || {
        let mut met = Met::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                break;
            }
            match catch_unwind(AssertUnwindSafe(|| Life::new(seed).live())) {
                Ok((one, _)) => met.add(&one),
                Err(panic) => {
                    let mut all = all.lock().expect("nothing panics here");
                    all.failures += 1;
                    if all.failed.as_ref().is_none_or(|(first, _)| *first > seed) {
                        all.failed = Some((seed, panic));
                    }
                    if stop {
                        next.store(seeds, Ordering::Relaxed);
                    }
                }
            }
        }
        all.lock().expect("nothing panics here").met.add(&met);
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    all.into_inner().expect("nothing panics here")
}

fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn say(text: &str) {
    std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).ok();
}
