//! The group that this coordinator is a member of: its messages, its members, and the blobs that must outlive any one of them.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use gristmill_model::{MemberChange, MemberStatus, MembersStatus, MembersVersion, Refusal, Sha256};
use gristmill_protocol::limits::CHUNK_BYTES;
use gristmill_protocol::{CallError, Lane as PeerLane, PeerLink};
use gristmill_replication::{DeliverError, Lane, MembersError, Network, NetworkError, Node, NodeId};
use tokio::sync::Mutex;

use crate::blobs::Blobs;
use crate::member_change::{self, Due};
use crate::replica::Replicated;

/// How long a change of the members may take: a new one has to catch up.
const CHANGE_MAX: Duration = Duration::from_secs(60);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Group {
    node: Node<Replicated>,
    link: PeerLink,
    id: u64,
    /// Held while the members change, so that each change is made on what the one before it has left.
    changing: Arc<Mutex<()>>,
}

/// Replication's messages over the connections of the protocol.
#[derive(Clone)]
pub(crate) struct PeerNetwork(pub(crate) PeerLink);

impl Network for PeerNetwork {
    async fn send(
        &self,
        _: NodeId,
        address: &str,
        lane: Lane,
        message: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<u8>, NetworkError> {
        let lane = match lane {
            Lane::Control => PeerLane::Urgent,
            Lane::Bulk => PeerLane::Bulk,
        };
        let sent = self.0.send(address, lane, message, timeout).await;
        sent.map_err(|error| match error {
            CallError::Refused(Refusal::Invalid(reason)) => NetworkError::Refused(reason),
            error @ (CallError::Silent { .. } | CallError::Broken { .. }) => {
                NetworkError::NoReply(error.to_string())
            }
            CallError::Unreachable { source, .. } => NetworkError::Unreachable(chain(&source)),
            // One that has stopped and says so is as good as gone.
            error => NetworkError::Unreachable(error.to_string()),
        })
    }
}

impl Group {
    pub(crate) fn new(node: Node<Replicated>, link: PeerLink, id: u64) -> Self {
        Self { node, link, id, changing: Arc::default() }
    }

    /// Which member this is.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// A message of a peer, and the reply to it.
    pub(crate) async fn deliver(&self, message: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        self.node.deliver(&message).await.map_err(|error| match error {
            DeliverError::Failed(reason) => Refusal::Unavailable(reason),
            error => Refusal::Invalid(error.to_string()),
        })
    }

    pub(crate) async fn members(&self) -> Result<MembersStatus, Refusal> {
        let members = self.node.members();
        let member = |member: &gristmill_replication::Member| MemberStatus {
            id: member.id,
            address: member.address.clone(),
            votes: member.voter,
            behind: member.behind,
            silent_ms: member.silent.map(|silent| u64::try_from(silent.as_millis()).unwrap_or(u64::MAX)),
        };
        Ok(MembersStatus {
            leader: members.leader,
            members: members.members.iter().map(member).collect(),
            version: MembersVersion { term: members.term, since: members.since },
        })
    }

    /// Changes the members, and sees to it that any majority of them has one who holds the blobs of the jobs that live.
    pub(crate) async fn change_members(
        &self,
        blobs: &Arc<Blobs>,
        seen: MembersVersion,
        change: MemberChange,
    ) -> Result<MembersStatus, Refusal> {
        let _changing = match change {
            // Need not wait for a new member that is catching up.
            MemberChange::Lead { .. } => None,
            _ => Some(self.changing.lock().await),
        };
        let group = self.members().await?;
        if member_change::due(&change, seen, &group)? == Due::IsMade {
            return Ok(group);
        }
        let changed = match change {
            MemberChange::Add { id, address } => {
                self.prepare(blobs, id, &address).await?;
                let added = self.node.add_member(id, &address, CHANGE_MAX).await;
                if added.is_ok() {
                    self.give_blobs(blobs, &address).await?;
                }
                added
            }
            MemberChange::Remove { id } => {
                for name in blobs.in_use() {
                    self.fetch_if_missing(blobs, name).await?;
                    self.share_among(blobs, name, Some(id)).await?;
                }
                self.node.remove_member(id, CHANGE_MAX).await
            }
            MemberChange::Replace { id, by, address } => {
                self.node.known(id).map_err(to_refusal)?;
                self.prepare(blobs, by, &address).await?;
                let replaced = self.node.replace_member(id, by, &address, CHANGE_MAX).await;
                if replaced.is_ok() {
                    self.give_blobs(blobs, &address).await?;
                }
                replaced
            }
            MemberChange::Lead { id } => self.node.lead_with(id, CHANGE_MAX).await,
        };
        changed.map_err(to_refusal)?;
        self.members().await
    }

