//! Between what goes over the wire and what openraft takes. What comes in is looked at: openraft trusts what it is given.

use openraft::impls::BasicNode;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse,
};

use super::types::{
    Entry, LeaderId, LogId, Membership, Payload, SnapshotMeta, StoredMembership, Term, Types, Vote,
};
use super::wire::{
    About, Append, Appended, Ballot, Body, Candidacy, LogEntry, Members, Position, Transfer, Voted,
};

/// A message that decodes, and says what no node would say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Nonsense(&'static str);

impl From<Position> for LogId {
    fn from(at: Position) -> Self {
        Self::new(Term::new(at.term), at.index)
    }
}

impl From<&LogId> for Position {
    fn from(id: &LogId) -> Self {
        Self { term: *id.leader_id, index: id.index }
    }
}

pub(crate) fn position(id: Option<&LogId>) -> Option<Position> {
    id.map(Position::from)
}

impl From<Ballot> for Vote {
    fn from(ballot: Ballot) -> Self {
        let leader_id = LeaderId { term: ballot.term, voted_for: ballot.node };
        Self { leader_id, committed: ballot.won }
    }
}

impl From<&Vote> for Ballot {
    fn from(vote: &Vote) -> Self {
        Self { term: vote.leader_id.term, won: vote.committed, node: vote.leader_id.voted_for }
    }
}

impl From<&Payload> for Body {
    fn from(payload: &Payload) -> Self {
        match payload {
            Payload::Blank => Self::Blank,
            Payload::Normal(entry) => Self::Entry(entry.clone()),
            Payload::Membership(members) => Self::Members(members.into()),
        }
    }
}

impl TryFrom<Body> for Payload {
    type Error = Nonsense;

    fn try_from(body: Body) -> Result<Self, Nonsense> {
        Ok(match body {
            Body::Blank => Self::Blank,
            Body::Entry(entry) => Self::Normal(entry),
            Body::Members(members) => Self::Membership(members.try_into()?),
        })
    }
}

impl From<&Entry> for LogEntry {
    fn from(entry: &Entry) -> Self {
        Self { at: Position::from(&entry.log_id), body: Body::from(&entry.payload) }
    }
}

/// An entry from its parts.
pub(crate) fn entry(at: Position, body: Body) -> Result<Entry, Nonsense> {
    Ok(Entry { log_id: at.into(), payload: body.try_into()? })
}

impl From<&Membership> for Members {
    fn from(members: &Membership) -> Self {
        Self {
            voters: members.get_joint_config().clone(),
            addresses: members.nodes().map(|(id, node)| (*id, node.addr.clone())).collect(),
        }
    }
}

impl TryFrom<Members> for Membership {
    type Error = Nonsense;

    fn try_from(members: Members) -> Result<Self, Nonsense> {
        let nodes: std::collections::BTreeMap<_, _> =
            members.addresses.into_iter().map(|(id, addr)| (id, BasicNode { addr })).collect();
        // A group of nobody is what a node starts from; it is never said with nodes, nor of one half of a change.
        if members.voters.is_empty() {
            return if nodes.is_empty() {
                Ok(Self::default())
            } else {
                Err(Nonsense("a group without voters"))
            };
        }
        Self::new(members.voters, nodes)
            .map_err(|_| Nonsense("a group without voters, or voters without addresses"))
    }
}

impl From<&SnapshotMeta> for About {
    fn from(meta: &SnapshotMeta) -> Self {
        Self {
            last: position(meta.last_log_id.as_ref()),
            members_at: position(meta.last_membership.log_id().as_ref()),
            members: meta.last_membership.membership().into(),
        }
    }
}

impl TryFrom<About> for SnapshotMeta {
    type Error = Nonsense;

    fn try_from(about: About) -> Result<Self, Nonsense> {
        if about.members_at > about.last {
            return Err(Nonsense("a snapshot of members that are later than itself"));
        }
        let members = about.members.try_into()?;
        Ok(Self {
            last_log_id: about.last.map(LogId::from),
            last_membership: StoredMembership::new(about.members_at.map(LogId::from), members),
        })
    }
}

impl From<AppendEntriesRequest<Types>> for Append {
    fn from(request: AppendEntriesRequest<Types>) -> Self {
        Self {
            ballot: Ballot::from(&request.vote),
            previous: position(request.prev_log_id.as_ref()),
            entries: request.entries.iter().map(LogEntry::from).collect(),
            committed: position(request.leader_commit.as_ref()),
        }
    }
}

