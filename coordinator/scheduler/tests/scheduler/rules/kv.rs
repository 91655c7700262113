//! The key/value store: versions, lists, what is watched, and limits.

use gristmill_model::{Blob, KvAnswer, KvChange, KvEvents, KvOp};
use gristmill_scheduler::{
    ENTRY_BYTES, EVENTS_MAX, HISTORY_EVENTS_MAX, Input, KEY_BYTES_MAX, LIST_BYTES_MAX, Recorded,
    TOTAL_BYTES_MAX, VALUE_BYTES_MAX,
};

use crate::fixtures::{append, blob, call, cas, delete, key, put};
use crate::world::World;

/// Asks for operations one after the other, and has each answer before the next.
struct Store {
    world: World,
    requests: u64,
}

impl Store {
    fn new() -> Self {
        Self { world: World::new(), requests: 0 }
    }

    fn ask(&mut self, op: KvOp) -> Result<KvAnswer, String> {
        self.requests += 1;
        let call = call(1, self.requests, self.requests, op);
        self.world.happen(&[Input::Kv(call.clone())]);
        self.world.state.kv_answer(call.asked()).map_err(|refusal| refusal.to_string())
    }

    fn written(&mut self, op: KvOp) -> (u64, u64) {
        match self.ask(op) {
            Ok(KvAnswer::Written { version, revision }) => (version, revision),
            other => panic!("not written: {other:?}"),
        }
    }

    fn value(&self, key: &str) -> Option<String> {
        let entry = self.world.state.kv().get(&blob(key))?;
        Some(String::from_utf8_lossy(&entry.value.0).into_owned())
    }

    fn keys(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let page = self.world.state.kv().list(prefix.as_bytes(), after.map(blob).as_ref(), limit);
        page.iter().map(|entry| String::from_utf8_lossy(&entry.key.0).into_owned()).collect()
    }

    fn events(&self, prefix: &str, from: u64) -> (Vec<String>, u64) {
        match self.world.state.kv().events(prefix.as_bytes(), from) {
            KvEvents::Events { events, next } => {
                let tell = |event: &gristmill_model::KvEvent| {
                    let key = String::from_utf8_lossy(&event.key.0).into_owned();
                    match &event.change {
                        KvChange::Put { value, version } => {
                            let value = String::from_utf8_lossy(&value.0);
                            format!("{} {key}={value} v{version}", event.revision)
                        }
                        KvChange::Deleted => format!("{} {key} deleted", event.revision),
                    }
                };
                (events.iter().map(tell).collect(), next)
            }
            KvEvents::Compacted { oldest } => (vec![format!("compacted before {oldest}")], oldest),
        }
    }
}

#[test]
fn each_write_of_a_key_is_a_version_and_each_change_a_revision() {
    let mut store = Store::new();
    assert_eq!(store.written(put("a", "1")), (1, 1));
    assert_eq!(store.written(put("b", "1")), (1, 2));
    assert_eq!(store.written(append("a", "2")), (2, 3));
    assert_eq!(store.written(append("c", "3")), (1, 4));
    assert_eq!((store.value("a"), store.value("c")), (Some("12".into()), Some("3".into())));
    assert_eq!(store.value("d"), None);
    assert_eq!(store.world.state.kv().len(), 3);
    assert_eq!(store.world.state.kv().bytes(), 3 + 4 + 3 * ENTRY_BYTES);
}

#[test]
fn a_compare_and_swap_succeeds_against_the_very_version_only() {
    let mut store = Store::new();
    assert_eq!(store.ask(cas("a", 1, "x")), Ok(KvAnswer::Mismatch { version: 0 }));
    assert_eq!(store.written(cas("a", 0, "1")), (1, 1));
    assert_eq!(store.ask(cas("a", 0, "x")), Ok(KvAnswer::Mismatch { version: 1 }));
    assert_eq!(store.written(cas("a", 1, "2")), (2, 2));
    assert_eq!(store.ask(delete("a", Some(1))), Ok(KvAnswer::Mismatch { version: 2 }));
    assert_eq!(store.value("a"), Some("2".into()));
    assert_eq!(store.ask(delete("a", Some(2))), Ok(KvAnswer::Deleted { revision: 3, existed: true }));
    assert_eq!(store.ask(delete("a", None)), Ok(KvAnswer::Deleted { revision: 3, existed: false }));
    assert_eq!(store.ask(delete("a", Some(0))), Ok(KvAnswer::Deleted { revision: 3, existed: false }));
    assert_eq!(store.ask(delete("a", Some(2))), Ok(KvAnswer::Mismatch { version: 0 }));
}

