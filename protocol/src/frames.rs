//! Frames: four bytes say how long a message is (big-endian), its bytes follow.
//!
//! The usual codec makes room for a frame as soon as its length is known, so that four bytes from outside would take as much as the largest
//! frame has. Here memory grows with what has arrived.

use std::io;

use tokio_util::bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::limits::{FRAME_AHEAD_BYTES, FRAME_BYTES_MAX};

const HEAD_BYTES: usize = 4;

/// Bytes to frames and back.
#[derive(Debug)]
pub(crate) struct Frames;

impl Decoder for Frames {
    type Item = BytesMut;
    type Error = io::Error;

    fn decode(&mut self, arrived: &mut BytesMut) -> io::Result<Option<BytesMut>> {
        let Some(&head) = arrived.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        check(length, io::ErrorKind::InvalidData)?;
        let missing = (HEAD_BYTES + length).saturating_sub(arrived.len());
        if missing > 0 {
            arrived.reserve(missing.min(arrived.len().max(FRAME_AHEAD_BYTES)));
            return Ok(None);
        }
        arrived.advance(HEAD_BYTES);
        Ok(Some(arrived.split_to(length)))
    }
}

impl Encoder<Bytes> for Frames {
    type Error = io::Error;

    fn encode(&mut self, message: Bytes, leaving: &mut BytesMut) -> io::Result<()> {
        check(message.len(), io::ErrorKind::InvalidInput)?;
        let length = u32::try_from(message.len()).map_err(io::Error::other)?;
        leaving.reserve(HEAD_BYTES + message.len());
        leaving.put_u32(length);
        leaving.put(message);
        Ok(())
    }
}

fn check(length: usize, kind: io::ErrorKind) -> io::Result<()> {
    if length <= FRAME_BYTES_MAX {
        return Ok(());
    }
    Err(io::Error::new(kind, format!("a frame of {length} bytes is more than {FRAME_BYTES_MAX}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(messages: &[Vec<u8>]) -> BytesMut {
        let mut bytes = BytesMut::new();
        for message in messages {
            Frames.encode(Bytes::from(message.clone()), &mut bytes).unwrap();
        }
        bytes
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_the_bytes_arrive(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..5),
            piece in 1usize..100,
        ) {
            let sent = encoded(&messages);
            let (mut arrived, mut got) = (BytesMut::new(), Vec::new());
            for bytes in sent.chunks(piece) {
                arrived.extend_from_slice(bytes);
                while let Some(message) = Frames.decode(&mut arrived).unwrap() {
                    got.push(message.to_vec());
                }
            }
            prop_assert_eq!(got, messages);
            prop_assert!(arrived.is_empty());
        }
    }

    #[test]
    fn a_length_takes_no_memory_before_its_bytes_are_there() {
        let mut arrived = BytesMut::from(&(FRAME_BYTES_MAX as u32).to_be_bytes()[..]);
        let mut most = 0;
        while arrived.len() < HEAD_BYTES + FRAME_BYTES_MAX {
            assert_eq!(Frames.decode(&mut arrived).unwrap(), None);
            let room = arrived.capacity() - arrived.len();
            assert!(
                room > 0 && room <= arrived.len() + 2 * FRAME_AHEAD_BYTES,
                "{room} for {}",
                arrived.len()
            );
            most = most.max(room);
            arrived.put_bytes(7, room.min(HEAD_BYTES + FRAME_BYTES_MAX - arrived.len()));
        }
        assert!(most >= FRAME_BYTES_MAX / 4, "a large frame is read in large pieces: {most}");
        assert_eq!(Frames.decode(&mut arrived).unwrap().unwrap().len(), FRAME_BYTES_MAX);
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_on_both_sides() {
        let mut arrived = BytesMut::from(&(FRAME_BYTES_MAX as u32 + 1).to_be_bytes()[..]);
        assert_eq!(Frames.decode(&mut arrived).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let mut leaving = BytesMut::new();
        let refused = Frames.encode(Bytes::from(vec![0; FRAME_BYTES_MAX + 1]), &mut leaving);
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(leaving.is_empty());
    }
}
