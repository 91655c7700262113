//! One connection that comes back: a tarpc client is dead after any transport error, so it is dropped and dialled again.
//!
//! Every call of the services may be repeated, so a call is tried until it is answered, refused, or the caller's patience ends.
//! Callers that find the connection gone share one dial.

use std::sync::Arc;
use std::time::Duration;

use gristmill_model::Refusal;
use tarpc::client::RpcError;
use tarpc::context;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::endpoint::{ConnectError, Endpoint};
use crate::limits::{CALL_TIMEOUT, REDIAL_PAUSE_MAX};
use crate::preamble::Role;
use crate::transport::BoxIo;

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
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Silent { .. } => true,
            Self::Unsendable { .. } => false,
        }
    }

    /// Whether no coordinator was there to answer.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Broken { .. } | Self::Silent { .. })
    }
}

/// A connection in one role, made when first needed and again when lost.
pub(crate) struct Redial<C> {
    endpoint: Endpoint,
    role: Role,
    start: fn(BoxIo) -> C,
    current: Mutex<Option<Arc<C>>>,
}

impl<C: Clone> Redial<C> {
    pub(crate) fn new(endpoint: Endpoint, role: Role, start: fn(BoxIo) -> C) -> Self {
        Self { endpoint, role, start, current: Mutex::new(None) }
    }

    /// Makes `call`, which by design takes up to `wait`, again and again until `patience` has passed since the first try.
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
        let give_up = Instant::now() + patience;
        let mut pause = Pause::default();
        loop {
            let error = match self.try_call(name, wait + CALL_TIMEOUT, &call).await {
                Err(error) if error.may_pass() => error,
                done => return done,
            };
            let pause = pause.next();
            if Instant::now() + pause > give_up {
                return Err(error);
            }
            tracing::debug!(call = name, %error, ?pause, "try again");
            sleep(pause).await;
        }
    }

    async fn try_call<T, F>(
        &self,
        name: &'static str,
        limit: Duration,
        call: impl Fn(C, context::Context) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<Result<T, Refusal>, RpcError>>,
    {
        let client = self.connection().await?;
        let mut context = context::current();
        context.deadline = std::time::Instant::now() + limit;
        let result = timeout(limit, call((*client).clone(), context)).await;
        let endpoint = || self.endpoint.to_string();
        let error = match result {
            Ok(Ok(answer)) => return answer.map_err(CallError::Refused),
            Ok(Err(RpcError::Send(source))) => return Err(CallError::Unsendable { call: name, source }),
            Ok(Err(RpcError::Server(error))) => {
                return Err(CallError::Refused(Refusal::Unavailable(error.detail)));
            }
            Err(_) | Ok(Err(RpcError::DeadlineExceeded)) => {
                CallError::Silent { endpoint: endpoint(), call: name, waited: limit }
            }
            Ok(Err(source)) => CallError::Broken { endpoint: endpoint(), call: name, source },
        };
        self.drop_connection(&client).await;
        Err(error)
    }

    async fn connection(&self) -> Result<Arc<C>, CallError> {
        let mut current = self.current.lock().await;
        if let Some(client) = &*current {
            return Ok(client.clone());
        }
        match self.endpoint.connect(self.role).await {
            Ok(stream) => Ok(current.insert(Arc::new((self.start)(stream))).clone()),
            Err(source) => Err(match source.refusal() {
                Some(refusal) => CallError::Refused(refusal),
                None => CallError::Unreachable { endpoint: self.endpoint.to_string(), source },
            }),
        }
    }

    /// Unless somebody has dialled again already.
    async fn drop_connection(&self, failed: &Arc<C>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|client| Arc::ptr_eq(client, failed)) {
            *current = None;
        }
    }
}

/// Growing, jittered pauses: many callers of a restarted coordinator must not come back in step.
struct Pause {
    next_ms: u64,
}

impl Default for Pause {
    fn default() -> Self {
        Self { next_ms: 10 }
    }
}

impl Pause {
    fn next(&mut self) -> Duration {
        let full = self.next_ms;
        let max = u64::try_from(REDIAL_PAUSE_MAX.as_millis()).unwrap_or(u64::MAX);
        self.next_ms = (full * 2).min(max);
        Duration::from_millis(rand::random_range(full / 2..=full))
    }
}
