//! The k most frequent words, as lines `word count`, the most frequent first, ties in the order of the words.
//!
//! All words go to the first partition, so that one reduce sees them all; combining in the maps leaves it one count for
//! each word of a split. It holds k words.
#![forbid(unsafe_code)]

use gristmill_sdk::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The app.
#[derive(Default)]
pub struct TopWords {
    k: usize,
    /// The best so far, the worst of them on top: fewest, then last by name.
    best: BinaryHeap<(Reverse<u64>, String)>,
}

impl App for TopWords {
    type Key = str;
    type Value = u64;
    const PARAMS: &'static [Param] = &[Param::with_default("k", "10", "how many words")];
    const COMBINE: Option<Combine<Self>> = Some(|total, next| *total += next);
    const PARTITION: Option<Partition<Self>> = Some(|_, _| 0);

    fn setup(&mut self, params: &Params) -> Result<()> {
        self.k = params.parse("k")?;
        Ok(())
    }

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        for word in split.words() {
            emit.pair(word, 1);
        }
        Ok(())
    }

    fn reduce(&mut self, word: &str, counts: Values<'_, u64>, _: &mut Output<'_>) -> Result<()> {
        let count = Reverse(counts.sum());
        if self.best.len() < self.k {
            self.best.push((count, word.to_owned()));
        } else if let Some(mut worst) = self.best.peek_mut()
            && (count, word) < (worst.0, worst.1.as_str())
        {
            *worst = (count, word.to_owned());
        }
        Ok(())
    }

    fn finish_reduce(&mut self, out: &mut Output<'_>) -> Result<()> {
        for (Reverse(count), word) in std::mem::take(&mut self.best).into_sorted_vec() {
            out.pair(word, count);
        }
        Ok(())
    }
}

gristmill_sdk::export!(TopWords);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run_every_way};

    fn top(k: &str) -> TestJob {
        TestJob::new().input("a", "d c b a\nc b a\nb a\n").input("b", "x\n").arg("k", k).reduces(3)
    }

    #[test]
    fn the_most_frequent_come_first_and_ties_in_order() {
        assert_eq!(
            run_every_way::<TopWords>(&top("4")).unwrap().outputs,
            [b"a 3\nb 3\nc 2\nd 1\n".as_slice(), b"", b""]
        );
        assert_eq!(run_every_way::<TopWords>(&top("99")).unwrap().text(), "a 3\nb 3\nc 2\nd 1\nx 1\n");
        assert_eq!(run_every_way::<TopWords>(&top("0")).unwrap().text(), "");
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        let failure = run_every_way::<TopWords>(&top("many")).unwrap_err().to_string();
        assert_eq!(failure, "setup: parameter `k` is `many`: invalid digit found in string");
    }
}
