//! One connection to the leader of a group that comes back: a connection that has failed is dropped, the leader looked for, and the call
//! built afresh.
//!
//! Callers that find the connection gone share one dial. What is tried again and for how long is the caller's to say.

use std::sync::Arc;
use std::time::Duration;

use gristmill_model::Refusal;
use rand::seq::IteratorRandom;
use tarpc::client::RpcError;
use tarpc::context;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::connection::{Caller, Connection};
use crate::endpoint::{ConnectError, Endpoint};
use crate::limits::{CALL_TIMEOUT, GROUP_CALL_TIMEOUT, GROUP_LONG_POLL_MAX, LONG_POLL_MAX};
use crate::preamble::Role;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The coordinator answered, and will not.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No connection could be had.
    #[error("no coordinator answers at {endpoint}")]
    Unreachable {
        /// Where it should be.
        endpoint: String,
        /// The last try's error.
        source: ConnectError,
    },
    /// Coordinators answer, but none leads.
    #[error(
        "no coordinator leads the group at {endpoint}; a majority of its members must be up and reach each other"
    )]
    Leaderless {
        /// Where the group should be.
        endpoint: String,
    },
    /// A coordinator answers that was removed from its group, and none of the group does.
    #[error(
        "the coordinator at {endpoint} is no member of its group, having been removed or not added yet; the members are at \
         {members}"
    )]
    NoMember {
        /// The coordinator.
        endpoint: String,
        /// Where it believes the members to be.
        members: String,
    },
    /// The connection broke during the call, again and again.
    #[error("the connection to {endpoint} broke in `{call}`")]
    Broken {
        /// The coordinator.
        endpoint: String,
        /// The call.
        call: &'static str,
        /// How.
        source: RpcError,
    },
    /// The coordinator has the call but does not answer.
    #[error("{endpoint} did not answer `{call}` within {} s", waited.as_secs())]
    Silent {
        /// The coordinator.
        endpoint: String,
        /// The call.
        call: &'static str,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The call may have been executed or not, and asking again cannot tell: its session is over.
    #[error(
        "whether `{call}` was executed is not known: the session in which it was sent is over; look at what is there \
         before asking for it again"
    )]
    Undecided {
        /// The call.
        call: &'static str,
    },
    /// The message is larger than a frame may be, or cannot be written: a mistake of the caller.
    #[error("`{call}` cannot be sent")]
    Unsendable {
        /// The call.
        call: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl CallError {
    /// Whether the same call may succeed later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal, Refusal::Unavailable(_)),
            Self::Undecided { .. } | Self::Unsendable { .. } => false,
            _ => self.is_unreachable(),
        }
    }

    /// Whether no coordinator was there to answer.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Leaderless { .. }
                | Self::NoMember { .. }
                | Self::Broken { .. }
                | Self::Silent { .. }
        )
    }
}

/// A connection in one role, made when first needed and again when lost.
pub(crate) struct Redial<C> {
    endpoint: Endpoint,
    role: Role,
    current: Mutex<Option<Arc<Connection<C>>>>,
}

impl<C: Caller> Redial<C> {
    pub(crate) fn new(endpoint: Endpoint, role: Role) -> Self {
        Self { endpoint, role, current: Mutex::new(None) }
    }

    /// Whether there are others to turn to when one does not answer.
    pub(crate) fn has_others(&self) -> bool {
        self.endpoint.is_group()
    }

    /// How long a call may be kept waiting by design. Where there are others to turn to it is less: one that hangs is so left the sooner.
    pub(crate) fn long_poll_max(&self) -> Duration {
        if self.endpoint.is_group() { GROUP_LONG_POLL_MAX } else { LONG_POLL_MAX }
    }

