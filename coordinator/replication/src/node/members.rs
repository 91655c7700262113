//! Who is in the group: telling it, and changing it while the group runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::impls::BasicNode;
use openraft::{ChangeMembers, Instant as _};
use tokio::time::{Instant, sleep, timeout};

use super::Node;
use super::role::Metrics;
use super::start::CAUGHT_UP;
use crate::error::MembersError;
use crate::machine::Machine;
use crate::network::NodeId;

/// Who is in the group, as this node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// The term.
    pub term: u64,
    /// Who leads.
    pub leader: Option<NodeId>,
    /// All of them, by id.
    pub members: Vec<Member>,
    /// The term and the index of the entry that made them members.
    pub since: (u64, u64),
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: NodeId,
    /// Its address.
    pub address: String,
    /// Whether it votes. One that does not is catching up, or was added and never did.
    pub voter: bool,
    /// How many entries it is behind, if this node leads and has heard of it.
    pub behind: Option<u64>,
    /// For how long nothing was heard of it, if this node leads: since it leads, where it has not heard of it at all.
    pub silent: Option<Duration>,
}

/// How long a new member is waited for while no message gets through to it. One that only takes long to answer is waited for longer.
const UNREACHED_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether messages get through.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

type Change = ChangeMembers<NodeId, BasicNode>;

impl<M: Machine> Node<M> {
    /// Who is in the group, as this node knows it.
    pub fn members(&self) -> Members {
        let metrics = self.0.engine.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let since = metrics.membership_config.log_id().as_ref();
        let since = since.map_or_else(Default::default, |entry| (*entry.leader_id, entry.index));
        let voters: BTreeSet<_> = membership.voter_ids().collect();
        let last = metrics.last_log_index;
        let behind = |id: NodeId| {
            let matching = metrics.replication.as_ref()?.get(&id)?.as_ref()?;
            Some(last?.saturating_sub(matching.index))
        };
        let leads_since = self.leads_since(metrics.current_term);
        let silent = |id: NodeId| {
            let heard = metrics.heartbeat.as_ref()?;
            if id == self.0.id {
                return Some(Duration::ZERO);
            }
            // When the message was sent that it answered last.
            let answered = heard.get(&id).copied().flatten().map(|at| at.elapsed());
            answered.or_else(|| leads_since.map(|since| since.elapsed()))
        };
        let members = membership
            .nodes()
            .map(|(id, node)| Member {
                id: *id,
                address: node.addr.clone(),
                voter: voters.contains(id),
                behind: behind(*id),
                silent: silent(*id),
            })
            .collect();
        Members { term: metrics.current_term, leader: metrics.current_leader, members, since }
    }

    /// Lets a node that is to be added learn all entries, as one that does not vote yet.
    pub async fn teach_member(
        &self,
        id: NodeId,
        address: &str,
        patience: Duration,
    ) -> Result<(), MembersError> {
        self.within(patience, |waited| self.not_come(id, waited), self.learn(id, address)).await
    }

    /// Adds a member: it learns all entries first, and votes once it has caught up. Its id must never have been another's. The new
    /// node is started with the founding members of the group, not with itself among them.
    pub async fn add_member(
        &self,
        id: NodeId,
        address: &str,
        patience: Duration,
    ) -> Result<(), MembersError> {
        self.within(patience, |waited| self.not_come(id, waited), async {
            self.learn(id, address).await?;
            self.change(Change::AddVoterIds(BTreeSet::from([id]))).await
        })
        .await
    }

    /// Removes a member. It may be the leader: the others then elect a new one.
    pub async fn remove_member(&self, id: NodeId, patience: Duration) -> Result<(), MembersError> {
        self.known(id)?;
        if self.members().members.iter().all(|member| member.id == id || !member.voter) {
            return Err(MembersError::Refused(format!(
                "member {id} is the last that votes: a group needs one"
            )));
        }
        self.within(patience, |waited| after("too few members answer", waited), async {
            if self.votes(id) {
                self.change(Change::RemoveVoters(BTreeSet::from([id]))).await?;
            }
            if self.known(id).is_ok() {
                self.change(Change::RemoveNodes(BTreeSet::from([id]))).await?;
            }
            Ok(())
        })
        .await
    }

    /// Puts a new member in the place of another, in one step: the group is never smaller than it was.
    pub async fn replace_member(
        &self,
        id: NodeId,
        by: NodeId,
        address: &str,
        patience: Duration,
    ) -> Result<(), MembersError> {
        self.known(id)?;
        // In a group on its way from some voters to others, that may be this very change, whose leader was lost.
        if by == id || self.votes(by) && !self.is_changing() {
            return Err(MembersError::Refused(format!(
                "member {by} votes already, and cannot take another's place: a new member needs a new id"
            )));
        }
        self.within(patience, |waited| self.not_come(by, waited), async {
            self.learn(by, address).await?;
            let add = Change::AddVoterIds(BTreeSet::from([by]));
            let remove = Change::RemoveVoters(BTreeSet::from([id]));
            self.change(Change::Batch(vec![add, remove])).await
        })
        .await
    }

