//! Word count: how often each word stands in the input, as lines `word count`.
//!
//! A word is a maximal run of alphabetic characters (`char::is_alphabetic`), case kept; bytes that are not UTF-8
//! separate words.
#![forbid(unsafe_code)]

use gristmill_sdk::prelude::*;

/// The app.
#[derive(Default)]
pub struct WordCount;

impl App for WordCount {
    type Key = str;
    type Value = u64;
    const COMBINE: Option<Combine<Self>> = Some(|total, next| *total += next);

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        for word in split.words() {
            emit.pair(word, 1);
        }
        Ok(())
    }

    fn reduce(&mut self, word: &str, counts: Values<'_, u64>, out: &mut Output<'_>) -> Result<()> {
        out.pair(word, counts.sum::<u64>());
        Ok(())
    }
}

gristmill_sdk::export!(WordCount);
