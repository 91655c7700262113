//! The services, transports and limits by which clients, workers and the coordinator talk.
//!
//! A caller holds a [`Client`], a [`KvClient`] or a [`WorkerLink`], which look for the leader of the group at an [`Endpoint`] when needed
//! and again when the connection is lost. A coordinator hands a [`Listener`] and its [`Services`] to [`serve`], and calls its peers
//! through a [`PeerLink`].
#![forbid(unsafe_code)]

mod backoff;
mod client;
mod codec;
mod compass;
mod connection;
mod endpoint;
mod frames;
mod kv_client;
pub mod limits;
mod memory;
mod parts;
mod peer_link;
mod preamble;
mod redial;
mod server;
mod service;
mod session;
mod transport;
mod worker_link;

pub use backoff::Backoff;
pub use client::{Client, Watch, sha256};
pub use endpoint::{
    AddressError, ConnectError, Endpoint, ListenError, TcpEndpoint, check_loopback, listen, parse_address,
};
pub use kv_client::{KvClient, KvWatch, Mismatch, Written};
pub use memory::{MemoryConnector, MemoryListener, memory};
pub use peer_link::PeerLink;
pub use preamble::{PreambleError, Role};
pub use redial::CallError;
pub use server::{Answer, ConnectionId, Lane, Listener, Services, serve};
pub use service::{
    ClientService, ClientServiceClient, ClientServiceRequest, ClientServiceResponse, CoordinatorInfo,
    Heartbeat, KvService, KvServiceClient, KvServiceRequest, KvServiceResponse, Orders, PROTOCOL_VERSION,
    PeerService, PeerServiceClient, PeerServiceRequest, PeerServiceResponse, PollReply, PollRequest,
    Registered, Verdict, WorkerHello, WorkerService, WorkerServiceClient, WorkerServiceRequest,
    WorkerServiceResponse,
};
pub use worker_link::{FetchError, WorkerLink};
