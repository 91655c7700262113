//! A group of one that a test can kill: proposes without end, and says on standard output what has become certain.
//!
//! `DIRECTORY NAME`. Ends with status 3 and one line on standard error when the node has failed.

#[path = "../replication/ledger.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "shared with the tests, which look at more of it")]
mod ledger;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use gristmill_replication::{Config, Lane, Network, NetworkError, Node, NodeId, Role, Store};
use ledger::Ledger;

/// How many proposals are on their way at a time.
const AT_ONCE: u64 = 16;

/// There is nobody else.
#[derive(Clone)]
struct Nobody;

impl Network for Nobody {
    async fn send(
        &self,
        to: NodeId,
        _: &str,
        _: Lane,
        _: Vec<u8>,
        _: Duration,
    ) -> Result<Vec<u8>, NetworkError> {
        Err(NetworkError::Unreachable(format!("there is no node {to}")))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, name] = &arguments[..] else { return ExitCode::from(2) };
    let mut config = Config::new(1, [(1, "here".to_owned())].into(), Store::Directory(directory.into()));
    config.snapshot_log_bytes = 50_000;
    config.kept_entries = 100;
    config.log_file_bytes = 20_000;
    let reason = match Node::start(config, Nobody, Ledger::default()).await {
        Ok(node) => propose_on(&node, name).await,
        Err(error) => error.to_string(),
    };
    let _ = writeln!(std::io::stderr(), "{reason}");
    ExitCode::from(3)
}

/// Proposes until the node has failed. Returns why it has.
async fn propose_on(node: &Node<Ledger>, name: &str) -> String {
    let mut role = node.leadership();
    let Ok(ready) = role.wait_for(|role| !matches!(role, Role::Following { .. })).await.map(|r| r.clone())
    else {
        return "nobody tells the role".into();
    };
    if let Role::Leading { term } = ready {
        for line in 0..AT_ONCE {
            let (node, name) = (node.clone(), name.to_owned());
            tokio::spawn(async move {
                for number in 0.. {
                    let command = format!("{name}-{line}-{number}");
                    if node.propose(term, command.clone()).await.is_err() {
                        return;
                    }
                    // In one write, so that a kill leaves whole lines.
                    let told = std::io::stdout().lock().write_all(format!("{command}\n").as_bytes());
                    if told.is_err() {
                        return;
                    }
                }
            });
        }
    }
    match role.wait_for(|role| matches!(role, Role::Failed { .. })).await.map(|role| role.clone()) {
        Ok(Role::Failed { reason }) => reason,
        other => format!("{other:?}"),
    }
}
