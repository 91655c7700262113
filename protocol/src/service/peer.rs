//! The calls between the coordinators of a group: replication's messages, and the blobs that must outlive one of them.

use gristmill_model::{Blob, Refusal, Sha256};

/// What coordinators call of one another. Answered by every member of a group, whether it leads or not.
#[tarpc::service]
pub trait PeerService {
    /// A message of the replication; returns its reply.
    async fn deliver(message: Blob) -> Result<Blob, Refusal>;
    /// A part of a message of `total` bytes that is too large for one call: parts in order, at most
    /// [`CHUNK_BYTES`](crate::limits::CHUNK_BYTES) each, under a number that the sender counts up with every such message of a
    /// connection. The last part returns the reply, the others nothing.
    async fn part(id: u64, total: u64, offset: u64, piece: Blob) -> Result<Option<Blob>, Refusal>;
    /// How many bytes of this blob are here already; its size when it is complete.
    async fn blob_bytes(sha256: Sha256) -> Result<u64, Refusal>;
    /// Some bytes of a blob of `total` bytes, as a client would put them.
    async fn put_blob(sha256: Sha256, total: u64, offset: u64, chunk: Blob) -> Result<u64, Refusal>;
    /// Bytes of a blob from `offset` on, at most [`CHUNK_BYTES`](crate::limits::CHUNK_BYTES); empty at its end.
    async fn blob(sha256: Sha256, offset: u64) -> Result<Blob, Refusal>;
}
