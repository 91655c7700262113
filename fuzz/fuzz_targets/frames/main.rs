//! What comes over a connection, before and after its two sides have agreed to talk: any bytes to a coordinator, any bytes to a caller,
//! and any bytes as each kind of message. They are answered, refused or the end of the connection; memory grows only with what has
//! arrived; and a message that could be read is written and read again as the same.
//!
//! The first byte says what the others are. `examples/seeds` writes inputs of each kind.
#![no_main]

mod caller;
mod coordinator;
mod memory;
mod messages;

use libfuzzer_sys::fuzz_target;
use tokio::runtime::Builder;

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    match kind % 5 {
        0 => messages::read_and_written_again(bytes),
        1 => connected(bytes, coordinator::hears(bytes)),
        2 => connected(bytes, coordinator::is_asked(bytes)),
        3 => connected(bytes, caller::hears(bytes)),
        _ => connected(bytes, caller::is_answered(bytes)),
    }
});

/// A message as it is read, two or three connections with their pipes and queues, and the runtime: less than the largest frame.
const CONNECTIONS_BYTES: usize = messages::FIXED_BYTES + (2 << 20);

fn connected(bytes: &[u8], conversation: impl Future<Output = ()>) {
    memory::stays_within(CONNECTIONS_BYTES, bytes.len(), || {
        // Nobody waits in earnest: a deadline passes as soon as there is nothing else to do.
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(conversation);
    });
}

/// Cuts off a piece: two bytes say how long it is.
fn next_piece<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (&length, behind) = rest.split_first_chunk()?;
    let (piece, behind) = behind.split_at(usize::from(u16::from_le_bytes(length)).min(behind.len()));
    *rest = behind;
    Some(piece)
}

fn frame(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes(), message].concat()
}

fn preamble(code: u8) -> Vec<u8> {
    let version = gristmill_protocol::PROTOCOL_VERSION.to_le_bytes();
    [b"\x89GRIST\r\n", &version[..], &[code, 0, 0, 0]].concat()
}
