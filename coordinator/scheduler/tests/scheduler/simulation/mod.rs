//! Whole lives of the control plane under seeded faults, with every rule checked after every step.
//!
//! Several coordinators with the real state and the real leader, on an ordered log that stands for consensus. Members die, stand still, are cut
//! off, lose what they had not synced and take over snapshots; workers join, die, drain, stop and come back late as zombies; clients fall silent and
//! repeat what they ask; messages are lost, doubled and reordered; runs vanish; apps fail, hang and change their minds; the power fails. Then the
//! faults stop, and every job must end and every call be answered. A failing seed is printed:
//! `GRISTMILL_SEED=n cargo test -p gristmill-scheduler --test scheduler simulation` lives it again,
//! and `GRISTMILL_SEEDS=n` lives more of them. `docs/simulation.md` says what is real here, and which mutants are found.

mod agents;
mod clients;
mod faults;
mod files;
mod group;
mod histories;
mod history;
mod invariants;
mod ledger;
pub(crate) mod life;
mod met;
mod network;
mod outputs;
mod rng;
mod scripted;
mod seeds;
mod store;
mod trace;
mod visible;
mod worker;

/// As it is after it was written and read.
fn roundtrip<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let bytes = postcard::to_allocvec(value).expect("it encodes");
    postcard::from_bytes(&bytes).expect("it decodes")
}
