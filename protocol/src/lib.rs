//! The services, transports and limits by which clients, workers and the coordinator talk.
#![forbid(unsafe_code)]

pub mod limits;
mod service;

pub use service::{
    ClientService, ClientServiceClient, ClientServiceRequest, ClientServiceResponse, CoordinatorInfo,
    Heartbeat, Orders, PROTOCOL_VERSION, PollReply, PollRequest, Registered, Verdict, WorkerHello,
    WorkerService, WorkerServiceClient, WorkerServiceRequest, WorkerServiceResponse,
};
