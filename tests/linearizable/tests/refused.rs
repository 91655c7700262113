//! Histories of stores that are broken in the ways in which stores break are refused, and the evidence names the answer that is wrong.

#![expect(clippy::panic, reason = "what helps a test is as strict as the test")]

mod story;

use gristmill_linearizable::{Answer, Call, Evidence, Kv, Operation, Value, Verdict, check, revisions};
use story::{Shape, Told, tell};

const BUDGET: u64 = 1_000_000;

fn value(text: &str) -> Value {
    text.as_bytes().to_vec().into()
}

fn told(client: u64, called: u64, call: Call, answered: Option<(u64, Answer)>) -> Told {
    Operation { key: b"k".to_vec(), client, call, called, answered }
}

fn put(client: u64, called: u64, text: &str, answered: Option<(u64, u64)>) -> Told {
    told(client, called, Call::Put(value(text)), answered.map(written))
}

fn append(client: u64, called: u64, text: &str, answered: Option<(u64, u64)>) -> Told {
    told(client, called, Call::Append(value(text)), answered.map(written))
}

/// The only key of its store: its version is the revision.
fn written((answered, version): (u64, u64)) -> (u64, Answer) {
    (answered, Answer::Written { version, revision: version })
}

fn get(client: u64, called: u64, answered: u64, text: &str, version: u64) -> Told {
    let entry = Answer::Entry { value: value(text), version, revision: version };
    told(client, called, Call::Get, Some((answered, entry)))
}

fn absent(client: u64, called: u64, answered: u64) -> Told {
    told(client, called, Call::Get, Some((answered, Answer::Absent)))
}

fn accept(history: &[Told]) {
    assert_eq!(check::<Kv>(history, BUDGET), Verdict::Linearizable);
}

fn refuse(history: &[Told]) -> Evidence {
    match check::<Kv>(history, BUDGET) {
        Verdict::NotLinearizable(evidence) => evidence,
        verdict => panic!("{verdict}"),
    }
}

#[test]
fn stale_read_is_refused() {
    let before = [put(1, 0, "a", Some((1, 1))), put(1, 2, "b", Some((5, 2)))];
    accept(&[before.to_vec(), vec![get(2, 3, 4, "a", 1)]].concat());
    let evidence = refuse(&[before.to_vec(), vec![get(2, 6, 7, "a", 1), get(2, 8, 9, "b", 2)]].concat());
    assert!(evidence.culprit.contains("6..7 client 2: Get"), "{evidence}");
    assert!(evidence.around.iter().all(|operation| !operation.contains("8..9")), "{evidence}");
}

#[test]
fn reads_that_go_back_are_refused() {
    let write = put(1, 0, "a", Some((9, 1)));
    accept(&[write.clone(), absent(2, 1, 2), get(3, 3, 4, "a", 1)]);
    refuse(&[write, get(3, 1, 2, "a", 1), absent(2, 3, 4)]);
}

#[test]
fn lost_write_is_refused() {
    refuse(&[put(1, 0, "a", Some((1, 1))), absent(2, 2, 3)]);
    refuse(&[append(1, 0, "a", Some((1, 1))), append(2, 2, "b", Some((3, 2))), get(3, 4, 5, "b", 2)]);
}

#[test]
fn write_of_unknown_fate_may_have_happened_or_not_but_not_both() {
    let unknown = append(1, 0, "a", None);
    let next = |text| {
        [
            append(2, 4, "b", Some((5, if text == "b" { 1 } else { 2 }))),
            get(3, 6, 7, text, if text == "b" { 1 } else { 2 }),
        ]
    };
    accept(&[vec![unknown.clone()], next("b").to_vec()].concat());
    accept(&[vec![unknown.clone()], next("ab").to_vec()].concat());
    accept(&[unknown.clone(), absent(2, 4, 5), absent(2, 6, 7), get(2, 8, 9, "a", 1)]);
    refuse(&[unknown, get(2, 4, 5, "a", 1), absent(2, 6, 7)]);
}

#[test]
fn append_done_twice_is_refused() {
    refuse(&[append(1, 0, "a", Some((1, 1))), get(2, 2, 3, "aa", 2)]);
    // Also when the client was never answered.
    refuse(&[append(1, 0, "a", None), get(2, 2, 3, "aa", 2)]);
    // Even if nobody reads the value: the version tells.
    refuse(&[append(1, 0, "a", Some((1, 1))), append(1, 2, "b", Some((3, 3)))]);
}

