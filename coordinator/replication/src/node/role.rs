//! What a node is: told to whoever has to know, whenever it changes.

use std::sync::Arc;

use openraft::async_runtime::WatchReceiver;
use openraft::type_config::alias::WatchReceiverOf;
use openraft::{RaftMetrics, ServerState};
use tokio::sync::watch;

use crate::error::Leader;
use crate::health::Health;
use crate::raft::types::Types;

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Another node leads, or none that is known.
    Following {
        /// Who leads.
        leader: Leader,
    },
    /// This node leads in this term, and has applied all that was committed before it. It may find out late that it no longer
    /// does: only an outcome or a confirmation tells for sure.
    Leading {
        /// The term, which no other node leads in.
        term: u64,
    },
    /// The node has stopped for good.
    Failed {
        /// Why, in one line.
        reason: String,
    },
}

pub(super) type Metrics = RaftMetrics<Types>;

/// The leader that these metrics know, if it has an address.
pub(super) fn leader(metrics: &Metrics) -> Leader {
    let id = metrics.current_leader?;
    let node = metrics.membership_config.membership().get_node(&id)?;
    Some((id, node.addr.clone()))
}

/// Whether the node leads in this term.
pub(super) fn leads(metrics: &Metrics, term: u64) -> bool {
    metrics.running_state.is_ok()
        && metrics.state == ServerState::Leader
        && metrics.vote.committed
        && metrics.current_term == term
}

pub(super) fn role(metrics: &Metrics, health: &Health) -> Role {
    if let Err(fatal) = &metrics.running_state {
        let reason = match health.failure() {
            Some(reason) => reason.to_owned(),
            None => fatal.to_string(),
        };
        return Role::Failed { reason };
    }
    let term = metrics.current_term;
    if is_ready(metrics) && leads(metrics, term) {
        return Role::Leading { term };
    }
    let leader = leader(metrics).filter(|(id, _)| *id != metrics.id);
    Role::Following { leader }
}

/// Whether all that earlier leaders had committed is applied: the first entry of a term is its leader's own.
pub(super) fn is_ready(metrics: &Metrics) -> bool {
    metrics.last_applied.as_ref().is_some_and(|last| *last.leader_id == metrics.current_term)
}

/// Tells every change, until the engine has ended.
pub(super) async fn watch_role(
    mut metrics: WatchReceiverOf<Types, Metrics>,
    health: Arc<Health>,
    told: watch::Sender<Role>,
) {
    loop {
        let now = role(&metrics.borrow_and_update(), &health);
        let ended = matches!(now, Role::Failed { .. });
        told.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
        if ended || metrics.changed().await.is_err() {
            break;
        }
    }
}
