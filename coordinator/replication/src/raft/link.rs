//! The sending end: what openraft wants to tell a peer becomes a message, and the reply an answer.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use openraft::errors::{NetworkError as LinkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::impls::BasicNode;
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::TypeConfigExt;
use openraft::{OptionalSend, StorageError};
use tokio::sync::watch;

use super::applied::SnapshotData;
use super::types::{EncodedEntry, Snapshot, Types, Vote};
use super::wire::{
    Answer, Append, Ballot, Candidacy, Message, Piece, PieceTaken, Removed, Reply, Request, Transfer,
    WIRE_VERSION,
};
use crate::config::Timers;
use crate::group::GroupId;
use crate::machine::Machine;
use crate::network::{Lane, Network, NetworkError, NodeId};
use crate::peers::{Peers, lost_store, not_kept};
use crate::reach::Reach;
use crate::snapshot::StoredSnapshot;
use crate::told::Told;

/// The bytes of a snapshot that go in one message.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// Makes links to peers.
pub(crate) struct Links<N, M> {
    pub(crate) network: N,
    pub(crate) from: NodeId,
    pub(crate) group: GroupId,
    pub(crate) lineage: u64,
    pub(crate) peers: Arc<Peers>,
    pub(crate) timers: Timers,
    pub(crate) told: Arc<Told>,
    pub(crate) reach: Arc<Reach>,
    pub(crate) removed: Arc<watch::Sender<Option<Removed>>>,
    pub(crate) machine: PhantomData<fn() -> M>,
}

/// A link to one peer.
pub(crate) struct Link<N, M> {
    network: N,
    from: NodeId,
    to: NodeId,
    address: Arc<str>,
    group: GroupId,
    lineage: u64,
    peers: Arc<Peers>,
    timers: Timers,
    told: Arc<Told>,
    reach: Arc<Reach>,
    /// That this node was removed, as far as others have said so.
    removed: Arc<watch::Sender<Option<Removed>>>,
    machine: PhantomData<fn() -> M>,
}

impl<N: Network, M: Machine> RaftNetworkFactory<Types> for Links<N, M> {
    type Network = Link<N, M>;

    async fn new_client(&mut self, to: NodeId, node: &BasicNode) -> Link<N, M> {
        self.reach.clear(to);
        Link {
            network: self.network.clone(),
            from: self.from,
            to,
            address: node.addr.as_str().into(),
            group: self.group,
            lineage: self.lineage,
            peers: self.peers.clone(),
            timers: self.timers,
            told: self.told.clone(),
            reach: self.reach.clone(),
            removed: self.removed.clone(),
            machine: PhantomData,
        }
    }
}

impl<N: Network, M> Link<N, M> {
    async fn ask(&self, lane: Lane, request: Request, patience: Duration) -> Result<Reply, NetworkError> {
        let (from, lineage) = (self.from, self.lineage);
        let message =
            Message { version: WIRE_VERSION, from, to: self.to, group: self.group, lineage, request };
        let message =
            postcard::to_stdvec(&message).map_err(|error| NetworkError::Refused(error.to_string()))?;
        let sent = self.network.send(self.to, &self.address, lane, message, patience);
        // The network bounds its own wait; this is for one that does not.
        let reply = tokio::time::timeout(patience.saturating_mul(2), sent)
            .await
            .unwrap_or_else(|_| Err(NetworkError::NoReply("in time".into())))
            .inspect_err(|error| self.failed(error))?;
        let answer: Answer =
            postcard::from_bytes(&reply).map_err(|_| strange()).inspect_err(|error| self.failed(error))?;
        match self.peers.has(self.to, answer.lineage).await {
            Ok(true) => self.reach.clear(self.to),
            Ok(false) => return Err(self.refused(lost_store(self.to))),
            Err(error) => return Err(self.refused(not_kept(self.to, &error))),
        }
        match answer.reply {
            Reply::Removed(removed) => {
                self.removed.send_if_modified(|known| {
                    let is_newer = known.as_ref().is_none_or(|known| known.at < removed.at);
                    if is_newer {
                        *known = Some(removed);
                    }
                    is_newer
                });
                Err(NetworkError::Refused("it says that this member was removed".into()))
            }
            reply => Ok(reply),
        }
    }

    /// A node whom the others refuse would be silent otherwise: it waits for them as for any who are not there.
    fn failed(&self, error: &NetworkError) {
        if let NetworkError::Refused(reason) = error {
            self.told.warn(format!("member {} will have nothing to do with this one: {reason}", self.to));
        }
        self.reach.failed(self.to, format!("it {error}"), matches!(error, NetworkError::NoReply(_)));
    }

