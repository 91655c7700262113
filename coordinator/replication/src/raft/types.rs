//! How openraft's types are chosen, and their names in this crate. Nothing of them leaves it.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use openraft::impls::BasicNode;
use openraft::vote::RaftLeaderId;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::network::NodeId;

openraft::declare_raft_types!(
    /// At most one leader per term (`leader_id_std`): the term alone then says who decided an entry.
    pub(crate) Types:
        D = EncodedEntry,
        R = Answer,
        NodeId = NodeId,
        Node = BasicNode,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>,
        AsyncRuntime = openraft_rt_tokio::TokioRuntime,
);

pub(crate) type LeaderId = <Types as openraft::RaftTypeConfig>::LeaderId;
pub(crate) type Term = <LeaderId as RaftLeaderId>::Committed;
pub(crate) type LogId = openraft::LogId<Term>;
pub(crate) type Vote = openraft::Vote<LeaderId>;
pub(crate) type Entry = <Types as openraft::RaftTypeConfig>::Entry;
pub(crate) type Payload = <Types as openraft::RaftTypeConfig>::Payload;
pub(crate) type Membership = openraft::Membership<NodeId, BasicNode>;
pub(crate) type StoredMembership = openraft::StoredMembership<Term, NodeId, BasicNode>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<Term, NodeId, BasicNode>;
pub(crate) type Snapshot<D> = openraft::Snapshot<Term, NodeId, BasicNode, D>;

/// An entry of the machine as the log and the network carry it: encoded once, where it was proposed.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct EncodedEntry(pub(crate) Arc<[u8]>);

impl fmt::Debug for EncodedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for EncodedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for EncodedEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for EncodedEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = EncodedEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<EncodedEntry, E> {
                Ok(EncodedEntry(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// The outcome of an entry on its way to the proposer. Its type is known at both ends; openraft, in between, need not know it.
///
/// The mutex is never locked: it makes shareable what openraft asks to be shareable, and never shares.
pub(crate) struct Answer(Mutex<Option<Box<dyn Any + Send>>>);

impl Answer {
    /// To an entry that is none of the machine's.
    pub(crate) fn none() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn of<T: Send + 'static>(outcome: T) -> Self {
        Self(Mutex::new(Some(Box::new(outcome))))
    }

    pub(crate) fn into_outcome<T: 'static>(self) -> Option<T> {
        let outcome = self.0.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        outcome.downcast().ok().map(|outcome| *outcome)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer")
    }
}
