//! Any bytes as the content of a frame: each kind of message that one side of a connection reads.

use std::fmt::Debug;

use gristmill_model::JobRequest;
use gristmill_protocol::{
    ClientServiceRequest, ClientServiceResponse, KvServiceRequest, KvServiceResponse, PeerServiceRequest,
    PeerServiceResponse, WorkerServiceRequest, WorkerServiceResponse,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memory;

/// For a list, room is made at once for as many elements as it says, if so many bytes are there, but never more than a mebibyte; a message
/// has lists in lists.
pub(crate) const FIXED_BYTES: usize = 2 << 20;

pub(crate) fn read_and_written_again(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let check = match kind % 9 {
        0 => read::<ClientServiceRequest>,
        1 => read::<ClientServiceResponse>,
        2 => read::<WorkerServiceRequest>,
        3 => read::<WorkerServiceResponse>,
        4 => read::<KvServiceRequest>,
        5 => read::<KvServiceResponse>,
        6 => read::<PeerServiceRequest>,
        7 => read::<PeerServiceResponse>,
        _ => read::<JobRequest>,
    };
    check(bytes);
}

fn read<T: Debug + Serialize + DeserializeOwned>(bytes: &[u8]) {
    let mut message = None;
    memory::stays_within(FIXED_BYTES, bytes.len(), || message = postcard::from_bytes::<T>(bytes).ok());
    if let Some(message) = message {
        comes_back(&message);
    }
}

/// The messages know no equality; they are equal where they print the same and are written the same.
pub(crate) fn comes_back<T: Debug + Serialize + DeserializeOwned>(message: &T) {
    let written = postcard::to_stdvec(message).unwrap();
    let again: T = postcard::from_bytes(&written).unwrap();
    assert_eq!(format!("{again:?}"), format!("{message:?}"));
    assert_eq!(postcard::to_stdvec(&again).unwrap(), written);
}
