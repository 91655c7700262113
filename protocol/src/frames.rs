//! Frames: four bytes say how long a message is (big-endian), its bytes follow.
//!
//! There may be thousands of connections, so they hold no memory for what is not there. The usual codec makes room for a frame as soon as its
//! length is known, and keeps for ever what the largest one took; here room grows with what has arrived, and goes with a large frame.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder, Framed};

use crate::limits::{FRAME_AHEAD_BYTES, FRAME_BYTES_MAX};

const HEAD_BYTES: usize = 4;

/// The frames of a connection.
#[derive(Debug)]
pub(crate) struct Frames<S>(Framed<S, FrameCodec>);

impl<S: AsyncRead + AsyncWrite> Frames<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(Framed::new(stream, FrameCodec::default()))
    }
}

impl<S: AsyncRead + Unpin> Stream for Frames<S> {
    type Item = io::Result<BytesMut>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<BytesMut>>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

impl<S: AsyncWrite + Unpin> Sink<Bytes> for Frames<S> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> io::Result<()> {
        Pin::new(&mut self.0).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.0).poll_flush(cx))?;
        if std::mem::take(&mut self.0.codec_mut().has_written_large) {
            *self.0.write_buffer_mut() = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// Bytes to frames and back.
#[derive(Debug, Default)]
struct FrameCodec {
    /// What is written out holds, or held, a frame that was large.
    has_written_large: bool,
}

fn is_large(length: usize) -> bool {
    length > FRAME_AHEAD_BYTES
}

impl Decoder for FrameCodec {
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
        let frame = arrived.split_to(length);
        if is_large(length) {
            // What has arrived behind it would keep the whole of it alive.
            *arrived = BytesMut::from(&arrived[..]);
        }
        Ok(Some(frame))
    }
}

impl Encoder<Bytes> for FrameCodec {
    type Error = io::Error;

    fn encode(&mut self, message: Bytes, leaving: &mut BytesMut) -> io::Result<()> {
        check(message.len(), io::ErrorKind::InvalidInput)?;
        let length = u32::try_from(message.len()).map_err(io::Error::other)?;
        self.has_written_large |= is_large(message.len());
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
    use futures::{SinkExt, StreamExt};
    use proptest::prelude::*;
    use tokio::io::duplex;

    use super::*;

    fn encoded(messages: &[Vec<u8>]) -> BytesMut {
        let mut bytes = BytesMut::new();
        for message in messages {
            FrameCodec::default().encode(Bytes::from(message.clone()), &mut bytes).unwrap();
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
                while let Some(message) = FrameCodec::default().decode(&mut arrived).unwrap() {
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
            assert_eq!(FrameCodec::default().decode(&mut arrived).unwrap(), None);
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
        assert_eq!(FrameCodec::default().decode(&mut arrived).unwrap().unwrap().len(), FRAME_BYTES_MAX);
    }

    #[tokio::test]
    async fn a_large_frame_leaves_no_room_behind() {
        let (near, far) = duplex(1 << 10);
        let (mut near, mut far) = (Frames::new(near), Frames::new(far));
        let large = Bytes::from(vec![7; FRAME_BYTES_MAX]);
        let send = async {
            near.send(large.clone()).await.unwrap();
            near.send(Bytes::from_static(b"small")).await.unwrap();
        };
        let receive = async { (far.next().await.unwrap().unwrap(), far.next().await.unwrap().unwrap()) };
        let ((), (first, second)) = tokio::join!(send, receive);
        assert_eq!((&first[..], &second[..]), (&large[..], &b"small"[..]));
        let held = |buffer: &mut BytesMut| {
            // Room that was used and is free again shows only when it is wanted.
            assert!(buffer.is_empty());
            buffer.try_reclaim(FRAME_AHEAD_BYTES + 1)
        };
        assert!(!held(near.0.write_buffer_mut()), "the sender keeps the room of a large frame");
        drop((first, second));
        assert!(!held(far.0.read_buffer_mut()), "the receiver keeps the room of a large frame");
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_on_both_sides() {
        let mut arrived = BytesMut::from(&(FRAME_BYTES_MAX as u32 + 1).to_be_bytes()[..]);
        assert_eq!(
            FrameCodec::default().decode(&mut arrived).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        let mut leaving = BytesMut::new();
        let refused = FrameCodec::default().encode(Bytes::from(vec![0; FRAME_BYTES_MAX + 1]), &mut leaving);
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(leaving.is_empty());
    }
}
