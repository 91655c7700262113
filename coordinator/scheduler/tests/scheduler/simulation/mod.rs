//! Whole lives of the scheduler under seeded faults, with every rule checked after every step.
//!
//! Workers join, die, stop and come back late as zombies; messages are lost, doubled and reordered; runs vanish; apps fail, hang and
//! change their minds; leaders change between any two steps. Then the faults stop, and every job must end. A failing seed is printed:
//! `GRISTMILL_SEED=n cargo test -p gristmill-scheduler --test scheduler simulation` lives it again,
//! and `GRISTMILL_SEEDS=n` lives more of them.

mod ledger;
mod life;
mod rng;
mod worker;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use life::Life;

const SEEDS: u64 = 1_000;

#[test]
fn every_rule_holds_whatever_fails() {
    if let Ok(seed) = std::env::var("GRISTMILL_SEED") {
        Life::new(seed.parse().expect("GRISTMILL_SEED is a number")).live();
        return;
    }
    // What the lives met, so that a simulation which has become harmless is noticed.
    let mut met = life::Met::default();
    let seeds = std::env::var("GRISTMILL_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("a number"));
    for seed in 0..seeds {
        match catch_unwind(AssertUnwindSafe(|| Life::new(seed).live())) {
            Ok(one) => met.add(&one),
            Err(panic) => {
                // The one thing a reader of a failed run needs; the harness shows it with the panic.
                std::io::Write::write_all(
                    &mut std::io::stderr(),
                    format!("GRISTMILL_SEED={seed} fails\n").as_bytes(),
                )
                .ok();
                resume_unwind(panic);
            }
        }
    }
    if seeds >= SEEDS {
        met.assert_rich();
    }
}
