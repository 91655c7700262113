//! What carries messages between the nodes of a group.

use std::time::Duration;

/// A node of a group. Chosen by whoever sets up the group, and never given to another node again.
pub type NodeId = u64;

/// Two ways to the same peer, so that what is large or slow never delays what must be quick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Heartbeats, votes: small, and worthless when late.
    Control,
    /// Entries and pieces of snapshots.
    Bulk,
}

/// Carries messages to peers.
///
/// A message may be lost, doubled or late, and messages may overtake each other: nothing but speed depends on it. A reply must be
/// the reply to that message. Messages are at most [`MESSAGE_BYTES_MAX`](crate::MESSAGE_BYTES_MAX) long, unless a single entry is
/// longer than that.
pub trait Network: Clone + Send + Sync + 'static {
    /// Delivers a message to the peer (its [`Node::deliver`](crate::Node::deliver)) and returns the reply, or gives up after
    /// `timeout`. Must not be retried inside: the caller builds the next message from the state as it then is.
    fn send(
        &self,
        to: NodeId,
        address: &str,
        lane: Lane,
        message: Vec<u8>,
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<u8>, NetworkError>> + Send;
}

/// Why there is no reply. The peer may have acted on the message all the same, except where it says that it has not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Nobody listens there: the next try waits a little longer.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// No reply came in time, or the connection broke.
    #[error("did not reply: {0}")]
    NoReply(String),
    /// The peer has looked at the message and will have nothing to do with it.
    #[error("refused: {0}")]
    Refused(String),
}
