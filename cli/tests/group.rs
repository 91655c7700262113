//! The commands about a group and its store, against a coordinator that only plays one: arguments, output, exit status.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is how a test fails")]

#[path = "support/fake.rs"]
mod fake;
mod support;

use std::io::Write;
use std::process::Stdio;

use fake::Fake;
use gristmill_model::{JobPhase, MemberChange, WorkerId};
use serde_json::json;
use support::{Ended, command, ended, gristmill};
use tempfile::TempDir;

struct World {
    fake: Fake,
    place: TempDir,
}

impl World {
    fn new() -> Self {
        Self { fake: Fake::start(), place: tempfile::tempdir().unwrap() }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let all = arguments.iter().copied().chain(["--coordinator", &self.fake.address]);
        gristmill(self.place.path(), all)
    }
}

#[test]
fn a_value_goes_in_and_comes_out_as_it_is() {
    let world = World::new();
    assert_eq!(world.run(&["kv", "put", "k", "v 1"]).is(0).stdout, "version 1\nrevision 1\n");
    assert_eq!(world.run(&["kv", "append", "k", "-2"]).is(0).stdout, "version 2\nrevision 2\n");
    assert_eq!(world.run(&["kv", "get", "k"]).is(0).stdout, "v 1-2");
    let got = world.run(&["kv", "get", "k", "--json"]).is(0).json();
    assert_eq!(got, json!({ "key": "k", "value": "v 1-2", "version": 2, "revision": 2 }));
    let put = world.run(&["kv", "put", "k", "", "--json"]).is(0).json();
    assert_eq!(put, json!({ "version": 3, "revision": 3 }));
    assert_eq!(world.run(&["kv", "get", "k"]).is(0).stdout, "");
}

#[test]
fn a_value_comes_from_a_file_or_standard_input_whatever_is_in_it() {
    let world = World::new();
    let bytes = b"\0\xff\n\x1b[2J";
    std::fs::write(world.place.path().join("file"), bytes).unwrap();
    world.run(&["kv", "put", "a", "--from", "file"]).is(0);
    let mut put = command(world.place.path());
    put.args(["kv", "put", "b", "-", "--coordinator", &world.fake.address]);
    let mut child = put.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    ended(child.wait_with_output().unwrap()).is(0);
    for key in ["a", "b"] {
        let get = ["kv", "get", key, "--coordinator", &world.fake.address];
        assert_eq!(command(world.place.path()).args(get).output().unwrap().stdout, bytes);
    }
    assert_eq!(world.run(&["kv", "get", "a", "--json"]).is(0).json()["value_hex"], "00ff0a1b5b324a");
    world.run(&["kv", "put", "a", "--from", "missing"]).is(2).says("open missing");
    std::fs::write(world.place.path().join("large"), vec![0; (1 << 20) + 1]).unwrap();
    world.run(&["kv", "put", "a", "--from", "large"]).is(2).says("larger than a value may be");
    world.run(&["kv", "put", &"k".repeat(2000), "v"]).is(2).says("longer than 1024");
}

#[test]
fn what_does_not_match_is_status_1_and_says_why() {
    let world = World::new();
    assert!(world.run(&["kv", "get", "k"]).is(1).says("there is no key `k`").stdout.is_empty());
    world.run(&["kv", "cas", "k", "1", "v"]).is(1).says("there is no key `k`");
    world.run(&["kv", "cas", "k", "0", "v"]).is(0).prints("version 1\n");
    world.run(&["kv", "cas", "k", "0", "w"]).is(1).says("key `k` is there, with version 1");
    world.run(&["kv", "cas", "k", "1", "w"]).is(0).prints("version 2\n");
    world.run(&["kv", "delete", "k", "--version", "1"]).is(1).says("has version 2, not 1");
    assert_eq!(world.run(&["kv", "delete", "k", "--version", "2"]).is(0).stdout, "existed yes\n");
    assert_eq!(world.run(&["kv", "delete", "k"]).is(0).stdout, "existed no\n");
    assert_eq!(world.run(&["kv", "delete", "k", "--json"]).is(0).json(), json!({ "existed": false }));
}

