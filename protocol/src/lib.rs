//! The services, transports and limits by which clients, workers and the coordinator talk.
//!
//! A caller holds a [`Client`] or a [`WorkerLink`], which dial an [`Endpoint`] when needed and again when the connection is lost. A
//! coordinator hands a [`Listener`] and its [`Services`] to [`serve`].
#![forbid(unsafe_code)]

mod client;
mod codec;
mod endpoint;
pub mod limits;
mod memory;
mod preamble;
mod redial;
mod server;
mod service;
mod transport;
mod worker_link;

pub use client::{Client, Watch, sha256};
pub use endpoint::{
    AddressError, ConnectError, Endpoint, ListenError, TcpEndpoint, check_loopback, listen, parse_address,
};
pub use memory::{MemoryConnector, MemoryListener, memory};
pub use preamble::{PreambleError, Role};
pub use redial::CallError;
pub use server::{Answer, ConnectionId, Listener, Services, serve};
pub use service::{
    ClientService, ClientServiceClient, ClientServiceRequest, ClientServiceResponse, CoordinatorInfo,
    Heartbeat, Orders, PROTOCOL_VERSION, PollReply, PollRequest, Registered, Verdict, WorkerHello,
    WorkerService, WorkerServiceClient, WorkerServiceRequest, WorkerServiceResponse,
};
pub use worker_link::{FetchError, WorkerLink};
