//! Those who watch the key/value store, and wait for events.

use std::time::Duration;

use gristmill_model::{Blob, KvEvents};
use gristmill_protocol::limits::LONG_POLL_MAX;
use gristmill_scheduler::State;
use tokio::time::Instant;

use super::told::Told;
use crate::event::Reply;

/// Everyone who waits for a change of the store.
#[derive(Default)]
pub(super) struct KvWatchers {
    all: Vec<KvWatcher>,
    /// The revision up to which all but new ones have been served.
    served: u64,
    /// When somebody is to be answered though nothing happens; at once, if somebody has just come.
    due: Option<Instant>,
}

struct KvWatcher {
    prefix: Blob,
    from: u64,
    until: Instant,
    reply: Reply<KvEvents>,
}

impl KvWatchers {
    pub(super) fn add(&mut self, prefix: Blob, from: u64, wait_ms: u64, reply: Reply<KvEvents>) {
        let now = Instant::now();
        let until = now + Duration::from_millis(wait_ms).min(LONG_POLL_MAX);
        self.all.push(KvWatcher { prefix, from, until, reply });
        self.due = Some(now);
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        self.due
    }

    /// Answers those for whom there is something, or whose time is over.
    pub(super) fn serve(&mut self, state: &State, told: &mut Told) {
        let (now, revision) = (Instant::now(), state.kv().revision());
        if revision == self.served && self.due.is_none_or(|due| due > now) {
            return;
        }
        self.served = revision;
        for mut watcher in std::mem::take(&mut self.all) {
            if watcher.from == 0 {
                // Who does not know where to begin begins with the next change.
                told.say(watcher.reply, Ok(KvEvents::Events { events: Vec::new(), next: revision + 1 }));
                continue;
            }
            let found = state.kv().events(&watcher.prefix.0, watcher.from);
            match found {
                KvEvents::Events { events, next } if events.is_empty() && now < watcher.until => {
                    if !watcher.reply.is_closed() {
                        // What was looked at needs no second look.
                        watcher.from = next;
                        self.all.push(watcher);
                    }
                }
                found => told.say(watcher.reply, Ok(found)),
            }
        }
        self.due = self.all.iter().map(|watcher| watcher.until).min();
    }
}
