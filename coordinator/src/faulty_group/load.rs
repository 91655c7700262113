//! What clients do all the time: every kind of call, on their own key or on keys that they share.

use std::collections::BTreeMap;
use std::time::Duration;

use gristmill_linearizable::{Answer, Call};
use rand::RngExt;
use tokio::time::sleep;

use super::clerk::Clerk;
use super::history::History;

/// The longest pause of a client between two calls: without one a client would do any number of them in no time of the paused clock.
const PAUSE_MAX: Duration = Duration::from_millis(40);

/// Which keys clients use.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keys {
    /// Each has one of its own.
    Own,
    /// All use so many.
    Shared(u64),
}

impl Keys {
    fn choose(self, clerk: &mut Clerk) -> String {
        match self {
            Self::Own => format!("own-{}", clerk.number),
            Self::Shared(keys) => format!("shared-{}", clerk.random.random_range(0..keys)),
        }
    }

    /// All keys of so many clients.
    pub(super) fn all(self, clients: u64) -> Vec<String> {
        match self {
            Self::Own => (0..clients).map(|client| format!("own-{client}")).collect(),
            Self::Shared(keys) => (0..keys).map(|key| format!("shared-{key}")).collect(),
        }
    }
}

/// Calls the store until the history is to end.
pub(super) async fn work(mut clerk: Clerk, keys: Keys, history: History) {
    let mut versions = BTreeMap::new();
    while !history.is_over() {
        let key = keys.choose(&mut clerk);
        let call = choose(&mut clerk, versions.get(&key).copied().unwrap_or(0));
        match clerk.operate(&history, &key, call).await {
            Some(
                Answer::Written { version, .. }
                | Answer::Entry { version, .. }
                | Answer::Mismatch { version },
            ) => {
                versions.insert(key, version);
            }
            Some(Answer::Absent | Answer::Deleted { .. }) => {
                versions.remove(&key);
            }
            None => {}
        }
        sleep(PAUSE_MAX.mul_f64(clerk.random.random_range(0.0..1.0))).await;
    }
}

/// `seen` is the version that the client saw last.
fn choose(clerk: &mut Clerk, seen: u64) -> Call {
    let value = format!("{}.{};", clerk.number, clerk.random.random::<u16>()).into_bytes().into();
    match clerk.random.random_range(0..20) {
        0..7 => Call::Get,
        7..9 => Call::Put(value),
        9..15 => Call::Append(value),
        15..18 => Call::Cas(seen, value),
        18 => Call::Delete(None),
        _ => Call::Delete(Some(seen)),
    }
}