impl TryFrom<Append> for AppendEntriesRequest<Types> {
    type Error = Nonsense;

    fn try_from(append: Append) -> Result<Self, Nonsense> {
        if !append.ballot.won {
            return Err(Nonsense("entries of a member that does not lead"));
        }
        let mut previous = append.previous;
        for entry in &append.entries {
            let follows = match previous {
                None => entry.at.index == 0,
                Some(before) => {
                    before.index.checked_add(1) == Some(entry.at.index) && before.term <= entry.at.term
                }
            };
            if !follows || entry.at.term > append.ballot.term {
                return Err(Nonsense("entries that do not follow each other"));
            }
            previous = Some(entry.at);
        }
        let entries = append.entries.into_iter().map(|e| entry(e.at, e.body)).collect::<Result<_, _>>()?;
        Ok(Self {
            vote: append.ballot.into(),
            prev_log_id: append.previous.map(LogId::from),
            entries,
            leader_commit: append.committed.map(LogId::from),
        })
    }
}

impl From<AppendEntriesResponse<Types>> for Appended {
    fn from(response: AppendEntriesResponse<Types>) -> Self {
        match response {
            AppendEntriesResponse::Success => Self::All,
            AppendEntriesResponse::PartialSuccess(upto) => Self::UpTo(position(upto.as_ref())),
            AppendEntriesResponse::Conflict => Self::Conflict,
            AppendEntriesResponse::HigherVote(vote) => Self::Outvoted(Ballot::from(&vote)),
        }
    }
}

impl Appended {
    /// What it answers to entries from behind `previous` up to `last`: a reply to something else would be believed otherwise.
    pub(crate) fn to(
        self,
        previous: Option<Position>,
        last: Option<Position>,
    ) -> Result<AppendEntriesResponse<Types>, Nonsense> {
        match self {
            Self::All => Ok(AppendEntriesResponse::Success),
            Self::UpTo(upto) if upto >= previous && upto <= last => {
                Ok(AppendEntriesResponse::PartialSuccess(upto.map(LogId::from)))
            }
            Self::UpTo(_) => Err(Nonsense("it took entries that it was not sent")),
            // Nothing conflicts with the beginning of the log.
            Self::Conflict if previous.is_none() => Err(Nonsense("a conflict before the first entry")),
            Self::Conflict => Ok(AppendEntriesResponse::Conflict),
            Self::Outvoted(ballot) => Ok(AppendEntriesResponse::HigherVote(ballot.into())),
        }
    }
}

impl From<VoteRequest<Types>> for Candidacy {
    fn from(request: VoteRequest<Types>) -> Self {
        Self {
            ballot: Ballot::from(&request.vote),
            last: position(request.last_log_id.as_ref()),
            transfer: request.leadership_transfer,
        }
    }
}

impl TryFrom<Candidacy> for VoteRequest<Types> {
    type Error = Nonsense;

    fn try_from(candidacy: Candidacy) -> Result<Self, Nonsense> {
        if candidacy.ballot.won {
            return Err(Nonsense("a candidate that has won already"));
        }
        let mut request = Self::new(candidacy.ballot.into(), candidacy.last.map(LogId::from));
        request.leadership_transfer = candidacy.transfer;
        Ok(request)
    }
}

impl From<VoteResponse<Types>> for Voted {
    fn from(response: VoteResponse<Types>) -> Self {
        Self {
            ballot: Ballot::from(&response.vote),
            granted: response.vote_granted,
            last: position(response.last_log_id.as_ref()),
        }
    }
}

impl From<Voted> for VoteResponse<Types> {
    fn from(voted: Voted) -> Self {
        Self::new(Vote::from(voted.ballot), voted.last.map(LogId::from), voted.granted)
    }
}

impl From<TransferLeaderRequest<Types>> for Transfer {
    fn from(request: TransferLeaderRequest<Types>) -> Self {
        Self {
            from: Ballot::from(request.from_leader()),
            to: *request.to_node_id(),
            last: position(request.last_log_id()),
        }
    }
}

impl TryFrom<Transfer> for TransferLeaderRequest<Types> {
    type Error = Nonsense;

    fn try_from(transfer: Transfer) -> Result<Self, Nonsense> {
        if !transfer.from.won {
            return Err(Nonsense("leadership handed over by a member that does not lead"));
        }
        Ok(Self::new(transfer.from.into(), transfer.to, transfer.last.map(LogId::from)))
    }
}