    /// Makes `call`, which by design takes up to `wait`, again and again until it is answered, refused, or `patience` has passed.
    pub(crate) async fn call<T, F>(
        &self,
        name: &'static str,
        wait: Duration,
        patience: Duration,
        call: impl Fn(C, context::Context) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<Result<T, Refusal>, RpcError>>,
    {
        let mut tries = Tries::new(patience);
        loop {
            let error = match self.call_once(name, wait + self.call_timeout(), &call).await {
                Err(error) if error.may_pass() => error,
                done => return done,
            };
            tries.pause(name, error).await?;
        }
    }

    /// How long a call may take beyond what it waits for by design.
    pub(crate) fn call_timeout(&self) -> Duration {
        if self.endpoint.is_group() { GROUP_CALL_TIMEOUT } else { CALL_TIMEOUT }
    }

    /// Makes `call` once, at the coordinator that was last known to lead.
    pub(crate) async fn call_once<T, F>(
        &self,
        name: &'static str,
        limit: Duration,
        call: impl FnOnce(C, context::Context) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<Result<T, Refusal>, RpcError>>,
    {
        let connection = self.connection().await?;
        let result = connection.call(name, limit, call).await;
        let failed = match &result {
            Err(CallError::Refused(Refusal::NotLeader { leader })) => {
                self.endpoint.does_not_lead(connection.address(), leader.as_deref());
                Some(CallError::Leaderless { endpoint: self.endpoint.to_string() })
            }
            Err(CallError::Refused(Refusal::NoMember { members })) => {
                // Any: one that has died is not tried for ever.
                let member = members.split(',').choose(&mut rand::rng());
                self.endpoint.does_not_lead(connection.address(), member);
                let endpoint = connection
                    .address()
                    .map_or_else(|| self.endpoint.to_string(), |address| address.to_string());
                Some(CallError::NoMember { endpoint, members: members.clone() })
            }
            Err(CallError::Broken { .. } | CallError::Silent { .. }) => {
                self.endpoint.failed(connection.address());
                None
            }
            _ => return result,
        };
        self.drop_connection(&connection).await;
        failed.map_or(result, Err)
    }

    /// Ends the connection, with the calls under way, if another role has found that its coordinator does not answer or does not lead and
    /// there are others to turn to.
    pub(crate) async fn leave_failed(&self) {
        let mut current = self.current.lock().await;
        let failed = |connection: &mut Arc<Connection<C>>| self.endpoint.is_set_back(connection.address());
        if self.endpoint.is_group()
            && let Some(connection) = current.take_if(failed)
        {
            connection.end();
        }
    }

    async fn connection(&self) -> Result<Arc<Connection<C>>, CallError> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &*current
            && !connection.is_over()
        {
            return Ok(connection.clone());
        }
        *current = None;
        match self.endpoint.connect(self.role).await {
            Ok((stream, address)) => {
                let peer = address.map_or_else(|| self.endpoint.to_string(), |address| address.to_string());
                Ok(current.insert(Arc::new(Connection::new(stream, peer, address))).clone())
            }
            Err(source) => Err(match source.refusal() {
                Some(refusal) => CallError::Refused(refusal),
                None => CallError::Unreachable { endpoint: self.endpoint.to_string(), source },
            }),
        }
    }

    /// Unless somebody has dialled again already.
    async fn drop_connection(&self, failed: &Arc<Connection<C>>) {
        failed.end();
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|connection| Arc::ptr_eq(connection, failed)) {
            *current = None;
        }
    }
}

/// The tries of one call.
pub(crate) struct Tries {
    patience: Duration,
    /// Since when nobody answers.
    since: Instant,
    backoff: Backoff,
    /// Who answered that is no member, and whom it named.
    outsider: Option<(String, String)>,
}

impl Tries {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, since: Instant::now(), backoff: Backoff::default(), outsider: None }
    }

    /// Waits for the next try after this failure, or returns it when there is no patience for one.
    pub(crate) async fn pause(&mut self, name: &'static str, error: CallError) -> Result<(), CallError> {
        // Somebody was there: the time that the call was under way was no time of trying.
        if self.backoff.is_fresh() && !matches!(error, CallError::Unreachable { .. }) {
            self.since = Instant::now();
        }
        if let CallError::NoMember { endpoint, members } = &error {
            self.outsider = Some((endpoint.clone(), members.clone()));
        }
        let pause = self.backoff.after(&error);
        if self.since.elapsed() + pause > self.patience {
            // That those whom it named are not there either says less.
            return Err(match self.outsider.take() {
                Some((endpoint, members)) => CallError::NoMember { endpoint, members },
                None => error,
            });
        }
        tracing::debug!(call = name, %error, ?pause, "try again");
        sleep(pause).await;
        Ok(())
    }
}
