//! Clients: whose session is opened, kept and over, and which of their calls are carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gristmill_model::{ClientId, Refusal, RequestId, Timestamp};

use super::decision::Decision;
use crate::fact::Fact;
use crate::input::{Asked, KvCall};
use crate::state::{RECORDS_MAX, Refused, Store};

/// So many answers must be given back, or so few be left to give, for that to be worth a fact.
const RELEASES_MIN: usize = 64;

/// When clients were last heard of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hearings {
    heard: BTreeMap<ClientId, Timestamp>,
    order: BTreeSet<(Timestamp, ClientId)>,
}

impl Hearings {
    pub(crate) fn hear(&mut self, client: ClientId, now: Timestamp) {
        if let Some(before) = self.heard.insert(client, now) {
            self.order.remove(&(before, client));
        }
        self.order.insert((now, client));
    }

    pub(crate) fn forget(&mut self, client: ClientId) {
        if let Some(heard) = self.heard.remove(&client) {
            self.order.remove(&(heard, client));
        }
    }

    /// Everybody counts as heard of now.
    pub(crate) fn hear_all(&mut self, now: Timestamp) {
        self.heard.values_mut().for_each(|heard| *heard = now);
        self.order = self.heard.keys().map(|client| (now, *client)).collect();
    }

    /// Who was not heard of for the longest time.
    pub(crate) fn first(&self) -> Option<(Timestamp, ClientId)> {
        self.order.first().copied()
    }

    pub(crate) fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.heard.keys().copied()
    }
}

impl Decision<'_> {
    pub(crate) fn open_session(&mut self, nonce: u64) {
        if let Some(known) = self.draft.sessions().of_nonce(nonce) {
            return self.leader.hearings.hear(known, self.now);
        }
        while self.draft.sessions().len() >= self.leader.settings.sessions_max.max(1) {
            let Some((_, client)) = self.leader.hearings.first() else { break };
            self.record(Fact::SessionExpired { client, at: self.now });
        }
        let client = self.draft.sessions().next();
        self.record(Fact::SessionOpened { client, at: self.now, nonce });
    }

    pub(crate) fn keep_session(&mut self, client: ClientId, done_below: RequestId) {
        self.hear_client(client);
        let sessions = self.draft.sessions();
        let releases = sessions.releases(client, done_below);
        let short = sessions.records(client) > RECORDS_MAX - RELEASES_MIN;
        if releases >= RELEASES_MIN || (short && releases > 0) {
            self.record(Fact::SessionKept { client, at: self.now, done_below });
        }
    }

    pub(crate) fn carry_out(&mut self, call: &KvCall) {
        if let Err(refusal) = self.draft.kv().check(&call.op) {
            return self.refuse(call.asked(), &refusal);
        }
        let KvCall { key, done_below, op } = call.clone();
        self.record_once(call.asked(), Fact::KvApplied { key, at: self.now, done_below, op });
    }

    /// Records a refusal that is final, so that no copy of the request which comes late is executed.
    pub(crate) fn refuse(&mut self, asked: Asked, refusal: &Refusal) {
        match Refused::of(refusal) {
            Some(refused) => self.record_once(asked, Fact::RequestRefused { asked, at: self.now, refused }),
            None => self.hear_client(asked.key.client),
        }
    }

    /// Decides what becomes of a request, unless that was decided before or its session is over.
    pub(crate) fn record_once(&mut self, asked: Asked, fact: Fact) {
        self.hear_client(asked.key.client);
        if self.draft.sessions().check(asked.key, asked.done_below).is_ok() {
            self.record(fact);
        }
    }

    pub(crate) fn hear_client(&mut self, client: ClientId) {
        if self.draft.sessions().contains(client) {
            self.leader.hearings.hear(client, self.now);
        }
    }

    pub(crate) fn expire_sessions(&mut self) {
        let patience = Duration::from_millis(self.leader.settings.session_ms);
        while let Some((heard, client)) = self.leader.hearings.first() {
            if heard + patience > self.now {
                break;
            }
            self.record(Fact::SessionExpired { client, at: self.now });
            // Whatever became of the fact: this loop ends.
            self.leader.hearings.forget(client);
        }
    }
}
