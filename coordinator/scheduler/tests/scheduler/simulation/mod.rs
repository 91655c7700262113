//! Whole lives of the scheduler under seeded faults, with every rule checked after every step.
//!
//! Workers join, die, drain, stop and come back late as zombies; clients fall silent and repeat what they ask; messages are lost, doubled
//! and reordered; runs vanish; apps fail, hang and change their minds; leaders change between any two steps. Then the faults stop, and
//! every job must end and every call be answered. A failing seed is printed:
//! `GRISTMILL_SEED=n cargo test -p gristmill-scheduler --test scheduler simulation` lives it again,
//! and `GRISTMILL_SEEDS=n` lives more of them.

mod agents;
mod clients;
mod coordinator;
mod faults;
mod invariants;
mod ledger;
pub(crate) mod life;
mod met;
mod network;
mod rng;
mod store;
mod worker;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use life::Life;
use met::Met;

const SEEDS: u64 = 1_000;

#[test]
fn every_rule_holds_whatever_fails() {
    if let Ok(seed) = std::env::var("GRISTMILL_SEED") {
        Life::new(seed.parse().expect("GRISTMILL_SEED is a number")).live();
        return;
    }
    // What the lives met, so that a simulation which has become harmless is noticed.
    let mut met = Met::default();
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

/// As it is after it was written and read.
fn roundtrip<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let bytes = postcard::to_allocvec(value).expect("it encodes");
    postcard::from_bytes(&bytes).expect("it decodes")
}
