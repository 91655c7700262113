//! Terasort: binary records of 100 bytes in the order of their first 10.
//!
//! The outputs one after the other are sorted as a whole; records of equal keys stay in the order of the input. `teragen` makes such records,
//! `teravalidate` checks them.
#![forbid(unsafe_code)]

use gristmill_sdk::prelude::*;

/// The size of a record.
pub const RECORD_BYTES: usize = 100;

/// How much of it, from its beginning, is the key.
pub const KEY_BYTES: usize = 10;

/// The app.
#[derive(Default)]
pub struct Terasort;

impl App for Terasort {
    type Key = [u8];
    type Value = Bytes;
    const INPUT: Input = Input::Records(RECORD_BYTES as u64);
    const TOTAL_ORDER: bool = true;

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        for record in split.records() {
            let (key, rest) = record.split_at(KEY_BYTES);
            emit.pair_ref(key, rest);
        }
        Ok(())
    }

    fn reduce(&mut self, key: &[u8], mut rests: Values<'_, Bytes>, out: &mut Output<'_>) -> Result<()> {
        let mut record = [0; RECORD_BYTES];
        record[..KEY_BYTES].copy_from_slice(key);
        while let Some(rest) = rests.next_encoded() {
            record[KEY_BYTES..].copy_from_slice(rest);
            out.write(&record);
        }
        Ok(())
    }
}

gristmill_sdk::export!(Terasort);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run_every_way};

    /// Records whose keys repeat and are not text, each with a number of its own.
    fn records(count: u64) -> Vec<[u8; RECORD_BYTES]> {
        let record = |number: u64| {
            let mut record = [0xfe; RECORD_BYTES];
            let key = (number * 7919 % (count / 2 + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            record[..8].copy_from_slice(&key.to_be_bytes());
            record[90..98].copy_from_slice(&number.to_be_bytes());
            record
        };
        (0..count).map(record).collect()
    }

    #[test]
    fn records_come_in_the_order_of_their_keys_and_equal_ones_in_that_of_the_input() {
        let mut records = records(500);
        let (first, second) = records.split_at(200);
        let job = TestJob::new().input("a", first.concat()).input("b", second.concat()).reduces(4);
        let outcome = run_every_way::<Terasort>(&job).unwrap();
        assert_eq!((outcome.outputs.len(), outcome.records), (4, 500));
        records.sort_by_key(|record| <[u8; KEY_BYTES]>::try_from(&record[..KEY_BYTES]).unwrap());
        assert_eq!(outcome.outputs.concat(), records.concat());
    }

    #[test]
    fn a_record_that_is_cut_off_is_an_error() {
        let job = TestJob::new().input("cut", [7; 150]);
        assert!(
            run_every_way::<Terasort>(&job).unwrap_err().to_string().contains("not whole records of 100")
        );
    }
}
