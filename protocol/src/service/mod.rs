//! The calls between clients, workers and coordinators.
//!
//! Every mutating call may be repeated: submissions, cancellations, drains and writes carry a request key, changes of the members the
//! state of the group for which they are meant, reports name their attempt, a registration names its incarnation. A coordinator that does not lead its group refuses them all with
//! [`NotLeader`](gristmill_model::Refusal::NotLeader) or [`NoMember`](gristmill_model::Refusal::NoMember), but for those of its peers. Messages stay far below
//! [`FRAME_BYTES_MAX`](crate::limits::FRAME_BYTES_MAX) by construction: long lists are asked for in pages, large messages go in parts.

mod client;
mod kv;
mod peer;
mod worker;

pub use client::{
    ClientService, ClientServiceClient, ClientServiceRequest, ClientServiceResponse, CoordinatorInfo,
};
pub use kv::{KvService, KvServiceClient, KvServiceRequest, KvServiceResponse};
pub use peer::{PeerService, PeerServiceClient, PeerServiceRequest, PeerServiceResponse};
pub use worker::{
    Heartbeat, Orders, PollReply, PollRequest, Registered, Verdict, WorkerHello, WorkerService,
    WorkerServiceClient, WorkerServiceRequest, WorkerServiceResponse,
};

/// Grows with every incompatible change of a message.
pub const PROTOCOL_VERSION: u32 = 8;