#[test]
fn no_version_of_a_key_comes_twice() {
    let mut store = Store::new();
    for value in ["1", "2", "3"] {
        store.written(put("a", value));
    }
    store.ask(delete("a", None)).unwrap();
    assert_eq!(store.written(put("b", "1")).0, 4, "nobody remembers which key had been how far");
    assert_eq!(store.written(put("a", "4")).0, 4);
    for version in 1..4 {
        assert_eq!(store.ask(cas("a", version, "x")), Ok(KvAnswer::Mismatch { version: 4 }), "{version}");
    }
}

#[test]
fn a_mismatch_is_remembered_like_any_answer() {
    let mut store = Store::new();
    let first = call(1, 1, 1, cas("a", 1, "late"));
    store.world.happen(&[Input::Kv(first.clone())]);
    store.world.happen(&[Input::Kv(call(1, 2, 1, put("a", "1"))), Input::Kv(first)]);
    assert_eq!(store.value("a"), Some("1".into()), "it would succeed by now, but was answered before");
    let recorded = store.world.state.recorded(key(1, 1));
    assert_eq!(recorded, Ok(Some(Recorded::Kv(KvAnswer::Mismatch { version: 0 }))));
}

#[test]
fn lists_come_in_order_and_in_pages() {
    let mut store = Store::new();
    for name in ["b", "a/2", "a/1", "a", "a/3", "a0"] {
        store.written(put(name, "v"));
    }
    assert_eq!(store.keys("", None, 100), ["a", "a/1", "a/2", "a/3", "a0", "b"]);
    assert_eq!(store.keys("a/", None, 2), ["a/1", "a/2"]);
    assert_eq!(store.keys("a/", Some("a/2"), 2), ["a/3"]);
    assert_eq!(store.keys("a/", Some("a/3"), 2), [""; 0]);
    assert_eq!(store.keys("a/", Some("Z"), 1), ["a/1"], "a page begins with the prefix at the earliest");
    assert_eq!(store.keys("a/", Some("z"), 9), [""; 0]);
}

#[test]
fn a_page_holds_no_more_than_an_answer_may_and_at_least_one() {
    let mut store = Store::new();
    let value = "v".repeat(VALUE_BYTES_MAX);
    for n in 0..6 {
        store.written(put(&n.to_string(), &value));
    }
    let page = store.keys("", None, 100);
    assert_eq!(page.len(), (LIST_BYTES_MAX / (VALUE_BYTES_MAX as u64 + ENTRY_BYTES + 1)) as usize);
    assert_eq!(store.keys("", page.last().map(String::as_str), 100).len(), 6 - page.len());
    let (events, next) = store.events("", 1);
    assert_eq!((events.len(), next), (page.len(), page.len() as u64 + 1));
}

#[test]
fn whoever_watches_is_told_everything_since_a_revision_in_order() {
    let mut store = Store::new();
    assert_eq!(store.events("a", 1), (vec![], 1));
    store.written(put("a/1", "x"));
    store.written(put("b", "x"));
    store.written(append("a/1", "y"));
    store.ask(delete("a/1", None)).unwrap();
    store.ask(cas("a/1", 7, "z")).unwrap();
    assert_eq!(store.events("a/", 0).0, ["1 a/1=x v1", "3 a/1=xy v2", "4 a/1 deleted"]);
    assert_eq!(store.events("a/", 2), (vec!["3 a/1=xy v2".into(), "4 a/1 deleted".into()], 5));
    assert_eq!(store.events("b", 3), (vec![], 5), "what is not asked for need not be looked at again");
    assert_eq!(store.events("", 9), (vec![], 9), "nothing has happened yet");
}

#[test]
fn what_was_forgotten_is_said_to_be() {
    let mut store = Store::new();
    let extra = 5;
    let write = |n: u64| Input::Kv(call(1, n + 1, n + 1, put("k", &n.to_string())));
    let writes: Vec<_> = (0..HISTORY_EVENTS_MAX as u64 + extra).map(write).collect();
    store.world.happen(&writes);
    let oldest = extra + 1;
    assert_eq!(store.events("", oldest - 1).0, [format!("compacted before {oldest}")]);
    let (events, next) = store.events("", oldest);
    assert_eq!((events.len(), next), (EVENTS_MAX, oldest + EVENTS_MAX as u64));
    assert_eq!(events[0], format!("{oldest} k={extra} v{oldest}"));
}

