//! The members of a group of coordinators, and how they change.

use serde::{Deserialize, Serialize};

/// A group of coordinators as one of them sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersStatus {
    /// Who leads, as far as is known.
    pub leader: Option<u64>,
    /// All members, by id.
    pub members: Vec<MemberStatus>,
    /// Which of its states this is.
    pub version: MembersVersion,
}

/// Tells the states of a group apart: with every change of its members or its leader it is another, and none comes twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersVersion {
    /// The term in which it is led.
    pub term: u64,
    /// The term and the index of the log's entry that made the members what they are.
    pub since: (u64, u64),
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// Its id in the group.
    pub id: u64,
    /// Where the others reach it.
    pub address: String,
    /// Whether its vote counts; otherwise it is a learner, which only follows.
    pub votes: bool,
    /// How many entries of the log it has yet to get; known to the leader alone.
    pub behind: Option<u64>,
    /// Milliseconds since the leader heard of it, or since that leads, if it never has; known to the leader alone.
    pub silent_ms: Option<u64>,
}

/// A change of the members. A new member joins as a learner and votes when it has caught up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberChange {
    /// A coordinator joins.
    Add {
        /// Its id.
        id: u64,
        /// Where the others reach it.
        address: String,
    },
    /// A member leaves.
    Remove {
        /// Its id.
        id: u64,
    },
    /// A coordinator joins, and then a member leaves.
    Replace {
        /// Who leaves.
        id: u64,
        /// Who joins.
        by: u64,
        /// Where the others reach the one that joins.
        address: String,
    },
    /// A member takes over the leadership.
    Lead {
        /// Its id.
        id: u64,
    },
}
