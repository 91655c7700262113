//! From a byte stream to a stream of messages: length-delimited frames of bounded size.
//!
//! Any `AsyncRead + AsyncWrite` will do: TCP and in-memory pipes today.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Sink, Stream};
use serde::{Deserialize, Serialize};
use tarpc::{ClientMessage, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::codec::{ClientCodec, ServerCodec};
use crate::frames::Frames;

/// A connection's bytes, whatever carries them.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An owned [`Io`].
pub(crate) type BoxIo = Box<dyn Io>;

/// Messages, made of frames, made of bytes.
type Messages<Item, SinkItem, Codec> = tokio_serde::Framed<Frames<BoxIo>, Item, SinkItem, Codec>;

pub(crate) type ClientTransport<Req, Resp> = Messages<Response<Resp>, ClientMessage<Req>, ClientCodec>;
pub(crate) type ServerTransport<Req, Resp> =
    EndIsError<Messages<ClientMessage<Req>, Response<Resp>, ServerCodec>>;

pub(crate) fn client_transport<Req, Resp>(stream: BoxIo) -> ClientTransport<Req, Resp>
where
    Req: Serialize,
    Resp: for<'de> Deserialize<'de>,
{
    tokio_serde::Framed::new(Frames::new(stream), ClientCodec::default())
}

pub(crate) fn server_transport<Req, Resp>(stream: BoxIo) -> ServerTransport<Req, Resp>
where
    Req: for<'de> Deserialize<'de>,
    Resp: Serialize,
{
    EndIsError(tokio_serde::Framed::new(Frames::new(stream), ServerCodec))
}

/// Turns the end of the stream into an error. tarpc's server waits at the end for its requests in flight; a long poll in flight
/// would hide for its whole wait that the caller has gone.
pub(crate) struct EndIsError<T>(T);

impl<T, M> Stream for EndIsError<T>
where
    T: Stream<Item = io::Result<M>> + Unpin,
{
    type Item = io::Result<M>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.0).poll_next(cx);
        next.map(|message| message.or_else(|| Some(Err(io::ErrorKind::UnexpectedEof.into()))))
    }
}

impl<T, M> Sink<M> for EndIsError<T>
where
    T: Sink<M, Error = io::Error> + Unpin,
{
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: M) -> io::Result<()> {
        Pin::new(&mut self.0).start_send(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
