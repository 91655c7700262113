//! How often a scenario is played.

use std::env;

/// Plays `scenario` as often as `GRISTMILL_REPEAT` says (default: once), with the number of the round.
pub fn repeat(mut scenario: impl FnMut(u32)) {
    let rounds = match env::var("GRISTMILL_REPEAT") {
        Ok(text) => text.parse().expect("GRISTMILL_REPEAT is a number"),
        Err(_) => 1,
    };
    for round in 0..rounds {
        scenario(round);
    }
}
