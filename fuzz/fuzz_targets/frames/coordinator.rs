//! The coordinator's end of a connection, and what a caller might send to it.

use std::sync::Arc;

use futures::FutureExt;
use gristmill_model::Refusal;
use gristmill_protocol::limits::FRAME_BYTES_MAX;
use gristmill_protocol::{
    Answer, ClientServiceRequest, ClientServiceResponse, ConnectionId, KvServiceRequest, KvServiceResponse,
    Lane, Listener, PeerServiceRequest, PeerServiceResponse, Services, WorkerServiceRequest,
    WorkerServiceResponse, memory, serve,
};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use crate::messages::comes_back;
use crate::{frame, next_piece, preamble};

const PREAMBLE_BYTES: usize = 16;
const ROLES: u8 = 6;

/// Any bytes, from the first on.
pub(crate) async fn hears(bytes: &[u8]) {
    let answers = conversation(bytes).await;
    assert!(answers.is_empty() || answers.starts_with(b"\x89GRIST\r\n"));
}

/// Whole frames of any content, in one of the roles.
pub(crate) async fn is_asked(bytes: &[u8]) {
    let Some((role, mut rest)) = bytes.split_first() else { return };
    let role = role % ROLES + 1;
    let mut sent = preamble(role);
    while let Some(message) = next_piece(&mut rest) {
        sent.extend(frame(message));
    }
    let answers = conversation(&sent).await;
    let (welcome, mut frames) = answers.split_at(PREAMBLE_BYTES);
    assert_eq!(welcome, preamble(0));
    let is_answer = match role {
        1 => is_answer::<ClientServiceResponse>,
        2 | 3 => is_answer::<WorkerServiceResponse>,
        4 => is_answer::<KvServiceResponse>,
        _ => is_answer::<PeerServiceResponse>,
    };
    while let Some((&length, behind)) = frames.split_first_chunk() {
        let (answer, behind) = behind.split_at(u32::from_be_bytes(length) as usize);
        assert!(answer.len() <= FRAME_BYTES_MAX && is_answer(answer));
        frames = behind;
    }
    assert_eq!(frames, b"");
}

fn is_answer<T: DeserializeOwned>(frame: &[u8]) -> bool {
    postcard::from_bytes::<(u64, Result<T, (u32, String)>)>(frame).is_ok()
}

/// Sends everything, then nothing more; returns what came back until the coordinator closed.
async fn conversation(sent: &[u8]) -> Vec<u8> {
    let (connector, listener) = memory();
    let (_stop, stopped) = watch::channel(false);
    let served = tokio::spawn(serve(Listener::Memory(listener), Arc::new(Refusing), stopped));
    let (mut reader, mut writer) = tokio::io::split(connector.connect().await.unwrap());
    let send = async {
        // It may have had enough before the end.
        let _ = writer.write_all(sent).await;
        let _ = writer.shutdown().await;
    };
    let mut answers = Vec::new();
    let (_, heard) = tokio::join!(send, reader.read_to_end(&mut answers));
    heard.unwrap();
    drop(connector);
    served.await.unwrap().unwrap();
    answers
}

/// Answers messages of peers with themselves, and refuses everything else.
struct Refusing;

fn refusal() -> Refusal {
    Refusal::Unavailable("this is a trial".to_owned())
}

fn at_once<T: Send + 'static>(answer: T) -> Answer<T> {
    async { Ok(answer) }.boxed()
}

impl Services for Refusing {
    fn client(&self, _: ConnectionId, call: ClientServiceRequest) -> Answer<ClientServiceResponse> {
        comes_back(&call);
        at_once(ClientServiceResponse::Jobs(Err(refusal())))
    }

    fn worker(&self, _: ConnectionId, call: WorkerServiceRequest) -> Answer<WorkerServiceResponse> {
        comes_back(&call);
        at_once(WorkerServiceResponse::Poll(Err(refusal())))
    }

    fn kv(&self, _: ConnectionId, call: KvServiceRequest) -> Answer<KvServiceResponse> {
        comes_back(&call);
        at_once(KvServiceResponse::Get(Err(refusal())))
    }

    fn peer(&self, _: ConnectionId, _: Lane, call: PeerServiceRequest) -> Answer<PeerServiceResponse> {
        comes_back(&call);
        at_once(match call {
            PeerServiceRequest::Deliver { message } => PeerServiceResponse::Deliver(Ok(message)),
            PeerServiceRequest::Part { .. } => panic!("the parts are put together before"),
            _ => PeerServiceResponse::Blob(Err(refusal())),
        })
    }

    fn closed(&self, _: ConnectionId) {}
}
