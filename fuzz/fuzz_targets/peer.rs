//! Any requests of a peer, one after the other: answered or refused, and the node lives on.
#![no_main]

use std::collections::BTreeMap;
use std::time::Duration;

use gristmill_replication::testing::{Counter, FaultyNetwork, seal};
use gristmill_replication::{Config, Node, Role, Store};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Builder;
use tokio::time::timeout;

fuzz_target!(|requests: Vec<&[u8]>| {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let founders: BTreeMap<_, _> = (1..=3).map(|id| (id, format!("node-{id}"))).collect();
        let config = Config::new(1, founders.clone(), Store::memory());
        let node = Node::start(config, FaultyNetwork::new(1).wire(1), Counter::default()).await.unwrap();
        for request in requests {
            let _ = node.deliver(request).await;
            let message = seal(2, 1, &founders, request).unwrap();
            // An answer may take what a sync takes, and no longer.
            let _ = timeout(Duration::from_secs(5), node.deliver(&message)).await.expect("it is answered");
        }
        let role = node.leadership().borrow().clone();
        assert!(!matches!(role, Role::Failed { .. }), "{role:?}");
        node.shutdown().await;
    });
});
