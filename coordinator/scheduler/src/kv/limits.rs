//! How large keys, values, the store, its memory of changes and its answers may be.

use gristmill_model::{Blob, KvOp, Refusal};

use super::Kv;

/// Bytes of a key, which has at least one.
pub const KEY_BYTES_MAX: usize = 1 << 10;
/// Bytes of a value.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Bytes of all keys and values, where each key counts [`ENTRY_BYTES`] more than it has.
pub const TOTAL_BYTES_MAX: u64 = 256 << 20;
/// What a key costs beside its bytes and those of its value.
pub const ENTRY_BYTES: u64 = 128;
/// Changes that are remembered for those who watch.
pub const HISTORY_EVENTS_MAX: usize = 10_000;
/// Bytes of the changes that are remembered, counted as those of entries.
pub const HISTORY_BYTES_MAX: u64 = 16 << 20;
/// Entries of one list.
pub const LIST_ENTRIES_MAX: usize = 10_000;
/// Bytes of one list, unless a single entry has more; counted as those of entries.
pub const LIST_BYTES_MAX: u64 = 4 << 20;
/// Events of one answer to those who watch.
pub const EVENTS_MAX: usize = 1_000;
/// Bytes of such an answer, unless a single event has more; counted as those of entries.
pub const EVENTS_BYTES_MAX: u64 = 4 << 20;

/// What a key with its value counts.
pub(super) fn bytes_of(key: &Blob, value: &Blob) -> u64 {
    key.0.len() as u64 + value.0.len() as u64 + ENTRY_BYTES
}

pub(super) fn check_key(key: &Blob) -> Result<(), Refusal> {
    match key.0.len() {
        0 => Err(Refusal::Invalid("the key is empty; a key has at least one byte".into())),
        1..=KEY_BYTES_MAX => Ok(()),
        bytes => {
            Err(Refusal::Invalid(format!("the key has {bytes} bytes; a key has at most {KEY_BYTES_MAX}")))
        }
    }
}

pub(super) fn check_value_bytes(bytes: usize) -> Result<(), Refusal> {
    if bytes <= VALUE_BYTES_MAX {
        return Ok(());
    }
    Err(Refusal::Invalid(format!(
        "the value would have {bytes} bytes; a value has at most {VALUE_BYTES_MAX}: keep larger data in files, and their paths here"
    )))
}

impl Kv {
    /// Whether an operation keeps within the limits.
    pub(crate) fn check(&self, op: &KvOp) -> Result<(), Refusal> {
        let key = op.key();
        check_key(key)?;
        let known = self.entries.get(key);
        let value_bytes = match op {
            KvOp::Put { value, .. } | KvOp::Cas { value, .. } => value.0.len(),
            KvOp::Append { value, .. } => {
                known.map_or(0, |entry| entry.value.0.len()).saturating_add(value.0.len())
            }
            KvOp::Delete { .. } => return Ok(()),
        };
        check_value_bytes(value_bytes)?;
        let old = known.map_or(0, |entry| bytes_of(key, &entry.value));
        let new = key.0.len() as u64 + value_bytes as u64 + ENTRY_BYTES;
        let total = self.bytes.saturating_sub(old).saturating_add(new);
        // One that is not to grow may always be written.
        if total > TOTAL_BYTES_MAX && new > old {
            return Err(Refusal::Invalid(format!(
                "the store is full: with this its {} keys would take {total} bytes of at most {TOTAL_BYTES_MAX}; delete some keys first",
                self.entries.len()
            )));
        }
        Ok(())
    }
}
