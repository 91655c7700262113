//! The receiving end: a message of a peer is looked at, then done.

use openraft::async_runtime::WatchReceiver;
use openraft::errors::RaftError;
use openraft::raft::TransferLeaderError;
use tokio::task::spawn_blocking;

use super::Node;
use super::role::addresses;
use crate::error::DeliverError;
use crate::machine::Machine;
use crate::network::NodeId;
use crate::peers::not_kept;
use crate::raft::applied::SnapshotData;
use crate::raft::convert::{Nonsense, position};
use crate::raft::types::{Snapshot, SnapshotMeta, Vote};
use crate::raft::wire::{
    Answer, Appended, Ballot, Message, Piece, PieceTaken, Position, Removed, Reply, Request, Voted,
    WIRE_VERSION,
};
use crate::snapshot::{Incoming, Taken};

/// A request that may be looked at.
struct Admitted {
    from: NodeId,
    request: Request,
}

impl<M: Machine> Node<M> {
    /// Takes a message that a peer has [sent](crate::Network::send), and returns the reply to it. Refusals are told once in the log.
    pub async fn deliver(&self, message: &[u8]) -> Result<Vec<u8>, DeliverError> {
        let reply = match self.admit(message).await {
            Ok(Admitted { from, request }) => self.serve(from, request).await,
            Err(refusal) => Err(refusal),
        };
        let reply = reply.inspect_err(|refusal| self.0.told.warn(format!("refused {refusal}")))?;
        let answer = Answer { lineage: self.0.lineage, reply };
        postcard::to_stdvec(&answer).map_err(|error| DeliverError::Failed(error.to_string()))
    }

    async fn admit(&self, message: &[u8]) -> Result<Admitted, DeliverError> {
        match message.first() {
            None => return Err(DeliverError::Rubbish("no bytes".into())),
            Some(&found) if found != WIRE_VERSION => {
                return Err(DeliverError::Version { found, known: WIRE_VERSION });
            }
            Some(_) => {}
        }
        let message: Message =
            postcard::from_bytes(message).map_err(|error| DeliverError::Rubbish(error.to_string()))?;
        let Message { from, to, group, lineage, request, .. } = message;
        if group != self.0.group {
            return Err(DeliverError::OtherGroup { from });
        }
        if to != self.0.id || from == self.0.id {
            return Err(DeliverError::OtherNode { from, to, here: self.0.id });
        }
        // The engine takes a ballot of this very node, coming from another, for its own.
        if request.ballot().node != from {
            return Err(DeliverError::Rubbish("it speaks for another member".into()));
        }
        match self.0.peers.has(from, lineage).await {
            Ok(true) => Ok(Admitted { from, request }),
            Ok(false) => Err(DeliverError::LostStore { from }),
            Err(error) => Err(DeliverError::Failed(not_kept(from, &error))),
        }
    }

    async fn serve(&self, from: NodeId, request: Request) -> Result<Reply, DeliverError> {
        let engine = &self.0.engine;
        if let Request::Vote(candidacy) | Request::PreVote(candidacy) = &request
            && let Some(removed) = self.removal_of(from, candidacy.last)
        {
            return Ok(Reply::Removed(removed));
        }
        Ok(match request {
            Request::Append(append) => {
                let append = append.try_into().map_err(rubbish)?;
                let appended = engine.append_entries(append).await.map_err(|error| self.stopped(error))?;
                Reply::Append(Appended::from(appended))
            }
            Request::Vote(candidacy) => {
                let candidacy = candidacy.try_into().map_err(rubbish)?;
                let voted = engine.vote(candidacy).await.map_err(|error| self.stopped(error))?;
                Reply::Vote(Voted::from(voted))
            }
            Request::PreVote(candidacy) => {
                let candidacy = candidacy.try_into().map_err(rubbish)?;
                let voted = engine.pre_vote(candidacy).await.map_err(|error| self.stopped(error))?;
                Reply::Vote(Voted::from(voted))
            }
            Request::Transfer(transfer) => {
                let transfer = transfer.try_into().map_err(rubbish)?;
                let taken = engine.handle_transfer_leader(transfer).await;
                let taken = taken.map_err(|_| DeliverError::Failed(self.failure()))?;
                Reply::Transfer(!matches!(
                    taken,
                    Err(TransferLeaderError::VoteChanged { .. } | TransferLeaderError::LogNotFlushed { .. })
                ))
            }
            Request::Piece(piece) => {
                // To its end, even if the caller gives up: the file is this node's by then.
                let node = self.clone();
                let taken = tokio::spawn(async move { node.take_piece(piece).await });
                Reply::Piece(taken.await.map_err(|error| DeliverError::Failed(error.to_string()))??)
            }
        })
    }

