//! What can go wrong, told in a sentence.

use std::io;
use std::path::PathBuf;

use crate::network::NodeId;

/// Why a node cannot start. Nothing was changed, except that what a crash left unfinished may have been taken off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The directory, or a file in it, cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory was made for another node.
    #[error("{} belongs to member {found} of its group, and this is to be member {expected}: give the data directory of member {expected}, or an empty one", path.display())]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Who asks.
        expected: NodeId,
    },
    /// The directory was made by a group with other founding members.
    #[error("{} belongs to a group that was founded by {found}, and this member was told {given}: give the same members as ever, or an empty directory", path.display())]
    OtherGroup {
        /// The directory.
        path: PathBuf,
        /// Who founded its group.
        found: String,
        /// Who was given.
        given: String,
    },
    /// The others of its group know it by another address.
    #[error("{} belongs to a member whom the others of its group reach at {known}, and it is to be at {given}: start it at {known}", path.display())]
    Moved {
        /// The directory.
        path: PathBuf,
        /// Where the others reach it.
        known: String,
        /// Where it is to be.
        given: String,
    },
    /// It would listen where its group has another member.
    #[error("{} belongs to member {id} of a group that has member {other} at {listens}: listen where the others reach member {id}", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        id: NodeId,
        /// Where it would listen.
        listens: String,
        /// Whose address that is.
        other: NodeId,
    },
    /// A later version has written there.
    #[error("{} is of version {found}, and this one knows version {known} at most: start a newer gristmill", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u8,
        /// The last known.
        known: u8,
    },
    /// Bytes that were acknowledged are not what they were.
    #[error("{} is damaged at offset {offset}: {what}; `gristmill repair` shows what is left, and whether it can be cut off", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// How.
        what: String,
    },
    /// The log goes on from a snapshot that is not there.
    #[error("{} is missing or too old: the log begins behind entry {purged}, so the state before it is lost: replace this member by a new one", path.display())]
    SnapshotLost {
        /// Where it should be.
        path: PathBuf,
        /// The last entry that the log no longer has.
        purged: u64,
    },
    /// The node was founded, and its log has gone.
    #[error("{} holds no log, but the member had one: its votes are lost, so replace it by a new one with another id", path.display())]
    LogLost {
        /// The directory of the log.
        path: PathBuf,
    },
    /// Nothing is left of the node.
    #[error("{} is empty or was removed, but held this member: its jobs and keys are lost; bring it back, or begin with a new --data-dir (in a group: with another id)", path.display())]
    Lost {
        /// The directory of the node.
        path: PathBuf,
    },
    /// The members given make no sense.
    #[error("{0}")]
    Members(String),
    /// The engine refuses what it was given.
    #[error("the member does not start: {0}")]
    Engine(String),
}

/// Who leads, as far as a node knows: its id and address.
pub type Leader = Option<(NodeId, String)>;

/// What became of a proposal that has no outcome here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// This node does not lead in that term. The entry is nowhere, and never will be.
    #[error("this member does not lead its group")]
    NotLeader {
        /// Who does.
        leader: Leader,
    },
    /// Leadership was lost with the entry on its way. It may be committed, now or later, or never.
    #[error("leadership was lost; whether the entry is committed is not known")]
    Unknown {
        /// Who leads now.
        leader: Leader,
    },
    /// The node has stopped, or has been stopped. Whether the entry is committed is not known.
    #[error("{0}")]
    Failed(String),
}

/// Why a state must not be read as the newest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmError {
    /// Another node leads, or none.
    #[error("this member does not lead its group")]
    NotLeader {
        /// Who does.
        leader: Leader,
    },
    /// Too few members answer: another one may lead already.
    #[error("this member cannot reach enough members of its group")]
    NoQuorum,
    /// The node has stopped, or has been stopped.
    #[error("{0}")]
    Failed(String),
}

/// Why a message of a peer was refused. It had no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// It is no message, or says what no node would say.
    #[error("not a message of a member: {0}")]
    Rubbish(String),
    /// It is of another version.
    #[error(
        "a message of version {found}, and this member speaks version {known}: run the same version on all members"
    )]
    Version {
        /// Its version.
        found: u8,
        /// Ours.
        known: u8,
    },
    /// It is for another node.
    #[error(
        "a message from member {from} for member {to}, and this is member {here}: compare the members' addresses"
    )]
    OtherNode {
        /// Who sent it.
        from: NodeId,
        /// For whom it is.
        to: NodeId,
        /// Who got it.
        here: NodeId,
    },
    /// It comes from a group with other founding members.
    #[error(
        "a message from member {from} of another group: compare the founding members that the members were given"
    )]
    OtherGroup {
        /// Who sent it.
        from: NodeId,
    },
    /// It comes from a node that has lost its store since this one last heard of it.
    #[error("{}", crate::peers::lost_store(*from))]
    LostStore {
        /// Who sent it.
        from: NodeId,
    },
    /// This node has stopped.
    #[error("{0}")]
    Failed(String),
}

/// Why the members were not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// Another node leads, or none.
    #[error("this member does not lead its group")]
    NotLeader {
        /// Who does.
        leader: Leader,
    },
    /// It makes no sense as things are.
    #[error("{0}")]
    Refused(String),
    /// It has not happened in time, or cannot as things are. What was begun goes on: a new member stays a learner, or may become a voter
    /// yet.
    #[error("{0}")]
    Late(String),
    /// The node has stopped, or has been stopped.
    #[error("{0}")]
    Failed(String),
}
