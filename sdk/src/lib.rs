//! All that an author of a Gristmill app depends on.
pub mod abi;

/// The partition of an encoded key when the app has no `partition` of its own.
pub fn partition_of(_key: &[u8], _partitions: u32) -> u32 {
    0
}
