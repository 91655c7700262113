//! What a node is: told to whoever has to know, whenever it changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use openraft::async_runtime::WatchReceiver;
use openraft::type_config::alias::WatchReceiverOf;
use openraft::{RaftMetrics, ServerState};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::Leader;
use crate::health::Health;
use crate::network::NodeId;
use crate::raft::convert::position;
use crate::raft::types::{Membership, Types};
use crate::raft::wire::Removed;

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Another node leads, or none that is known.
    Following {
        /// Who leads.
        leader: Leader,
    },
    /// This node is no member of the group: it was removed, or is not added yet.
    NoMember {
        /// Who is, by id, with their addresses.
        members: BTreeMap<NodeId, String>,
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

/// What a node was told of its own place in the group, beside what its log says.
#[derive(Debug)]
pub(super) struct Place {
    /// It was a member once, as a founder or as it has seen itself.
    pub(super) was_member: bool,
    /// What others have told it.
    pub(super) removed: watch::Receiver<Option<Removed>>,
}

pub(super) fn role(metrics: &Metrics, health: &Health, place: &Place) -> Role {
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
    // What makes others the members may have come here since.
    let since = position(metrics.membership_config.log_id().as_ref());
    if let Some(removed) = place.removed.borrow().as_ref().filter(|removed| since < Some(removed.at)) {
        return Role::NoMember { members: removed.members.clone() };
    }
    let leader = leader(metrics).filter(|(id, _)| *id != metrics.id);
    let members = addresses(metrics.membership_config.membership());
    let is_member = members.is_empty() || members.contains_key(&metrics.id);
    // One that is being added reads of the members of earlier times, but from a leader; one that was removed may remember its last.
    match is_member || (leader.is_some() && !place.was_member) {
        true => Role::Following { leader },
        false => Role::NoMember { members },
    }
}

/// The members with their addresses.
pub(super) fn addresses(membership: &Membership) -> BTreeMap<NodeId, String> {
    membership.nodes().map(|(id, node)| (*id, node.addr.clone())).collect()
}

/// Whether all that earlier leaders had committed is applied: the first entry of a term is its leader's own.
pub(super) fn is_ready(metrics: &Metrics) -> bool {
    metrics.last_applied.as_ref().is_some_and(|last| *last.leader_id == metrics.current_term)
}

/// Tells every change, and in which term the node led last and since when, until the engine has ended.
pub(super) async fn watch_role(
    mut metrics: WatchReceiverOf<Types, Metrics>,
    health: Arc<Health>,
    mut place: Place,
    told: watch::Sender<Role>,
    led: watch::Sender<Option<(u64, Instant)>>,
) {
    loop {
        place.removed.mark_unchanged();
        let now = {
            let metrics = metrics.borrow_and_update();
            place.was_member |= metrics.membership_config.membership().get_node(&metrics.id).is_some();
            role(&metrics, &health, &place)
        };
        let ended = matches!(now, Role::Failed { .. });
        if let Role::Leading { term } = now {
            led.send_if_modified(|led| {
                let begins = led.is_none_or(|(before, _)| before != term);
                if begins {
                    *led = Some((term, Instant::now()));
                }
                begins
            });
        }
        told.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
        if ended {
            break;
        }
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { break },
            // Its end is that of the engine.
            Ok(()) = place.removed.changed() => {}
        }
    }
}
