//! A caller's end of connections, and what something that pretends to be a coordinator might send to it.

use std::time::Duration;

use gristmill_model::{
    Incarnation, InputMode, JobId, JobOptions, JobRequest, MemberChange, PathBytes, PluginInfo, RequestId,
    RequestKey, Sha256, TaskId, WorkerId,
};
use gristmill_protocol::{
    Client, Endpoint, Heartbeat, MemoryListener, PollRequest, WorkerHello, WorkerLink, memory,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::{frame, next_piece, preamble};

/// More than any call makes of answers that lead nowhere.
const CONNECTIONS_MAX: usize = 3;

/// Any bytes, from the first on, whatever is asked.
pub(crate) async fn hears(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let (connector, mut listener) = memory();
    let pretend = async {
        for _ in 0..CONNECTIONS_MAX {
            let Some(mut stream) = listener.accept().await else { return };
            let _ = stream.write_all(bytes).await;
        }
    };
    tokio::select! {
        () = call(*which, Endpoint::Memory(connector)) => {}
        () = pretend => {}
    }
}

/// Frames of any content, one for each request, on however many connections.
pub(crate) async fn is_answered(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else { return };
    let (connector, listener) = memory();
    tokio::select! {
        () = call(*which, Endpoint::Memory(connector)) => {}
        () = answer(listener, rest) => {}
    }
}

async fn answer(mut listener: MemoryListener, mut rest: &[u8]) {
    while let Some(mut stream) = listener.accept().await {
        if agree(&mut stream).await.is_none() {
            continue;
        }
        while let Some(()) = take_request(&mut stream).await {
            let Some(message) = next_piece(&mut rest) else { return };
            let _ = stream.write_all(&frame(message)).await;
        }
    }
}

async fn agree(stream: &mut DuplexStream) -> Option<()> {
    stream.read_exact(&mut [0; 16]).await.ok()?;
    stream.write_all(&preamble(0)).await.ok()
}

async fn take_request(stream: &mut DuplexStream) -> Option<()> {
    let length = stream.read_u32().await.ok()?;
    stream.read_exact(&mut vec![0; length as usize]).await.ok()?;
    Some(())
}

/// One of the calls there are; whatever comes of it is well.
async fn call(which: u8, endpoint: Endpoint) {
    let client = Client::new(endpoint.clone(), Duration::ZERO);
    let (kv, link) = (client.kv(), WorkerLink::new(endpoint, Duration::ZERO));
    let (job, worker, incarnation) = (JobId(7), WorkerId(2), Incarnation(3));
    let attempt = TaskId::reduce(job, 1).attempt(0);
    let poll = PollRequest {
        worker,
        incarnation,
        free_slots: 1,
        ahead: 1,
        held: 0,
        reports: Vec::new(),
        wait_ms: 5,
    };
    match which % 24 {
        0 => drop(client.info().await),
        1 => drop(client.upload_blob(b"some bytes").await),
        2 => drop(client.submit(request()).await),
        3 => drop(client.wait_job(job).await),
        4 => drop(client.jobs().await),
        5 => drop(client.cancel(job).await),
        6 => drop(client.explain(job, None).await),
        7 => drop(client.logs(job, None).await),
        8 => drop(client.workers().await),
        9 => drop(client.drain(worker).await),
        10 => drop(client.members().await),
        11 => drop(client.change_members(&MemberChange::Lead { id: 2 }).await),
        12 => drop(kv.get(b"k").await),
        13 => drop(kv.put(b"k", b"v").await),
        14 => drop(kv.cas(b"k", 7, b"v").await),
        15 => drop(kv.delete_version(b"k", 7).await),
        16 => drop(kv.list(b"").await),
        17 => drop(kv.watch(b"", None).next().await),
        18 => drop(link.register(hello(incarnation)).await),
        19 => drop(link.poll(poll).await),
        20 => drop(link.heartbeat(Heartbeat { worker, incarnation, running: Vec::new() }).await),
        21 => drop(link.segments(worker, incarnation, attempt, 20).await),
        22 => drop(link.fetch_blob(Sha256([1; 32]), &mut Vec::new()).await),
        _ => drop(link.goodbye(worker, incarnation).await),
    }
}

fn hello(incarnation: Incarnation) -> WorkerHello {
    WorkerHello {
        protocol: gristmill_protocol::PROTOCOL_VERSION,
        name: "w".to_owned(),
        incarnation,
        slots: 1,
        machine: "m".to_owned(),
        running: Vec::new(),
    }
}

fn request() -> JobRequest {
    JobRequest {
        key: RequestKey { client: Default::default(), request: RequestId(0) },
        plugin: PluginInfo {
            sha256: Sha256([1; 32]),
            bytes: 300,
            name: "wc".to_owned(),
            version: "1.0.0".to_owned(),
            input_mode: InputMode::Text,
            map_only: false,
            combines: true,
            total_order: false,
        },
        params: Default::default(),
        inputs: Vec::new(),
        output: PathBytes::from("/out"),
        options: JobOptions::default(),
    }
}