#[test]
fn read_from_the_future_is_refused() {
    refuse(&[get(2, 0, 1, "a", 1), put(1, 2, "a", Some((3, 1)))]);
    refuse(&[get(2, 0, 1, "a", 1), put(1, 2, "a", None)]);
}

#[test]
fn split_brain_is_refused() {
    // Two leaders, each of which answers its own clients consistently.
    let left = [put(1, 0, "a", Some((1, 1))), put(1, 4, "b", Some((5, 2))), get(1, 8, 9, "b", 2)];
    let right = [get(2, 2, 3, "a", 1), put(2, 4, "c", Some((5, 2))), get(2, 8, 9, "c", 2)];
    accept(&left);
    refuse(&[left, right].concat());
}

#[test]
fn compare_and_swap_that_two_win_is_refused() {
    let swap = |client, text: &str, answer| told(client, 2, Call::Cas(1, value(text)), Some((5, answer)));
    let won = Answer::Written { version: 2, revision: 2 };
    let start = put(1, 0, "a", Some((1, 1)));
    accept(&[start.clone(), swap(1, "b", won.clone()), swap(2, "c", Answer::Mismatch { version: 2 })]);
    refuse(&[start.clone(), swap(1, "b", won.clone()), swap(2, "c", won)]);
    refuse(&[start, swap(1, "b", Answer::Mismatch { version: 1 })]);
}

#[test]
fn version_that_comes_again_after_a_deletion_is_refused() {
    let start = put(1, 0, "a", Some((1, 1)));
    let deleted = Answer::Deleted { existed: true, revision: Some(2) };
    let deletion = told(1, 2, Call::Delete(None), Some((3, deleted)));
    let again =
        |version| told(1, 4, Call::Put(value("b")), Some((5, Answer::Written { version, revision: 3 })));
    accept(&[start.clone(), deletion.clone(), again(2)]);
    accept(&[start.clone(), deletion.clone(), again(7)]);
    refuse(&[start, deletion, again(1)]);
}

#[test]
fn revisions_that_contradict_time_are_refused() {
    let write = |key: &str, called, answered, revision| Operation {
        key: key.as_bytes().to_vec(),
        client: 1,
        call: Call::Put(value("a")),
        called,
        answered: Some((answered, Answer::Written { version: 1, revision })),
    };
    let history = [write("x", 0, 1, 7), write("y", 2, 3, 6)];
    accept(&history);
    let disorder = revisions(&history).unwrap_err();
    assert_eq!((disorder.number, disorder.told), (6, 7), "{disorder}");
    assert!(
        revisions(&[write("x", 0, 9, 7), write("y", 0, 9, 7)]).unwrap_err().to_string().contains("twice")
    );
    assert_eq!(revisions(&[write("x", 0, 3, 7), write("y", 2, 3, 6)]), Ok(()));
}

#[test]
fn spent_budget_is_not_taken_for_success() {
    let shape = Shape { operations: 50, keys: 1, spread: 5, unknown_one_in: 10 };
    let verdict = check::<Kv>(&tell(1, shape), 3);
    assert!(matches!(verdict, Verdict::Unknown { operations: 50, .. }), "{verdict}");
}

/// Takes one answer of a good history for that of another moment.
#[test]
fn almost_every_answer_that_is_exchanged_is_noticed() {
    let shape = Shape { operations: 300, keys: 3, spread: 3, unknown_one_in: 30 };
    let (mut noticed, mut tried) = (0, 0);
    for seed in 0..200 {
        let mut history = tell(seed, shape);
        let reads: Vec<usize> = (0..history.len())
            .filter(|&i| matches!(history[i].answered, Some((_, Answer::Entry { .. }))))
            .collect();
        let (early, late) = (reads[reads.len() / 4], reads[3 * reads.len() / 4]);
        if history[early].key != history[late].key {
            continue;
        }
        let stale = history[early].answered.clone().map(|(_, answer)| answer);
        history[late].answered = history[late].answered.clone().map(|(time, _)| time).zip(stale);
        tried += 1;
        noticed += usize::from(check::<Kv>(&history, BUDGET) != Verdict::Linearizable);
    }
    assert!(tried > 30 && noticed == tried, "{noticed} of {tried}");
}
