//! What nodes say to each other, byte for byte: our own types, so that a new openraft changes no format by itself.
//!
//! ```text
//!   message = version u8 · from · to · group · lineage · request        (postcard)
//!   answer  = lineage · reply
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::types::EncodedEntry;
use crate::group::GroupId;
use crate::network::NodeId;

/// The first byte of every message. A node refuses any other.
pub(crate) const WIRE_VERSION: u8 = 2;

/// A message, with what a receiver must know before it looks at the request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) version: u8,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) group: GroupId,
    /// Of the sender's store.
    pub(crate) lineage: u64,
    pub(crate) request: Request,
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Of the store of the node that answers.
    pub(crate) lineage: u64,
    pub(crate) reply: Reply,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Append(Append),
    Vote(Candidacy),
    PreVote(Candidacy),
    Transfer(Transfer),
    Piece(Piece),
}

impl Request {
    /// The ballot in it: always the sender's own.
    pub(crate) fn ballot(&self) -> Ballot {
        match self {
            Self::Append(append) => append.ballot,
            Self::Vote(candidacy) | Self::PreVote(candidacy) => candidacy.ballot,
            Self::Transfer(transfer) => transfer.from,
            Self::Piece(piece) => piece.ballot,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Append(Appended),
    Vote(Voted),
    /// Whether the node will try to take over.
    Transfer(bool),
    Piece(PieceTaken),
    /// To a candidate: it is no member any more.
    Removed(Removed),
}

/// What a candidate is told that has missed its own removal: its log ends before an entry that is committed, and makes others the members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removed {
    pub(crate) at: Position,
    pub(crate) members: BTreeMap<NodeId, String>,
}

/// Where an entry stands in the log, and under which term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) term: u64,
    pub(crate) index: u64,
}

/// For whom a node has voted, and whether that one has won.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Ballot {
    pub(crate) term: u64,
    pub(crate) won: bool,
    pub(crate) node: NodeId,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LogEntry {
    pub(crate) at: Position,
    pub(crate) body: Body,
}

/// What an entry says. The log on disk holds these too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Body {
    /// A new leader's first.
    Blank,
    Entry(EncodedEntry),
    Members(Members),
}

impl Body {
    /// About how many bytes it takes, with what is around it.
    pub(crate) fn size(&self) -> usize {
        const AROUND: usize = 32;
        match self {
            Self::Blank => AROUND,
            Self::Entry(entry) => AROUND + entry.0.len(),
            Self::Members(members) => AROUND + 64 * members.addresses.len(),
        }
    }
}

/// Who is in the group: one set of voters, or two while it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Members {
    pub(crate) voters: Vec<BTreeSet<NodeId>>,
    pub(crate) addresses: BTreeMap<NodeId, String>,
}

impl Members {
    /// Whether there are several who vote: none of them gets beyond the founding without having heard of another.
    pub(crate) fn are_several(&self) -> bool {
        self.voters.iter().flatten().collect::<BTreeSet<_>>().len() > 1
    }

    /// Who is in a group that was not founded yet.
    pub(crate) fn nobody() -> Self {
        Self { voters: Vec::new(), addresses: BTreeMap::new() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Append {
    pub(crate) ballot: Ballot,
    pub(crate) previous: Option<Position>,
    pub(crate) entries: Vec<LogEntry>,
    pub(crate) committed: Option<Position>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Appended {
    All,
    UpTo(Option<Position>),
    Conflict,
    Outvoted(Ballot),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Candidacy {
    pub(crate) ballot: Ballot,
    pub(crate) last: Option<Position>,
    /// The leader itself has asked for this election.
    pub(crate) transfer: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Voted {
    pub(crate) ballot: Ballot,
    pub(crate) granted: bool,
    pub(crate) last: Option<Position>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) from: Ballot,
    pub(crate) to: NodeId,
    pub(crate) last: Option<Position>,
}

/// Some bytes of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Piece {
    pub(crate) ballot: Ballot,
    pub(crate) about: About,
    /// How long the whole is.
    pub(crate) total: u64,
    /// Tells it from any other snapshot.
    pub(crate) digest: u128,
    pub(crate) offset: u64,
    pub(crate) bytes: EncodedEntry,
}

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) last: Option<Position>,
    pub(crate) members_at: Option<Position>,
    pub(crate) members: Members,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum PieceTaken {
    /// The bytes wanted next: a transfer that was cut off goes on from there.
    Next(u64),
    /// The snapshot is whole, and the receiver's state now. Or the receiver has seen a later leader: its ballot tells.
    Installed(Ballot),
}
