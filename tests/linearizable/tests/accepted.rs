//! Histories that are linearizable are accepted, however their operations overlap.

mod story;

use gristmill_linearizable::{Kv, Operation, Submission, Submissions, Verdict, check, revisions};
use proptest::prelude::*;
use story::{Random, Shape, tell};

const BUDGET: u64 = 1_000_000;

proptest! {
    #[test]
    fn what_a_store_has_done_is_accepted(
        seed: u64,
        operations in 1_u64..200,
        keys in 1_u64..5,
        spread in 1_u64..12,
        unknown_one_in in 4_u64..40,
    ) {
        let history = tell(seed, Shape { operations, keys, spread, unknown_one_in });
        prop_assert_eq!(check::<Kv>(&history, BUDGET), Verdict::Linearizable);
        prop_assert_eq!(revisions(&history), Ok(()));
    }

    #[test]
    fn order_of_the_records_does_not_matter(seed: u64) {
        let shape = Shape { operations: 60, keys: 2, spread: 6, unknown_one_in: 10 };
        let mut history = tell(seed, shape);
        let mut random = Random::new(seed);
        history.sort_by_cached_key(|_| random.below(1 << 32));
        prop_assert_eq!(check::<Kv>(&history, BUDGET), Verdict::Linearizable);
    }
}

#[test]
fn hundred_thousand_operations_are_checked_within_a_small_budget() {
    let shape = Shape { operations: 100_000, keys: 300, spread: 40, unknown_one_in: 50 };
    let history = tell(1, shape);
    assert_eq!(check::<Kv>(&history, 100_000), Verdict::Linearizable);
    assert_eq!(revisions(&history), Ok(()));
}

#[test]
fn thousands_of_operations_of_one_key_are_checked() {
    let shape = Shape { operations: 5_000, keys: 1, spread: 20, unknown_one_in: 100 };
    assert_eq!(check::<Kv>(&tell(2, shape), BUDGET), Verdict::Linearizable);
}

#[test]
fn request_is_one_job_however_often_it_is_sent() {
    let submitted = |key: u8, called, answered| Operation {
        key: vec![key],
        client: 0,
        call: Submission,
        called,
        answered,
    };
    let good = [
        submitted(1, 0, None),
        submitted(1, 5, Some((9, 1))),
        submitted(2, 3, Some((8, 2))),
        submitted(1, 10, Some((12, 1))),
        submitted(3, 13, Some((14, 3))),
    ];
    assert_eq!(check::<Submissions>(&good, BUDGET), Verdict::Linearizable);
    assert_eq!(Submissions::jobs(&good), Ok(()));

    let two_jobs = [submitted(1, 0, Some((1, 1))), submitted(1, 2, Some((3, 2)))];
    assert!(matches!(check::<Submissions>(&two_jobs, BUDGET), Verdict::NotLinearizable(_)));
    let shared = [submitted(1, 0, Some((9, 7))), submitted(2, 0, Some((9, 7)))];
    assert!(Submissions::jobs(&shared).unwrap_err().to_string().contains("twice"));
    let backwards = [submitted(1, 0, Some((1, 7))), submitted(2, 2, Some((3, 6)))];
    assert_eq!(Submissions::jobs(&backwards).unwrap_err().told, 7);
}
