//! The search agrees with a check that tries every order of every subset.

use gristmill_linearizable::{Answer, Call, Kv, Model, Operation, Verdict, check};
use proptest::prelude::*;

type Told = Operation<Call, Answer>;

/// Whether some order of all answered operations, with any of those of unknown fate, keeps to time and model.
fn any_order(history: &[Told], taken: &mut Vec<usize>, state: &<Kv as Model>::State) -> bool {
    let open: Vec<usize> = (0..history.len()).filter(|i| !taken.contains(i)).collect();
    if open.iter().all(|&i| history[i].answered.is_none()) {
        return true;
    }
    let deadline =
        open.iter().filter_map(|&i| Some(history[i].answered.as_ref()?.0)).min().unwrap_or(u64::MAX);
    open.into_iter().filter(|&i| history[i].called <= deadline).any(|i| {
        let answer = history[i].answered.as_ref().map(|(_, answer)| answer);
        Kv::step(state, &history[i].call, answer).is_some_and(|next| {
            taken.push(i);
            let found = any_order(history, taken, &next);
            taken.pop();
            found
        })
    })
}

/// Few values, versions and times, so that by chance many of these histories are good and many are not.
fn operation() -> impl Strategy<Value = Told> {
    let value = || prop::sample::select(vec!["a", "b"]).prop_map(|text| text.as_bytes().to_vec().into());
    let call = prop_oneof![
        2 => Just(Call::Get),
        2 => value().prop_map(Call::Put),
        2 => value().prop_map(Call::Append),
        1 => (0_u64..3, value()).prop_map(|(version, value)| Call::Cas(version, value)),
        1 => prop::option::of(0_u64..3).prop_map(Call::Delete),
    ];
    let held = prop::sample::select(vec!["a", "b", "ab", "aa"]);
    let choices = (0_u64..5, 1_u64..4, held, any::<bool>());
    (call, 0_u64..12, 0_u64..8, choices).prop_map(|(call, called, took, (kind, version, held, flag))| {
        let written = Answer::Written { version, revision: version };
        let answer = match (&call, kind) {
            (_, 0) => None,
            (Call::Get, 1) => Some(Answer::Absent),
            (Call::Get, _) => {
                Some(Answer::Entry { value: held.as_bytes().to_vec().into(), version, revision: version })
            }
            (Call::Cas(..) | Call::Delete(Some(_)), 1) => Some(Answer::Mismatch { version: version - 1 }),
            (Call::Delete(_), _) => Some(Answer::Deleted { existed: flag, revision: None }),
            _ => Some(written),
        };
        let answered = answer.map(|answer| (called + took, answer));
        Operation { key: b"k".to_vec(), client: 0, call, called, answered }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn search_and_trying_everything_agree(history in prop::collection::vec(operation(), 1..7)) {
        let possible = any_order(&history, &mut Vec::new(), &Kv::initial());
        let verdict = check::<Kv>(&history, 1_000_000);
        prop_assert_eq!(possible, verdict == Verdict::Linearizable, "{}", verdict);
    }
}

/// The property above proves something only if both verdicts come.
#[test]
fn both_verdicts_are_frequent() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let strategy = prop::collection::vec(operation(), 3..7);
    let good = (0..2_000)
        .filter(|_| {
            let history = strategy.new_tree(&mut runner).unwrap().current();
            check::<Kv>(&history, 1_000_000) == Verdict::Linearizable
        })
        .count();
    assert!((100..1_900).contains(&good), "{good} of 2000");
}
