//! A group of coordinators made of fakes, each of which leads, follows, or says nothing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use gristmill_model::Refusal;
use gristmill_protocol::{
    Answer, ClientServiceRequest as Call, ClientServiceResponse as Reply, Endpoint, Listener, Orders,
    WorkerServiceRequest, WorkerServiceResponse, listen,
};

use crate::support::{Running, at_once, never, start};

/// What a member answers.
#[derive(Clone)]
pub(crate) enum Stand {
    Leads,
    Follows(Option<String>),
    /// As a paused process, or a leader that is cut off.
    Hangs,
}

/// One fake coordinator.
pub(crate) struct Member {
    pub(crate) address: SocketAddr,
    stand: Arc<Mutex<Stand>>,
    calls: Arc<AtomicU32>,
    pub(crate) running: Running,
}

pub(crate) fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// An address at which nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    listen(local()).await.unwrap().local_addr().unwrap()
}

pub(crate) fn endpoint(addresses: &[SocketAddr]) -> Endpoint {
    Endpoint::tcp(addresses).unwrap()
}

impl Member {
    pub(crate) async fn start(stand: Stand) -> Self {
        let tcp = listen(local()).await.unwrap();
        let address = tcp.local_addr().unwrap();
        let (stand, calls) = (Arc::new(Mutex::new(stand)), Arc::new(AtomicU32::new(0)));
        let stands = |stand: &Arc<Mutex<Stand>>, calls: &Arc<AtomicU32>| {
            let (stand, calls) = (stand.clone(), calls.clone());
            move || {
                calls.fetch_add(1, Ordering::SeqCst);
                stand.lock().unwrap().clone()
            }
        };
        let (of_clients, of_workers) = (stands(&stand, &calls), stands(&stand, &calls));
        let client = move |call| match of_clients() {
            Stand::Hangs => never(call),
            Stand::Leads => leads(&call),
            Stand::Follows(leader) => at_once(Reply::Workers(Err(Refusal::NotLeader { leader }))),
        };
        let worker = move |call| match of_workers() {
            Stand::Hangs => never(call),
            Stand::Leads => serves(&call),
            Stand::Follows(leader) => refuses(&call, leader),
        };
        let running = start(Listener::Tcp(tcp), client, worker);
        Self { address, stand, calls, running }
    }

    pub(crate) fn becomes(&self, stand: Stand) {
        *self.stand.lock().unwrap() = stand;
    }

    /// Follows, and names this one.
    pub(crate) fn follows(&self, leader: &Member) {
        self.becomes(Stand::Follows(Some(leader.address.to_string())));
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

/// Clients only ask for the workers here.
fn leads(call: &Call) -> Answer<Reply> {
    match call {
        Call::Workers {} => at_once(Reply::Workers(Ok(Vec::new()))),
        other => panic!("unexpected call {other:?}"),
    }
}

/// Workers beat, and their polls wait.
fn serves(call: &WorkerServiceRequest) -> Answer<WorkerServiceResponse> {
    match call {
        WorkerServiceRequest::Heartbeat { .. } => {
            at_once(WorkerServiceResponse::Heartbeat(Ok(Orders::default())))
        }
        WorkerServiceRequest::Poll { .. } => never(()),
        other => panic!("unexpected call {other:?}"),
    }
}

fn refuses(call: &WorkerServiceRequest, leader: Option<String>) -> Answer<WorkerServiceResponse> {
    let refusal = Refusal::NotLeader { leader };
    at_once(match call {
        WorkerServiceRequest::Heartbeat { .. } => WorkerServiceResponse::Heartbeat(Err(refusal)),
        WorkerServiceRequest::Poll { .. } => WorkerServiceResponse::Poll(Err(refusal)),
        other => panic!("unexpected call {other:?}"),
    })
}
