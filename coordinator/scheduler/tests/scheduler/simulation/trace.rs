//! A hash of all that happened, to prove that a seed lives the same life again.

use super::group::Entry;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    pub(super) fn note(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn note_entry(&mut self, entry: &Entry) {
        self.note(entry.entered);
        self.note(entry.decided);
        let bytes = postcard::to_allocvec(&entry.facts).expect("facts encode");
        for piece in bytes.chunks(8) {
            self.note(piece.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
        }
    }
}
