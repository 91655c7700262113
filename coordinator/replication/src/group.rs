//! Which group a node belongs to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::network::NodeId;

/// Tells groups apart: a digest of their founding members. A message from another group is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupId(u128);

impl GroupId {
    /// The group that these founded.
    pub(crate) fn of(founders: &BTreeMap<NodeId, String>) -> Self {
        let mut text = String::new();
        for (id, address) in founders {
            text.push_str(&format!("{id}={}:{address},", address.len()));
        }
        Self(xxh3_128(text.as_bytes()))
    }
}
