//! Messages as postcard, with the two guards that tarpc leaves to its codec.
//!
//! A server must survive any bytes: a deadline far in the future makes clock arithmetic overflow before a handler sees it, so
//! it is refused here; an answer above the frame limit would end the connection without a reason, so it is replaced by an error.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tarpc::{ClientMessage, Response, ServerError};
use tokio_serde::{Deserializer, Serializer};
use tokio_util::bytes::{Bytes, BytesMut};

use crate::limits::{DEADLINE_MAX, FRAME_BYTES_MAX};

/// What a client writes and reads.
pub(crate) struct ClientCodec;

/// What a server writes and reads.
pub(crate) struct ServerCodec;

fn encode<T: Serialize>(message: &T) -> io::Result<Bytes> {
    postcard::to_stdvec(message).map(Bytes::from).map_err(io::Error::other)
}

fn decode<T: for<'de> Deserialize<'de>>(frame: &BytesMut) -> io::Result<T> {
    postcard::from_bytes(frame).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

impl<Req: Serialize> Serializer<ClientMessage<Req>> for ClientCodec {
    type Error = io::Error;

    fn serialize(self: Pin<&mut Self>, message: &ClientMessage<Req>) -> io::Result<Bytes> {
        encode(message)
    }
}

impl<Resp: for<'de> Deserialize<'de>> Deserializer<Response<Resp>> for ClientCodec {
    type Error = io::Error;

    fn deserialize(self: Pin<&mut Self>, frame: &BytesMut) -> io::Result<Response<Resp>> {
        decode(frame)
    }
}

impl<Resp: Serialize> Serializer<Response<Resp>> for ServerCodec {
    type Error = io::Error;

    fn serialize(self: Pin<&mut Self>, response: &Response<Resp>) -> io::Result<Bytes> {
        let bytes = encode(response)?;
        if bytes.len() <= FRAME_BYTES_MAX {
            return Ok(bytes);
        }
        let detail = format!("the answer has {} bytes, more than {FRAME_BYTES_MAX}", bytes.len());
        let message = Err::<(), _>(ServerError::new(io::ErrorKind::InvalidData, detail));
        encode(&Response { request_id: response.request_id, message })
    }
}

impl<Req: for<'de> Deserialize<'de>> Deserializer<ClientMessage<Req>> for ServerCodec {
    type Error = io::Error;

    fn deserialize(self: Pin<&mut Self>, frame: &BytesMut) -> io::Result<ClientMessage<Req>> {
        check_deadline(frame)?;
        decode(frame)
    }
}

/// Which message it is, and of a request the first field: how long the caller will wait.
fn check_deadline(frame: &[u8]) -> io::Result<()> {
    const REQUEST: u32 = 0;
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let (kind, rest) = postcard::take_from_bytes::<u32>(frame).map_err(invalid)?;
    if kind != REQUEST {
        return Ok(());
    }
    let (wait, _) = postcard::take_from_bytes::<Duration>(rest).map_err(invalid)?;
    if wait > DEADLINE_MAX {
        let text = format!("a deadline of {} s is more than {} s", wait.as_secs(), DEADLINE_MAX.as_secs());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;
    use tarpc::{Request, context};

    use super::*;

    fn request(wait: Duration) -> ClientMessage<String> {
        let mut context = context::current();
        context.deadline = Instant::now() + wait;
        ClientMessage::Request(Request { context, id: 7, message: "hello".to_owned() })
    }

    fn through(message: &ClientMessage<String>) -> io::Result<ClientMessage<String>> {
        let bytes = Pin::new(&mut ClientCodec).serialize(message)?;
        Pin::new(&mut ServerCodec).deserialize(&BytesMut::from(&bytes[..]))
    }

    #[test]
    fn a_request_comes_through() {
        let ClientMessage::Request(got) = through(&request(Duration::from_secs(30))).unwrap() else {
            panic!("not a request")
        };
        assert_eq!((got.id, got.message.as_str()), (7, "hello"));
    }

    #[test]
    fn a_deadline_beyond_all_reason_is_refused() {
        let error = through(&request(DEADLINE_MAX + Duration::from_secs(60))).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let mut frame = vec![0];
        frame.extend(postcard::to_stdvec(&Duration::MAX).unwrap());
        frame.resize(200, 0);
        assert!(check_deadline(&frame).unwrap_err().to_string().contains("deadline"));
    }

    #[test]
    fn an_answer_over_the_limit_becomes_an_error_of_that_call() {
        let big = Response { request_id: 9, message: Ok(vec![1u8; FRAME_BYTES_MAX]) };
        let bytes = Pin::new(&mut ServerCodec).serialize(&big).unwrap();
        let got: Response<Vec<u8>> =
            Pin::new(&mut ClientCodec).deserialize(&BytesMut::from(&bytes[..])).unwrap();
        assert_eq!(got.request_id, 9);
        assert!(got.message.unwrap_err().detail.contains("more than"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_server_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let frame = BytesMut::from(&bytes[..]);
            let _ = Deserializer::<ClientMessage<crate::ClientServiceRequest>>::deserialize(Pin::new(&mut ServerCodec), &frame);
            let _ = Deserializer::<ClientMessage<crate::WorkerServiceRequest>>::deserialize(Pin::new(&mut ServerCodec), &frame);
        }
    }
}
