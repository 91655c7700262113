//! Seeds that once failed. What each met then is said by its name; a change of what lives draw makes another life of it, which must hold as well.

use super::life::Life;

#[test]
fn seed_11_a_leader_that_stood_still_between_commit_and_answer() {
    Life::new(11).live();
}

#[test]
fn seed_35_the_outcome_of_an_entry_that_had_replaced_the_leaders_own() {
    Life::new(35).live();
}

#[test]
fn seed_1595_a_leader_deposed_by_the_first_answer_of_a_round() {
    Life::new(1_595).live();
}

#[test]
fn seed_1764_the_power_fails_while_a_second_leader_moves_outputs() {
    Life::new(1_764).live();
}

#[test]
fn seed_9227_a_snapshot_is_ahead_of_the_synced_log() {
    Life::new(9_227).live();
}

#[test]
fn seed_1980_a_name_is_removed_and_taken_again_before_either_is_durable() {
    Life::new(1_980).live();
}
