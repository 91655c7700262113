//! Making entries certain, and reading what is certain.

use std::time::Duration;

use openraft::ReadPolicy;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, LinearizableReadError, RaftError};
use openraft::impls::ProgressResponder;
use tokio::time::{Instant, sleep};

use super::{Node, role};
use crate::error::{ConfirmError, ProposeError};
use crate::machine::Machine;
use crate::raft::types::{EncodedEntry, Term};

/// How long to wait before asking an engine again that leads but does not take entries at this moment.
const PAUSE: Duration = Duration::from_millis(2);

impl<M: Machine> Node<M> {
    /// Makes an entry certain: it is committed and applied here when this returns `Ok`. It is taken only if this node still leads
    /// in `term`, the one in which the entry was decided.
    ///
    /// Waits as long as the fate of the entry is open; that of a leader which is cut off is open until it is no longer cut off. A
    /// future that is dropped leaves the fate open as well.
    pub async fn propose(&self, term: u64, entry: M::Entry) -> Result<M::Outcome, ProposeError> {
        let encoded = postcard::to_stdvec(&entry).map_err(|error| ProposeError::Failed(error.to_string()))?;
        let encoded = EncodedEntry(encoded.into());
        loop {
            let (responder, outcome) = ProgressResponder::complete_only();
            let write =
                self.0.engine.write(encoded.clone()).responder(responder).with_leader(Term::new(term));
            write.await.map_err(|_| ProposeError::Failed(self.failure()))?;
            match outcome.await {
                Ok(Ok(written)) => {
                    let outcome = written.data.into_outcome();
                    return outcome.ok_or_else(|| ProposeError::Failed(self.failure()));
                }
                // It did not take the entry. A leader does not until its first heartbeat is answered, nor while it hands over.
                Ok(Err(ClientWriteError::ForwardToLeader(_))) if self.leads(term) => sleep(PAUSE).await,
                Ok(Err(ClientWriteError::LogEntryDiscarded(_))) => {
                    return Err(ProposeError::Unknown { leader: self.leader() });
                }
                Ok(Err(_)) => return Err(ProposeError::NotLeader { leader: self.leader() }),
                Err(_) => return Err(ProposeError::Failed(self.failure())),
            }
        }
    }

    /// Makes sure that this node still leads, by asking a majority, and that all that was committed before the call is applied
    /// here: what [`machine`](Self::machine) then shows is the newest there was when this was called. No clock is trusted.
    pub async fn confirm(&self) -> Result<(), ConfirmError> {
        let deadline = Instant::now() + self.0.timers.election_max;
        loop {
            match self.0.engine.ensure_linearizable(ReadPolicy::ReadIndex).await {
                Ok(_) => return Ok(()),
                Err(RaftError::Fatal(_)) => return Err(ConfirmError::Failed(self.failure())),
                Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_))) if !self.leads_now() => {
                    return Err(ConfirmError::NotLeader { leader: self.leader() });
                }
                Err(RaftError::APIError(_)) if Instant::now() >= deadline => {
                    return Err(ConfirmError::NoQuorum);
                }
                Err(RaftError::APIError(_)) => sleep(PAUSE).await,
            }
        }
    }

    fn leads(&self, term: u64) -> bool {
        role::leads(&self.0.engine.metrics().borrow_watched(), term)
    }

    pub(super) fn leads_now(&self) -> bool {
        let metrics = self.0.engine.metrics();
        let metrics = metrics.borrow_watched();
        role::leads(&metrics, metrics.current_term)
    }
}
