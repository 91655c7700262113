//! Answers about the sessions of clients.

use gristmill_model::{ClientId, Refusal};
use gristmill_scheduler::State;

/// The session that was opened with this nonce, in this turn or before.
pub(super) fn opened(state: &State, nonce: u64) -> Result<ClientId, Refusal> {
    let full = || Refusal::Unavailable("it has too many clients".to_owned());
    state.session_of(nonce).ok_or_else(full)
}

/// Whether the session goes on.
pub(super) fn kept(state: &State, client: ClientId) -> Result<(), Refusal> {
    if state.has_session(client) { Ok(()) } else { Err(Refusal::UnknownClient) }
}
