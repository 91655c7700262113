//! A node that makes a group by itself: it may move as long as nobody has joined it, and leads at once.

use std::collections::BTreeMap;
use std::io;

use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::RaftError;
use openraft::impls::BasicNode;

use super::start::{other_group, path};
use super::{Engine, role};
use crate::config::{Config, Store};
use crate::directory::Identity;
use crate::error::StartError;
use crate::machine::Machine;
use crate::raft::types::Membership;

/// Whether the node is still the only one. Then nobody else knows the group, and it can be told apart from others by where the node is
/// now: the address that those who join will give.
pub(super) async fn settle(
    config: &Config,
    members: &Membership,
    identity: &mut Identity,
) -> Result<bool, StartError> {
    let known: BTreeMap<_, _> = members.nodes().map(|(id, node)| (*id, &node.addr)).collect();
    let only_here = known.keys().eq([&config.id]);
    if !only_here && !identity.founders.keys().eq([&config.id]) {
        return Err(other_group(config, identity));
    }
    if !only_here && !known.is_empty() {
        return match (known.get(&config.id), config.members.get(&config.id)) {
            (Some(known), Some(given)) if *known != given => {
                Err(StartError::Moved { path: path(config), known: (*known).clone(), given: given.clone() })
            }
            _ => Ok(false),
        };
    }
    if identity.founders != config.members {
        identity.founders.clone_from(&config.members);
        keep(config, identity.clone())
            .await
            .map_err(|source| StartError::Io { path: path(config), source })?;
    }
    Ok(true)
}

async fn keep(config: &Config, identity: Identity) -> io::Result<()> {
    match config.store.clone() {
        Store::Directory(path) => {
            let written = tokio::task::spawn_blocking(move || identity.write(&path)).await;
            written.map_err(io::Error::other)?
        }
        Store::Memory(store) => {
            store.set_identity(identity);
            Ok(())
        }
    }
}

/// Leads at once, as there is nobody to wait for, and tells the group where it is now.
pub(super) async fn lead<M: Machine>(engine: &Engine<M>, config: &Config) -> Result<(), StartError> {
    let failed = |error: String| StartError::Engine(error);
    engine.trigger().elect(false).await.map_err(|error| failed(error.to_string()))?;
    let mut metrics = engine.metrics();
    let moved = loop {
        {
            let metrics = metrics.borrow_and_update();
            if let Err(fatal) = &metrics.running_state {
                return Err(failed(fatal.to_string()));
            }
            if role::is_ready(&metrics) && role::leads(&metrics, metrics.current_term) {
                let known = metrics.membership_config.membership().get_node(&config.id);
                let known = known.map(|node| node.addr.clone());
                break known.as_ref() != config.members.get(&config.id);
            }
        }
        metrics.changed().await.map_err(|error| failed(error.to_string()))?;
    };
    if !moved {
        return Ok(());
    }
    let here = config.members.iter().map(|(id, address)| (*id, BasicNode { addr: address.clone() }));
    match engine.change_membership(ChangeMembers::SetNodes(here.collect()), false).await {
        Ok(_) => Ok(()),
        Err(RaftError::Fatal(fatal)) => Err(failed(fatal.to_string())),
        Err(RaftError::APIError(error)) => Err(failed(error.to_string())),
    }
}
