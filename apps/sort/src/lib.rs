//! Sort: the lines of the input in the order of their bytes, repeats included.
//!
//! The outputs one after the other are in order as a whole. A line keeps all its bytes (a `\r` too), and each ends in a newline.
#![forbid(unsafe_code)]

use gristmill_sdk::prelude::*;

/// The app.
#[derive(Default)]
pub struct Sort;

impl App for Sort {
    type Key = [u8];
    type Value = ();
    const TOTAL_ORDER: bool = true;

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        for line in split.lines() {
            emit.pair(line, ());
        }
        Ok(())
    }

    fn reduce(&mut self, line: &[u8], repeats: Values<'_, ()>, out: &mut Output<'_>) -> Result<()> {
        for () in repeats {
            out.line(line);
        }
        Ok(())
    }
}

gristmill_sdk::export!(Sort);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run_every_way};

    #[test]
    fn lines_come_in_order_with_all_their_bytes_and_repeats() {
        let job = TestJob::new().input("a", b"b\r\n\nb\na\0\xff\na\n").input("b", b"b\nlast without newline");
        let outcome = run_every_way::<Sort>(&job).unwrap();
        assert_eq!(outcome.outputs, [b"\na\na\0\xff\nb\nb\nb\r\nlast without newline\n"]);
    }

    #[test]
    fn all_outputs_together_are_in_order() {
        let text: String = (0..1000_u32).map(|n| format!("{}\n", n.wrapping_mul(2_654_435_761))).collect();
        let outcome = run_every_way::<Sort>(&TestJob::new().input("numbers", text).reduces(4)).unwrap();
        assert_eq!(outcome.records, 1000);
        assert!(outcome.outputs.iter().all(|output| output.split(|&b| b == b'\n').count() > 200));
        assert!(outcome.text().lines().is_sorted());
    }
}