    /// Makes a new member ready to vote: it knows all entries, and has the blobs. Those of jobs that are submitted meanwhile it gets
    /// when it votes.
    async fn prepare(&self, blobs: &Arc<Blobs>, id: u64, address: &str) -> Result<(), Refusal> {
        let members = self.node.members().members;
        let here = members.iter().find(|member| member.id == self.id);
        if here.is_some_and(|here| here.address.parse::<SocketAddr>().is_err()) {
            let reason = "this coordinator serves one run and has no address for others: it takes no members";
            return Err(Refusal::Invalid(reason.to_owned()));
        }
        self.node.teach_member(id, address, CHANGE_MAX).await.map_err(to_refusal)?;
        self.give_blobs(blobs, address).await
    }

    async fn give_blobs(&self, blobs: &Arc<Blobs>, address: &str) -> Result<(), Refusal> {
        for name in blobs.in_use() {
            self.fetch_if_missing(blobs, name).await?;
            self.give_blob(blobs, name, address).await.map_err(|reason| {
                Refusal::Unavailable(format!("the plugin of a job cannot be brought to {address}: {reason}"))
            })?;
        }
        Ok(())
    }

    async fn fetch_if_missing(&self, blobs: &Arc<Blobs>, name: Sha256) -> Result<(), Refusal> {
        let here = on(blobs, move |blobs| Ok(blobs.complete(name).is_some())).await;
        if here.map_err(Refusal::Unavailable)? { Ok(()) } else { self.fetch_blob(blobs, name).await }
    }

    /// Brings a blob that is here to so many members that any majority has one who holds it.
    pub(crate) async fn share_blob(&self, blobs: &Arc<Blobs>, name: Sha256) -> Result<(), Refusal> {
        self.share_among(blobs, name, None).await
    }

    /// The same in the group as it will be without one of its members.
    async fn share_among(
        &self,
        blobs: &Arc<Blobs>,
        name: Sha256,
        without: Option<u64>,
    ) -> Result<(), Refusal> {
        let members = self.node.members().members;
        let voters: Vec<_> =
            members.iter().filter(|member| member.voter && Some(member.id) != without).collect();
        let others: Vec<_> = voters.iter().filter(|member| member.id != self.id).collect();
        // One that leaves holds nothing for those who stay.
        let needed = voters.len() / 2 + usize::from(without == Some(self.id) && !voters.is_empty());
        let given = join_all(others.iter().map(|member| self.give_blob(blobs, name, &member.address))).await;
        let holders = given.iter().filter(|result| result.is_ok()).count();
        if holders >= needed {
            return Ok(());
        }
        let reason = given.into_iter().find_map(Result::err).unwrap_or_default();
        Err(Refusal::Unavailable(format!(
            "the plugin cannot be brought to a majority of the group: {reason}"
        )))
    }

    async fn give_blob(&self, blobs: &Arc<Blobs>, name: Sha256, address: &str) -> Result<(), String> {
        let total = on(blobs, move |blobs| Ok(blobs.bytes(name, Instant::now()))).await?;
        let mut here = self.link.blob_bytes(address, name).await.map_err(|error| error.to_string())?;
        while here < total {
            let piece = on(blobs, move |blobs| blobs.read(name, here)).await?;
            let put = self.link.put_blob(address, name, total, here, piece).await;
            let now = put.map_err(|error| error.to_string())?;
            if now <= here {
                return Err(format!("{address} does not get beyond byte {here} of blob {name}"));
            }
            here = now;
        }
        Ok(())
    }