#[test]
fn keys_are_listed_in_order_and_by_prefix() {
    let world = World::new();
    for key in ["b/2", "a", "b/1", "b/3", "c"] {
        world.run(&["kv", "put", key, "xyz"]).is(0);
    }
    let listed = world.run(&["kv", "list", "b/"]).is(0).stdout;
    let expected = "b/1 version=1 revision=3 bytes=3\nb/2 version=1 revision=1 bytes=3\n\
                    b/3 version=1 revision=4 bytes=3\n";
    assert_eq!(listed, expected);
    let all = world.run(&["kv", "list", "--json"]).is(0).json();
    let keys: Vec<_> = all["entries"].as_array().unwrap().iter().map(|entry| &entry["key"]).collect();
    assert_eq!(keys, ["a", "b/1", "b/2", "b/3", "c"]);
    assert_eq!(world.run(&["kv", "list", "x"]).is(0).stdout, "");
}

#[test]
fn changes_are_watched_from_a_revision_on() {
    let world = World::new();
    world.run(&["kv", "put", "k1", "v"]).is(0);
    world.run(&["kv", "put", "other", "v"]).is(0);
    world.run(&["kv", "delete", "k1"]).is(0);
    let watched = world.run(&["kv", "watch", "k", "--from-revision", "1", "--count", "2"]).is(0).stdout;
    assert_eq!(watched, "k1 put version=1 revision=1 bytes=1\nk1 deleted revision=3\n");
    let watched = world.run(&["kv", "watch", "--from-revision", "2", "--count", "1", "--json"]).is(0).json();
    let expected = json!({ "key": "other", "change": "put", "version": 1, "revision": 2, "value": "v" });
    assert_eq!(watched, expected);
}

#[test]
fn members_are_listed_and_changed() {
    let world = World::new();
    let expected = "1 address=127.0.0.1:1 role=voter leader=yes behind=1 silent=0.000\n\
                    2 address=127.0.0.1:2 role=voter leader=no behind=2 silent=1.100\n\
                    3 address=127.0.0.1:3 role=learner leader=no behind=3 silent=2.200\n";
    assert_eq!(world.run(&["members"]).is(0).stdout, expected);
    assert_eq!(world.run(&["members", "add", "4=127.0.0.1:7074"]).is(0).stdout, expected);
    world.run(&["members", "remove", "2"]).is(0);
    world.run(&["members", "replace", "2", "5=127.0.0.1:7075"]).is(0);
    let listed = world.run(&["members", "lead", "3", "--json"]).is(0).json();
    assert_eq!((&listed["leader"], &listed["members"][0]["leads"]), (&json!(1), &json!(true)));
    let (four, five) = ("127.0.0.1:7074".to_owned(), "127.0.0.1:7075".to_owned());
    let expected = [
        MemberChange::Add { id: 4, address: four },
        MemberChange::Remove { id: 2 },
        MemberChange::Replace { id: 2, by: 5, address: five },
        MemberChange::Lead { id: 3 },
    ];
    assert_eq!(world.fake.changes(), expected);
    world.run(&["members", "remove", "9"]).is(2).says("9 is no member");
}

#[test]
fn a_worker_is_drained() {
    let world = World::new();
    assert_eq!(world.run(&["drain", "w4"]).is(0).stdout, "draining w4\n");
    assert_eq!(world.run(&["drain", "w4", "--json"]).is(0).json(), json!({ "draining": "w4" }));
    world.run(&["drain", "w9"]).is(2).says("there is no worker w9").says("gristmill workers");
    assert_eq!(world.fake.drained(), [WorkerId(4), WorkerId(4)]);
}

#[test]
fn the_history_is_a_document_a_line_of_each_job_that_is_over() {
    let world = World::new();
    world.fake.remember(1, JobPhase::Done);
    world.fake.remember(2, JobPhase::Reducing);
    world.fake.remember(3, JobPhase::Failed("no such luck".to_owned()));
    let history = world.run(&["history"]).is(0).stdout;
    assert_eq!(world.run(&["history", "--json"]).is(0).stdout, history);
    let lines: Vec<serde_json::Value> =
        history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["job"], &lines[0]["state"]), (&json!("j1"), &json!("done")));
    assert_eq!((&lines[1]["job"], &lines[1]["error"]), (&json!("j3"), &json!("no such luck")));
    assert_eq!(lines[0]["cluster"], lines[1]["cluster"]);
    assert!(lines[0]["cluster"].is_string(), "{history}");
    assert_eq!((&lines[0]["submitted_ms"], &lines[0]["ended_ms"]), (&json!(1000), &json!(3000)));
}
