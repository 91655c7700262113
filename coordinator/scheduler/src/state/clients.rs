//! The mechanism of sessions, of requests and of the key/value store: what their facts do.
//!
//! As everywhere: a fact that does not fit is refused and changes nothing.

use gristmill_model::{ClientId, KvOp, RequestId, RequestKey};

use super::store::Store;
use super::{Recorded, Refused};
use crate::effect::Effect;
use crate::input::Asked;

pub(super) fn open<S: Store>(store: &mut S, client: ClientId, nonce: u64) -> Option<Vec<Effect>> {
    let sessions = store.sessions();
    if client != sessions.next() || sessions.of_nonce(nonce).is_some() {
        return None;
    }
    store.sessions_mut().open(nonce);
    Some(Vec::new())
}

pub(super) fn keep<S: Store>(store: &mut S, client: ClientId, done_below: RequestId) -> Option<Vec<Effect>> {
    if store.sessions().releases(client, done_below) == 0 {
        return None;
    }
    store.sessions_mut().release(client, done_below);
    Some(Vec::new())
}

pub(super) fn expire<S: Store>(store: &mut S, client: ClientId) -> Option<Vec<Effect>> {
    if !store.sessions().contains(client) {
        return None;
    }
    store.sessions_mut().expire(client);
    Some(Vec::new())
}

pub(super) fn carry_out<S: Store>(
    store: &mut S,
    key: RequestKey,
    done_below: RequestId,
    op: &KvOp,
) -> Option<Vec<Effect>> {
    store.sessions().check(key, done_below).ok()?;
    store.kv().check(op).ok()?;
    let answer = store.kv_mut().carry_out(op);
    store.sessions_mut().record(key, done_below, Recorded::Kv(answer));
    Some(Vec::new())
}

/// Does what a request asks for, if it was not done yet, and records that.
pub(super) fn once<S: Store>(
    store: &mut S,
    asked: Asked,
    act: impl FnOnce(&mut S) -> Option<Vec<Effect>>,
) -> Option<Vec<Effect>> {
    store.sessions().check(asked.key, asked.done_below).ok()?;
    let effects = act(store)?;
    store.sessions_mut().record(asked.key, asked.done_below, Recorded::Done);
    Some(effects)
}

pub(super) fn refuse<S: Store>(store: &mut S, asked: Asked, refused: &Refused) -> Option<Vec<Effect>> {
    store.sessions().check(asked.key, asked.done_below).ok()?;
    if !refused.is_valid() {
        return None;
    }
    store.sessions_mut().record(asked.key, asked.done_below, Recorded::Refused(refused.clone()));
    Some(Vec::new())
}
