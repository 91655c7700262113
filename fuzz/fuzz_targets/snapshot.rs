//! Any bytes as a snapshot, also behind its beginning: refused, or the state in them.
#![no_main]

use std::fs;

use gristmill_replication::repair::inspect;
use gristmill_replication::testing::{Counter, FaultyNetwork};
use gristmill_replication::{Config, Node, Store};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tokio::runtime::Builder;

const BEGINNING: &[u8] = b"GMSNAPSH\x01";

fuzz_target!(|case: (bool, &[u8])| {
    let (begun, bytes) = case;
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("lock"), []).unwrap();
    let content = if begun { [BEGINNING, bytes].concat() } else { bytes.to_vec() };
    fs::write(place.path().join("snapshot"), content).unwrap();
    let report = inspect(place.path()).unwrap();
    assert_ne!(report.snapshot.is_some(), !report.damage.is_empty());
    // Without a log and an identity nothing starts from it, whatever it holds.
    let config = Config::new(1, [(1, "here".to_owned())].into(), Store::Directory(place.path().into()));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let started = runtime.block_on(Node::start(config, FaultyNetwork::new(1).wire(1), Counter::default()));
    assert!(started.is_err());
});