    /// Whether a candidate whose log ends there has missed its removal. It could not win anyway: this node has a later entry, which is
    /// committed.
    fn removal_of(&self, candidate: NodeId, last: Option<Position>) -> Option<Removed> {
        let metrics = self.0.engine.metrics();
        let metrics = metrics.borrow_watched();
        let at = position(metrics.membership_config.log_id().as_ref())?;
        let is_certain = position(metrics.last_applied.as_ref()) >= Some(at);
        let membership = metrics.membership_config.membership();
        let missed = is_certain && last < Some(at) && membership.get_node(&candidate).is_none();
        missed.then(|| Removed { at, members: addresses(membership) })
    }

    async fn take_piece(&self, piece: Piece) -> Result<PieceTaken, DeliverError> {
        if !piece.ballot.won {
            return Err(DeliverError::Rubbish("a snapshot of a member that does not lead".into()));
        }
        let mut incoming = self.0.incoming.lock().await;
        let (vote, applied) = {
            let metrics = self.0.engine.metrics();
            let metrics = metrics.borrow_watched();
            (Ballot::from(&metrics.vote), position(metrics.last_applied.as_ref()))
        };
        if vote.term > piece.ballot.term {
            return Ok(PieceTaken::Installed(vote));
        }
        if applied >= piece.about.last {
            incoming.take_if(|begun| begun.is_of(&piece));
            return Ok(PieceTaken::Installed(piece.ballot));
        }
        let begun = match incoming.take() {
            Some(begun) if begun.is_of(&piece) => begun,
            _ => {
                let path = self.0.applied.snapshots().incoming_path();
                Incoming::begin(&piece, path).map_err(|error| self.no_room(&error))?
            }
        };
        let Piece { ballot, about, digest, .. } = &piece;
        let (ballot, about, digest) = (*ballot, about.clone(), *digest);
        let taken = spawn_blocking(move || begun.take(&piece)).await.map_err(broken)?;
        match taken.map_err(|error| self.no_room(&error))? {
            (begun, Taken::Next(offset)) => {
                *incoming = begun;
                Ok(PieceTaken::Next(offset))
            }
            (_, Taken::Whole(whole)) => {
                let read = spawn_blocking(move || whole.read::<M>()).await.map_err(broken)?;
                let (machine, stored, path) =
                    read.map_err(|error| DeliverError::Rubbish(format!("a snapshot: {error}")))?;
                if stored.about != about || stored.digest != digest {
                    return Err(DeliverError::Rubbish("a snapshot that is not the one announced".into()));
                }
                let meta = SnapshotMeta::try_from(about).map_err(rubbish)?;
                let data = SnapshotData { stored, machine: Some(machine), path };
                let installed = self
                    .0
                    .engine
                    .install_full_snapshot(Vote::from(ballot), Snapshot { meta, snapshot: data });
                let installed = installed.await.map_err(|_| DeliverError::Failed(self.failure()))?;
                Ok(PieceTaken::Installed(Ballot::from(&installed.vote)))
            }
        }
    }

    fn stopped(&self, _: RaftError<crate::raft::types::Types>) -> DeliverError {
        DeliverError::Failed(self.failure())
    }

    /// A disk without room for a snapshot is one that cannot keep the log for long either, but the log says so itself.
    fn no_room(&self, error: &std::io::Error) -> DeliverError {
        DeliverError::Failed(format!("cannot keep a snapshot: {error}"))
    }
}

fn rubbish(nonsense: Nonsense) -> DeliverError {
    DeliverError::Rubbish(nonsense.to_string())
}

fn broken(error: tokio::task::JoinError) -> DeliverError {
    DeliverError::Failed(error.to_string())
}