    /// It is this node that will have nothing to do with the peer. One that only ever replies is refused nowhere else.
    fn refused(&self, reason: String) -> NetworkError {
        self.told.warn(format!("refused {reason}"));
        self.reach.failed(self.to, format!("refused {reason}"), false);
        NetworkError::Refused(reason)
    }

    /// How long entries of so many bytes may take: they are written to a disk at the other end.
    fn patience(&self, bytes: usize) -> Duration {
        let for_bytes = Duration::from_millis((bytes >> 10) as u64);
        self.timers.election_max + for_bytes
    }

    async fn send_pieces(&self, vote: Vote, snapshot: &StoredSnapshot) -> Result<Vote, NetworkOrDisk> {
        let ballot = Ballot::from(&vote);
        let mut offset = 0;
        loop {
            let (content, at) = (snapshot.clone(), offset);
            let bytes = tokio::task::spawn_blocking(move || content.bytes(at, PIECE_BYTES));
            let bytes = bytes.await.map_err(io::Error::other)??;
            let piece = Piece {
                ballot,
                about: snapshot.about.clone(),
                total: snapshot.len(),
                digest: snapshot.digest,
                offset,
                bytes: EncodedEntry(bytes.into()),
            };
            // The last piece is answered when the state has been read and replaced.
            let patience = self.patience(PIECE_BYTES).max(Duration::from_secs(10));
            match self.ask(Lane::Bulk, Request::Piece(piece), patience).await? {
                Reply::Piece(PieceTaken::Installed(ballot)) => return Ok(ballot.into()),
                Reply::Piece(PieceTaken::Next(next)) if next <= snapshot.len() => offset = next,
                _ => return Err(strange().into()),
            }
        }
    }
}

enum NetworkOrDisk {
    Network(NetworkError),
    Disk(io::Error),
}

impl From<NetworkError> for NetworkOrDisk {
    fn from(error: NetworkError) -> Self {
        Self::Network(error)
    }
}

impl From<io::Error> for NetworkOrDisk {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

fn strange() -> NetworkError {
    NetworkError::Refused("its reply is not one to what it was asked".into())
}

fn rpc_error(error: NetworkError) -> RPCError<Types> {
    match error {
        NetworkError::NoReply(_) => LinkError::from_string(error).into(),
        NetworkError::Unreachable(_) | NetworkError::Refused(_) => Unreachable::from_string(error).into(),
    }
}

fn streaming_error(error: NetworkOrDisk) -> StreamingError<Types> {
    match error {
        NetworkOrDisk::Network(error) => rpc_error(error).into(),
        NetworkOrDisk::Disk(error) => {
            StreamingError::StorageError(StorageError::read_snapshot(None, Types::err_from_error(&error)))
        }
    }
}

impl<N: Network, M: Machine> RaftNetworkV2<Types> for Link<N, M> {
    type SnapshotData = SnapshotData<M>;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let append = Append::from(request);
        let previous = append.previous;
        let last = append.entries.last().map(|entry| entry.at).or(previous);
        let bytes: usize = append.entries.iter().map(|entry| entry.body.size()).sum();
        let (lane, patience) = match append.entries.is_empty() {
            true => (Lane::Control, option.soft_ttl().max(self.timers.heartbeat)),
            false => (Lane::Bulk, self.patience(bytes)),
        };
        match self.ask(lane, Request::Append(append), patience).await.map_err(rpc_error)? {
            Reply::Append(appended) => {
                appended.to(previous, last).map_err(|nonsense| LinkError::from_string(nonsense).into())
            }
            _ => Err(rpc_error(strange())),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let request = Request::Vote(Candidacy::from(request));
        match self.ask(Lane::Control, request, option.soft_ttl()).await.map_err(rpc_error)? {
            Reply::Vote(voted) => Ok(voted.into()),
            _ => Err(rpc_error(strange())),
        }
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let request = Request::PreVote(Candidacy::from(request));
        match self.ask(Lane::Control, request, option.soft_ttl()).await.map_err(rpc_error)? {
            Reply::Vote(voted) => Ok(voted.into()),
            _ => Err(rpc_error(strange())),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot<SnapshotData<M>>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        tokio::select! {
            closed = cancel => Err(closed.into()),
            sent = self.send_pieces(vote, &snapshot.snapshot.stored) => {
                sent.map(SnapshotResponse::new).map_err(streaming_error)
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let request = Request::Transfer(Transfer::from(request));
        match self.ask(Lane::Control, request, option.soft_ttl()).await.map_err(rpc_error)? {
            Reply::Transfer(true) => Ok(Ok(())),
            Reply::Transfer(false) => {
                Err(rpc_error(NetworkError::Refused("it will not take over now".into())))
            }
            _ => Err(rpc_error(strange())),
        }
    }
}
