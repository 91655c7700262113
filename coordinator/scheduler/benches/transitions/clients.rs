//! Clients: what an idle session takes, and how many writes of keys a second.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use gristmill_model::{Blob, ClientId, ClusterId, KvOp, RequestId, RequestKey, Timestamp};
use gristmill_scheduler::{Fact, Input, KvCall, Leader, Settings, State, apply};

use super::{resident_bytes, timed};

const NOW: Timestamp = Timestamp::from_ms(1_000);
const SESSIONS: u64 = 100_000;
const WRITES: u64 = 400_000;
const KEYS: u64 = 50_000;

/// A state with many idle sessions.
pub(crate) fn with_sessions(out: &mut impl Write) -> Result<State, Box<dyn Error>> {
    let empty_bytes = resident_bytes()?;
    let mut state = State::new();
    apply(&mut state, &Fact::Founded { cluster: ClusterId(1) })?;
    for number in 1..=SESSIONS {
        let (client, nonce) = (ClientId(number), number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        apply(&mut state, &Fact::SessionOpened { client, at: NOW, nonce })?;
    }
    let bytes = resident_bytes()?.saturating_sub(empty_bytes);
    writeln!(out, "{SESSIONS} idle sessions: {} bytes for each", bytes / SESSIONS)?;
    Ok(state)
}

pub(crate) fn writes(out: &mut impl Write, mut state: State) -> Result<(), Box<dyn Error>> {
    let mut leader = Leader::new(&state, NOW, Settings::default());
    for batch in [1, 100] {
        let first = state.kv().revision();
        let calls: Vec<_> = (first..first + WRITES).map(write_of).collect();
        let (time, ()) =
            timed(|| calls.chunks(batch).for_each(|batch| turn(&mut leader, &mut state, batch)))?;
        let each = time.as_secs_f64() * 1e6 / WRITES as f64;
        writeln!(
            out,
            "{KEYS} keys, {batch} writes a decision: {:.0} writes/s, {each:.2} µs each",
            1e6 / each
        )?;
    }
    Ok(())
}

/// Each client writes 100 bytes now and then, and has all answers to what it wrote before.
fn write_of(number: u64) -> Input {
    let (client, request) = (ClientId(number % 1_000 + 1), RequestId(number / 1_000 + 1));
    let key = Blob(format!("iteration/{:06}", number.wrapping_mul(7_919) % KEYS).into_bytes());
    let op = KvOp::Put { key, value: Blob(vec![b'v'; 100]) };
    Input::Kv(KvCall { key: RequestKey { client, request }, done_below: request, op: Arc::new(op) })
}

fn turn(leader: &mut Leader, state: &mut State, inputs: &[Input]) {
    for fact in leader.decide(state, NOW, inputs) {
        apply(state, &fact).expect("what was decided is legal");
    }
}
