//! Messages as postcard, with the guards that tarpc leaves to its codec.
//!
//! A server must survive any bytes: a deadline far in the future makes clock arithmetic overflow before a handler sees it, so
//! it is refused here; an answer above the frame limit would end the connection without a reason, so it is replaced by an error.
//! A caller must too: tarpc panics at the answer to another call than the one that was made, so that is refused as well.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tarpc::context::Context;
use tarpc::{ClientMessage, Response, ServerError};
use tokio_serde::{Deserializer, Serializer};
use tokio_util::bytes::{Bytes, BytesMut};

use crate::limits::{DEADLINE_MAX, FRAME_BYTES_MAX};

/// What a client writes and reads.
#[derive(Default)]
pub(crate) struct ClientCodec {
    /// Which call each request was that has no answer yet.
    asked: BTreeMap<u64, u32>,
}

/// Requests that are remembered; answers to older ones are not waited for any more.
const ASKED_MAX: usize = 4096;

/// What a server writes and reads.
pub(crate) struct ServerCodec;

fn encode<T: Serialize>(message: &T) -> io::Result<Bytes> {
    postcard::to_stdvec(message).map(Bytes::from).map_err(io::Error::other)
}

fn decode<T: for<'de> Deserialize<'de>>(frame: &BytesMut) -> io::Result<T> {
    postcard::from_bytes(frame).map_err(invalid)
}

fn invalid(error: postcard::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<Req: Serialize> Serializer<ClientMessage<Req>> for ClientCodec {
    type Error = io::Error;

    fn serialize(self: Pin<&mut Self>, message: &ClientMessage<Req>) -> io::Result<Bytes> {
        let bytes = encode(message)?;
        let asked = &mut self.get_mut().asked;
        match message {
            ClientMessage::Request(request) => {
                // Up to the call: the kind of message, and the first fields of the request.
                let ((_, _, _, call), _) =
                    postcard::take_from_bytes::<(u32, Context, u64, u32)>(&bytes).map_err(invalid)?;
                asked.insert(request.id, call);
                while asked.len() > ASKED_MAX {
                    asked.pop_first();
                }
            }
            ClientMessage::Cancel { request_id, .. } => drop(asked.remove(request_id)),
            _ => {}
        }
        Ok(bytes)
    }
}

impl<Resp: for<'de> Deserialize<'de>> Deserializer<Response<Resp>> for ClientCodec {
    type Error = io::Error;

    fn deserialize(self: Pin<&mut Self>, frame: &BytesMut) -> io::Result<Response<Resp>> {
        const OK: u32 = 0;
        let ((id, kind, call), _) = postcard::take_from_bytes::<(u64, u32, u32)>(frame).map_err(invalid)?;
        let asked = self.get_mut().asked.remove(&id);
        if kind == OK && asked.is_some_and(|asked| asked != call) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "an answer to another call than was made",
            ));
        }
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
        let bytes = Pin::new(&mut ClientCodec::default()).serialize(message)?;
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
            Pin::new(&mut ClientCodec::default()).deserialize(&BytesMut::from(&bytes[..])).unwrap();
        assert_eq!(got.request_id, 9);
        assert!(got.message.unwrap_err().detail.contains("more than"));
    }

    fn ask(codec: &mut ClientCodec, id: u64, message: crate::KvServiceRequest) {
        let request = Request { context: context::current(), id, message };
        Pin::new(codec).serialize(&ClientMessage::Request(request)).unwrap();
    }

    fn answer(codec: &mut ClientCodec, id: u64, message: crate::KvServiceResponse) -> io::Result<u64> {
        let bytes = encode(&Response { request_id: id, message: Ok(message) }).unwrap();
        let read: io::Result<Response<crate::KvServiceResponse>> =
            Pin::new(codec).deserialize(&BytesMut::from(&bytes[..]));
        read.map(|response| response.request_id)
    }

    #[test]
    fn an_answer_to_another_call_than_was_made_is_refused() {
        use crate::{KvServiceRequest as Call, KvServiceResponse as Reply};
        let mut codec = ClientCodec::default();
        ask(&mut codec, 0, Call::Get { key: Default::default() });
        ask(&mut codec, 300, Call::List { prefix: Default::default(), after: None, limit: 1 });
        assert_eq!(answer(&mut codec, 300, Reply::List(Ok(Vec::new()))).unwrap(), 300);
        assert!(answer(&mut codec, 0, Reply::List(Ok(Vec::new()))).is_err());
        // Nobody waits for these, so they do no harm.
        assert_eq!(answer(&mut codec, 7, Reply::Get(Ok(None))).unwrap(), 7);
        assert!(codec.asked.is_empty());
    }

    #[test]
    fn requests_that_are_never_answered_do_not_pile_up() {
        let mut codec = ClientCodec::default();
        for id in 0..2 * ASKED_MAX as u64 {
            ask(&mut codec, id, crate::KvServiceRequest::Get { key: Default::default() });
        }
        assert_eq!(codec.asked.len(), ASKED_MAX);
        let cancel = ClientMessage::<()>::Cancel { trace_context: Default::default(), request_id: 8191 };
        Pin::new(&mut codec).serialize(&cancel).unwrap();
        assert_eq!(codec.asked.len(), ASKED_MAX - 1);
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_client_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let frame = BytesMut::from(&bytes[..]);
            let mut codec = ClientCodec::default();
            let _ = Deserializer::<Response<crate::ClientServiceResponse>>::deserialize(Pin::new(&mut codec), &frame);
            let _ = Deserializer::<Response<crate::KvServiceResponse>>::deserialize(Pin::new(&mut codec), &frame);
            let _ = Deserializer::<Response<crate::PeerServiceResponse>>::deserialize(Pin::new(&mut codec), &frame);
        }

        #[test]
        fn no_bytes_make_the_server_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let frame = BytesMut::from(&bytes[..]);
            let _ = Deserializer::<ClientMessage<crate::ClientServiceRequest>>::deserialize(Pin::new(&mut ServerCodec), &frame);
            let _ = Deserializer::<ClientMessage<crate::WorkerServiceRequest>>::deserialize(Pin::new(&mut ServerCodec), &frame);
            let _ = Deserializer::<ClientMessage<crate::KvServiceRequest>>::deserialize(Pin::new(&mut ServerCodec), &frame);
            let _ = Deserializer::<ClientMessage<crate::PeerServiceRequest>>::deserialize(Pin::new(&mut ServerCodec), &frame);
        }
    }
}
