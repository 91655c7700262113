//! An app whose pairs are of the sizes that its input asks for, so that a small input makes much data of any shape.
//!
//! A line `3 20 500 7` asks for 3 keys of 20 bytes with 500 values of 7 bytes each. Keys differ in their last bytes only, and each value in
//! what it is made of. A reduce tells a hash of a key and of all its values in the order in which they come.
#![forbid(unsafe_code)]

use gristmill_sdk::prelude::*;

/// Keys longer than this are the same up to their last digits.
const DIGITS: usize = 8;

/// See the head of this file.
#[derive(Default)]
struct Bulk {
    key: Vec<u8>,
    value: Vec<u8>,
}

impl App for Bulk {
    type Key = [u8];
    type Value = Bytes;

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        for line in split.lines() {
            let [keys, key_bytes, values, value_bytes] = sizes(line)?;
            self.key.resize(key_bytes, b'k');
            self.value.resize(value_bytes, 0);
            for value in 0..values {
                self.value.fill(value as u8);
                for key in 0..keys {
                    self.number_key(key);
                    emit.pair_ref(self.key.as_slice(), self.value.as_slice());
                }
            }
        }
        Ok(())
    }

    fn reduce(&mut self, key: &[u8], mut values: Values<'_, Bytes>, out: &mut Output<'_>) -> Result<()> {
        let (mut count, mut bytes, mut seen) = (0_u64, 0, Hash::default());
        while let Some(value) = values.next_encoded() {
            count += 1;
            bytes += value.len();
            seen.add(value);
        }
        let mut name = Hash::default();
        name.add(key);
        out.line(format!("{:016x} {} {count} {bytes} {:016x}", name.0, key.len(), seen.0).as_str());
        Ok(())
    }
}

impl Bulk {
    /// Writes a number into the last bytes of the key.
    fn number_key(&mut self, number: usize) {
        let digits = format!("{number:0DIGITS$}");
        let at = self.key.len().saturating_sub(DIGITS);
        let room = &mut self.key[at..];
        room.copy_from_slice(&digits.as_bytes()[DIGITS - room.len()..]);
    }
}

/// The four numbers of a line.
fn sizes(line: &[u8]) -> Result<[usize; 4]> {
    let text = String::from_utf8_lossy(line);
    let numbers = text.split(' ').map(str::parse).collect::<std::result::Result<Vec<usize>, _>>();
    let sizes = numbers.ok().and_then(|numbers| <[usize; 4]>::try_from(numbers).ok());
    sizes.ok_or_else(|| Error::new(format_args!("`{text}` is not four numbers")))
}

/// A hash of pieces and of where each ends.
struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    fn add(&mut self, piece: &[u8]) {
        for word in piece.chunks(8) {
            let word = word.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
            self.mix(word);
        }
        self.mix(piece.len() as u64);
    }

    fn mix(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }
}

gristmill_sdk::export!(Bulk);