#[test]
fn what_is_watched_takes_no_more_than_its_share_of_memory() {
    let mut store = Store::new();
    let value = "v".repeat(VALUE_BYTES_MAX);
    for _ in 0..40 {
        store.written(put("k", &value));
    }
    assert_eq!(store.events("", 25).0, ["compacted before 26"]);
    assert_eq!(store.events("", 26).0.len(), 3);
}

#[test]
fn what_is_too_large_is_refused_and_changes_nothing() {
    let mut store = Store::new();
    let refused = |store: &mut Store, op: KvOp, reason: &str| {
        let told = store.ask(op).unwrap_err();
        assert!(told.contains(reason), "{told}");
    };
    refused(&mut store, put("", "v"), "the key is empty");
    refused(&mut store, delete("", None), "the key is empty");
    refused(&mut store, put(&"k".repeat(KEY_BYTES_MAX + 1), "v"), "at most 1024");
    let largest = "v".repeat(VALUE_BYTES_MAX);
    refused(&mut store, put("k", &format!("{largest}v")), "at most 1048576");
    store.written(put(&"k".repeat(KEY_BYTES_MAX), &largest));
    refused(&mut store, append(&"k".repeat(KEY_BYTES_MAX), "v"), "at most 1048576");
    assert_eq!(store.world.state.kv().revision(), 1);
    assert_eq!(store.world.told().iter().filter(|told| told.contains("carried out")).count(), 1);
}

#[test]
fn a_full_store_says_so_and_still_takes_what_does_not_grow() {
    let mut store = Store::new();
    let value = "v".repeat(VALUE_BYTES_MAX);
    let fits = TOTAL_BYTES_MAX / (VALUE_BYTES_MAX as u64 + ENTRY_BYTES + 3);
    for n in 0..fits {
        let large = KvOp::Put { key: blob(&format!("{n:03}")), value: Blob(value.clone().into_bytes()) };
        store.world.happen(&[Input::Kv(call(1, n + 1, n + 1, large))]);
    }
    store.requests = fits;
    let told = store.ask(put("more", &value)).unwrap_err();
    assert!(told.starts_with("the store is full: with this its 255 keys would take"), "{told}");
    store.written(put("000", &value));
    store.ask(delete("001", None)).unwrap();
    store.written(put("more", &value));
    assert_eq!(store.ask(delete("nothing", None)).map(|_| ()), Ok(()));
}

#[test]
fn what_was_refused_is_not_executed_when_it_comes_again_though_there_is_room_by_then() {
    let mut store = Store::new();
    store.written(put("k", &"v".repeat(VALUE_BYTES_MAX)));
    let late = call(1, 2, 0, append("k", "v"));
    store.world.happen(&[Input::Kv(late.clone())]);
    let refused = store.world.state.kv_answer(late.asked());
    assert!(refused.as_ref().unwrap_err().to_string().contains("at most 1048576"), "{refused:?}");
    store.world.happen(&[Input::Kv(call(1, 3, 0, delete("k", None)))]);
    store.world.told();
    store.world.happen(&[Input::Kv(late.clone()), Input::Kv(late.clone())]);
    assert_eq!(store.world.told(), [""; 0]);
    assert_eq!(store.world.state.kv_answer(late.asked()), refused);
    assert_eq!(store.value("k"), None);
}

#[test]
fn of_two_writes_at_once_the_one_for_which_there_is_no_room_is_refused_for_good() {
    let mut store = Store::new();
    let half = "v".repeat(VALUE_BYTES_MAX / 2 + 1);
    let (first, second) = (call(1, 1, 0, append("k", &half)), call(1, 2, 0, append("k", &half)));
    store.world.happen(&[Input::Kv(first), Input::Kv(second.clone())]);
    let refused = store.world.state.kv_answer(second.asked()).unwrap_err().to_string();
    assert_eq!(store.world.told(), ["1 of c1 carried out", &format!("2 of c1 refused: {refused}")]);
}
