//! The session of a client: the numbers of its requests, and which of them it may still repeat.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gristmill_model::{ClientId, RequestId, RequestKey};
use tokio::time::Instant;

use crate::limits::SESSION_KEEP_EVERY;

/// A session that a coordinator has opened. Requests are counted from 1.
#[derive(Debug)]
pub(crate) struct Session {
    client: ClientId,
    requests: Mutex<Requests>,
}

#[derive(Debug)]
struct Requests {
    last: u64,
    /// Those that may be repeated.
    open: BTreeSet<u64>,
    /// When the coordinator last answered in this session.
    heard: Instant,
}

/// A request, from its number until its answer.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) session: Arc<Session>,
    pub(crate) request: RequestId,
    /// Whether a coordinator may have executed it.
    sent: AtomicBool,
}

impl Session {
    pub(crate) fn new(client: ClientId) -> Arc<Self> {
        let requests = Requests { last: 0, open: BTreeSet::new(), heard: Instant::now() };
        Arc::new(Self { client, requests: Mutex::new(requests) })
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn client(&self) -> ClientId {
        self.client
    }

    /// Everything below is answered, or given up for good.
    pub(crate) fn done_below(&self) -> RequestId {
        let requests = self.requests();
        RequestId(requests.open.first().copied().unwrap_or(requests.last + 1))
    }

    /// Whether it has not been used for so long that it may be over unless it is kept.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests().heard.elapsed() >= SESSION_KEEP_EVERY
    }

    pub(crate) fn touch(&self) {
        self.requests().heard = Instant::now();
    }
}

impl Ticket {
    pub(crate) fn next(session: &Arc<Session>) -> Arc<Self> {
        let mut requests = session.requests();
        requests.last += 1;
        let number = requests.last;
        requests.open.insert(number);
        let sent = AtomicBool::new(false);
        Arc::new(Self { session: session.clone(), request: RequestId(number), sent })
    }

    pub(crate) fn key(&self) -> RequestKey {
        RequestKey { client: self.session.client, request: self.request }
    }

    pub(crate) fn mark_sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    pub(crate) fn was_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Ticket {
    /// Whatever came of it, it is not asked again.
    fn drop(&mut self) {
        self.session.requests().open.remove(&self.request.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_lies_below_every_request_that_may_be_repeated() {
        let session = Session::new(ClientId(3));
        assert_eq!(session.done_below(), RequestId(1));
        let (first, second) = (Ticket::next(&session), Ticket::next(&session));
        assert_eq!(second.key(), RequestKey { client: ClientId(3), request: RequestId(2) });
        drop(second);
        assert_eq!(session.done_below(), RequestId(1));
        drop(first);
        assert_eq!(session.done_below(), RequestId(3));
        assert_eq!(Ticket::next(&session).request, RequestId(3), "no number is used twice");
    }
}