    /// Fetches a blob that this member missed from another that has it.
    pub(crate) async fn fetch_blob(&self, blobs: &Arc<Blobs>, name: Sha256) -> Result<(), Refusal> {
        let members = self.node.members();
        for member in members.members.iter().filter(|member| member.id != self.id) {
            match self.take_blob(blobs, name, &member.address).await {
                Ok(()) => return Ok(()),
                Err(reason) => {
                    tracing::debug!(blob = %name, member = %member.id, %reason, "not from this member");
                }
            }
        }
        Err(Refusal::UnknownBlob(name.to_string()))
    }

    async fn take_blob(&self, blobs: &Arc<Blobs>, name: Sha256, address: &str) -> Result<(), String> {
        let total = self.link.blob_bytes(address, name).await.map_err(|error| error.to_string())?;
        let mut here = on(blobs, move |blobs| Ok(blobs.bytes(name, Instant::now()))).await?;
        if total == 0 {
            return Err("it does not have it".to_owned());
        }
        while here < total {
            let read = self.link.blob(address, name, here).await;
            let piece = read.map_err(|error| error.to_string())?;
            if piece.is_empty() || piece.len() > CHUNK_BYTES {
                return Err(format!("it gave {} bytes at {here} of {total}", piece.len()));
            }
            here = on(blobs, move |blobs| blobs.put(name, total, here, &piece, Instant::now())).await?;
        }
        Ok(())
    }
}

async fn on<T: Send + 'static>(
    blobs: &Arc<Blobs>,
    work: impl FnOnce(&Blobs) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, String> {
    let blobs = blobs.clone();
    let done = tokio::task::spawn_blocking(move || work(&blobs)).await;
    done.map_err(|error| error.to_string())?.map_err(|refusal| refusal.to_string())
}

/// An error with its causes: whom it meets has not asked for anything, and needs to see what the system says.
fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn to_refusal(error: MembersError) -> Refusal {
    match error {
        MembersError::NotLeader { leader } => {
            Refusal::NotLeader { leader: leader.map(|(_, address)| address) }
        }
        MembersError::Refused(reason) => Refusal::Invalid(reason),
        MembersError::Late(reason) => Refusal::NotDone(reason),
        MembersError::Failed(reason) => Refusal::Unavailable(reason),
    }
}

#[cfg(test)]
mod tests {
    use gristmill_protocol::PROTOCOL_VERSION;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn send(to: SocketAddr) -> NetworkError {
        let (network, to) = (PeerNetwork(PeerLink::new()), to.to_string());
        let sent = network.send(2, &to, Lane::Control, b"message".to_vec(), Duration::from_millis(200));
        sent.await.unwrap_err()
    }

    /// Somebody who agrees to talk, and takes one message.
    async fn hears_out(listener: &TcpListener) -> TcpStream {
        let (mut peer, _) = listener.accept().await.unwrap();
        peer.read_exact(&mut [0; 16]).await.unwrap();
        let welcome = [b"\x89GRIST\r\n", &PROTOCOL_VERSION.to_le_bytes()[..], &[0; 4]].concat();
        peer.write_all(&welcome).await.unwrap();
        assert!(peer.read_u32().await.unwrap() > 0);
        peer
    }

    #[tokio::test]
    async fn a_peer_that_is_not_there_is_told_from_one_that_does_not_reply() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (silent, _peer) = tokio::join!(send(address), hears_out(&listener));
        assert!(matches!(silent, NetworkError::NoReply(_)), "{silent}");
        let (broken, ()) = tokio::join!(send(address), async { drop(hears_out(&listener).await) });
        assert!(matches!(broken, NetworkError::NoReply(_)), "{broken}");
        drop(listener);
        let gone = send(address).await;
        assert!(matches!(gone, NetworkError::Unreachable(_)), "{gone}");
        let gone = gone.to_string();
        let says = format!("cannot be reached: connect to {address}: Connection refused");
        assert!(gone.starts_with(&says), "{gone}");
    }
}
