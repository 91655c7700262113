//! The calls of the key/value store.
//!
//! All are linearizable: each takes effect at one moment between its call and its answer. Reads may be repeated freely; writes carry a
//! request key of a session, and one that comes again is given the answer of the first.

use gristmill_model::{Blob, KvAnswer, KvEntry, KvEvents, KvOp, Refusal, RequestId, RequestKey};

/// What users of the key/value store call.
#[tarpc::service]
pub trait KvService {
    /// Changes the store. Requests of the session below `done_below` are never repeated any more.
    async fn write(key: RequestKey, done_below: RequestId, op: KvOp) -> Result<KvAnswer, Refusal>;
    /// What a key holds; `None` when it is not there.
    async fn get(key: Blob) -> Result<Option<KvEntry>, Refusal>;
    /// Entries whose keys begin with `prefix` and are above `after`, in the order of the keys: at most `limit` of them and at most a page
    /// ([`KV_PAGE`](crate::limits::KV_PAGE), [`KV_PAGE_BYTES`](crate::limits::KV_PAGE_BYTES)); none is the end.
    async fn list(prefix: Blob, after: Option<Blob>, limit: u32) -> Result<Vec<KvEntry>, Refusal>;
    /// Changes of keys that begin with `prefix`, from a revision on, at most a page: as soon as there is one, or none after `wait_ms`.
    /// From revision 0: at once none, with the revision that comes next.
    async fn watch(prefix: Blob, from_revision: u64, wait_ms: u64) -> Result<KvEvents, Refusal>;
}
