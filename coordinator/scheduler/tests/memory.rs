//! What clients cost, in a process of its own: what it has resident is what they take.
//!
//! The answer to the last change that a client asked for must be kept, and there may be a hundred thousand clients: so it must be small,
//! however large what was written is.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::sync::Arc;

use gristmill_model::{Blob, ClientId, ClusterId, KvOp, RequestId, RequestKey, Timestamp};
use gristmill_scheduler::{Fact, Leader, Settings, State, apply};

const NOW: Timestamp = Timestamp::from_ms(1_000);
const CLIENTS: u64 = 100_000;
/// What the replicated state may take for a client.
const STATE_BYTES_MAX: u64 = 200;
/// With what only the leader remembers of it.
const BYTES_MAX: u64 = 300;
/// More changes than the store remembers for those who watch.
const CHANGES: u64 = 20_000;

#[test]
fn a_client_with_the_answer_to_its_last_write_takes_200_bytes_at_most() {
    let mut state = State::new();
    apply(&mut state, &Fact::Founded { cluster: ClusterId(1) }).expect("it is legal");
    open(&mut state, 0);
    // From here on the store itself grows no more.
    (1..=CHANGES).for_each(|request| write(&mut state, 1, request, b"v"));
    let before = resident_bytes();
    (1..=CLIENTS).for_each(|nonce| open(&mut state, nonce));
    (1..=CLIENTS).for_each(|client| write(&mut state, client + 1, 1, b"v"));
    let with_state = resident_bytes();
    let mut leader = Leader::new(&state, NOW, Settings::default());
    assert_eq!(leader.decide(&state, NOW, &[]), []);
    let with_leader = resident_bytes();
    let each = |bytes: u64| bytes.saturating_sub(before) / CLIENTS;
    assert!(each(with_state) <= STATE_BYTES_MAX, "the state takes {} bytes for a client", each(with_state));
    assert!(each(with_leader) <= BYTES_MAX, "with the leader's memory it is {} bytes", each(with_leader));
    assert!(each(with_state) > 50, "so little cannot be all that is kept: {} bytes", each(with_state));

    let before = resident_bytes();
    let value = vec![b'v'; 1 << 20];
    (1..=200).for_each(|client| write(&mut state, client + 1, 2, &value));
    let grown = resident_bytes().saturating_sub(before) >> 20;
    assert!(grown < 100, "{grown} MiB are kept of 200 that were written over each other");
}

fn open(state: &mut State, number: u64) {
    let nonce = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let opened = Fact::SessionOpened { client: ClientId(number + 1), at: NOW, nonce };
    apply(state, &opened).expect("it is legal");
}

fn write(state: &mut State, client: u64, request: u64, value: &[u8]) {
    let key = RequestKey { client: ClientId(client), request: RequestId(request) };
    let op = Arc::new(KvOp::Put { key: Blob(b"k".to_vec()), value: Blob(value.to_vec()) });
    let written = Fact::KvApplied { key, at: NOW, done_below: RequestId(request), op };
    apply(state, &written).expect("it is legal");
}

/// What the process has in memory, in pages of 4 KiB.
fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("it says");
    let pages: u64 = statm.split_whitespace().nth(1).expect("a resident size").parse().expect("a number");
    pages * 4096
}
