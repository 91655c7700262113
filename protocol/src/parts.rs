//! Messages between peers that are too large for one frame: how they are taken apart and put together.

use std::collections::BTreeMap;

use gristmill_model::Refusal;

use crate::limits::{CHUNK_BYTES, PEER_MESSAGE_BYTES_MAX, PEER_MESSAGES_MAX};

/// The messages that are arriving in parts on one connection. Memory grows only with what has arrived.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    arriving: BTreeMap<u64, Vec<u8>>,
}

impl Parts {
    /// Takes a part; returns the message when it is complete.
    pub(crate) fn take(
        &mut self,
        id: u64,
        total: u64,
        offset: u64,
        piece: &[u8],
    ) -> Result<Option<Vec<u8>>, Refusal> {
        if total > PEER_MESSAGE_BYTES_MAX || piece.len() > CHUNK_BYTES || piece.is_empty() {
            let text = format!("{} of a message of {total} bytes is more than a part may be", piece.len());
            return Err(Refusal::Invalid(text));
        }
        let mut message =
            if offset == 0 { Vec::new() } else { self.arriving.remove(&id).unwrap_or_default() };
        let (here, more) = (message.len() as u64, piece.len() as u64);
        if here != offset || here + more > total {
            let text = format!("{more} bytes at {offset} do not go on from {here} of {total} of a message");
            return Err(Refusal::Invalid(text));
        }
        message.extend_from_slice(piece);
        if message.len() as u64 == total {
            self.arriving.remove(&id);
            return Ok(Some(message));
        }
        self.arriving.insert(id, message);
        // The sender counts up, so the lowest is the one it has given up longest ago.
        while self.arriving.len() > PEER_MESSAGES_MAX {
            self.arriving.pop_first();
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_put_together_in_order() {
        let mut parts = Parts::default();
        assert_eq!(parts.take(1, 5, 0, b"he"), Ok(None));
        assert_eq!(parts.take(2, 2, 0, b"no"), Ok(Some(b"no".to_vec())));
        assert_eq!(parts.take(1, 5, 2, b"llo"), Ok(Some(b"hello".to_vec())));
        assert!(parts.arriving.is_empty());
    }

    #[test]
    fn what_does_not_fit_together_is_refused_and_forgotten() {
        let mut parts = Parts::default();
        assert!(parts.take(1, 5, 1, b"x").is_err());
        parts.take(1, 5, 0, b"he").unwrap();
        assert!(parts.take(1, 5, 3, b"lo").is_err(), "a gap");
        assert!(parts.take(1, 5, 2, b"llo").is_err(), "it was given up");
        assert!(parts.take(1, 5, 0, b"hello!").is_err(), "more than was said");
        assert!(parts.take(1, 5, 0, b"").is_err());
        assert!(parts.take(1, u64::MAX, 0, b"x").is_err());
        assert!(parts.take(1, PEER_MESSAGE_BYTES_MAX, 0, &vec![0; CHUNK_BYTES + 1]).is_err());
        assert!(parts.arriving.is_empty());
    }

    #[test]
    fn a_message_may_begin_again_and_those_given_up_make_room() {
        let mut parts = Parts::default();
        parts.take(1, 4, 0, b"xx").unwrap();
        parts.take(1, 4, 0, b"ab").unwrap();
        assert_eq!(parts.take(1, 4, 2, b"cd"), Ok(Some(b"abcd".to_vec())));
        for id in 0..100 {
            parts.take(id, 4, 0, b"ab").unwrap();
            assert!(parts.arriving.len() <= PEER_MESSAGES_MAX);
        }
        assert_eq!(parts.take(99, 4, 2, b"cd"), Ok(Some(b"abcd".to_vec())));
    }
}