    /// Hands leadership over.
    pub async fn lead_with(&self, to: NodeId, patience: Duration) -> Result<(), MembersError> {
        if !self.leads_now() {
            return Err(MembersError::NotLeader { leader: self.leader() });
        }
        if to == self.0.id {
            return Ok(());
        }
        if !self.votes(to) {
            return Err(MembersError::Refused(format!("there is no voting member {to} in the group")));
        }
        self.within(patience, |waited| after("the other member has not taken over", waited), async {
            let asked = self.0.engine.trigger().transfer_leader(to).await;
            asked.map_err(|_| MembersError::Failed(self.failure()))?;
            self.until(|metrics| metrics.current_leader.is_some_and(|leader| leader != self.0.id)).await?;
            // One that has only just come back lacks entries yet, and another has been faster: that one can be asked again.
            match self.leader() {
                Some((id, _)) if id == to => Ok(()),
                leader => Err(MembersError::NotLeader { leader }),
            }
        })
        .await
    }

    /// That it is a member.
    ///
    /// # Errors
    /// When it is none.
    pub fn known(&self, id: NodeId) -> Result<(), MembersError> {
        if self.members().members.iter().any(|member| member.id == id) {
            return Ok(());
        }
        Err(MembersError::Refused(format!("there is no member {id} in the group")))
    }

    fn leads_since(&self, term: u64) -> Option<Instant> {
        self.0.led.borrow().filter(|(led, _)| *led == term).map(|(_, since)| since)
    }

    fn votes(&self, id: NodeId) -> bool {
        self.members().members.iter().any(|member| member.id == id && member.voter)
    }

    fn is_changing(&self) -> bool {
        let metrics = self.0.engine.metrics();
        metrics.borrow_watched().membership_config.membership().get_joint_config().len() > 1
    }

    /// Makes the node a learner, and waits until it has caught up.
    async fn learn(&self, id: NodeId, address: &str) -> Result<(), MembersError> {
        if id == 0 {
            return Err(MembersError::Refused("0 is no member's id: give a number from 1 on".to_owned()));
        }
        for member in self.members().members {
            if member.id == id && member.address != address {
                let known = member.address;
                return Err(MembersError::Refused(format!(
                    "member {id} is a member already, at {known}: a new member needs a new id"
                )));
            }
            if member.id != id && member.address == address {
                let other = member.id;
                return Err(MembersError::Refused(format!("{address} is the address of member {other}")));
            }
        }
        let node = BasicNode { addr: address.to_owned() };
        self.change(Change::AddNodes(BTreeMap::from([(id, node)]))).await?;
        let caught_up = self.until(|metrics| {
            let Some(replication) = &metrics.replication else { return true };
            let matching = replication.get(&id).cloned().flatten().map(|at| at.index);
            let wanted = metrics.last_log_index.map(|last| last.saturating_sub(CAUGHT_UP));
            matching.is_some() && matching >= wanted
        });
        tokio::select! {
            caught_up = caught_up => caught_up,
            waited = self.unreached(id) => Err(MembersError::Late(self.not_come(id, waited))),
        }
    }

    /// Returns when nothing has got through to a node for too long.
    async fn unreached(&self, id: NodeId) -> Duration {
        let begun = Instant::now();
        loop {
            if let Some(trouble) = self.0.reach.trouble(id).filter(|trouble| !trouble.is_slow) {
                let waited = trouble.since.max(begun).elapsed();
                if waited >= UNREACHED_MAX {
                    return waited;
                }
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// What to say of a new member that has not come into the group.
    fn not_come(&self, id: NodeId, waited: Duration) -> String {
        let late = after(&format!("member {id} has not caught up"), waited);
        let why = self.0.reach.trouble(id).map_or_else(String::new, |trouble| format!(": {}", trouble.why));
        format!(
            "{late}{why}; it is a learner now, which counts for nothing: repeat this when that is mended, or `gristmill members remove {id}`"
        )
    }

    async fn until(&self, reached: impl Fn(&Metrics) -> bool) -> Result<(), MembersError> {
        let mut metrics = self.0.engine.metrics();
        while !reached(&metrics.borrow_and_update()) {
            metrics.changed().await.map_err(|_| MembersError::Failed(self.failure()))?;
        }
        Ok(())
    }

    async fn change(&self, change: Change) -> Result<(), MembersError> {
        match self.0.engine.change_membership(change, false).await {
            Ok(_) => Ok(()),
            Err(RaftError::Fatal(_)) => Err(MembersError::Failed(self.failure())),
            Err(RaftError::APIError(
                ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_),
            )) => Err(MembersError::NotLeader { leader: self.leader() }),
            Err(RaftError::APIError(error)) => Err(MembersError::Refused(error.to_string())),
        }
    }

    async fn within(
        &self,
        patience: Duration,
        late: impl Fn(Duration) -> String,
        act: impl Future<Output = Result<(), MembersError>>,
    ) -> Result<(), MembersError> {
        timeout(patience, act).await.unwrap_or_else(|_| Err(MembersError::Late(late(patience))))
    }
}

fn after(what: &str, waited: Duration) -> String {
    format!("{what} after {} s", waited.as_secs())
}
