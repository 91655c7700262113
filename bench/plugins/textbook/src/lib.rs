//! Word count as an author writes it who knows nothing of the sdk's text tools. Not for use: it is what such an app costs.
#![forbid(unsafe_code)]

use gristmill_sdk::prelude::*;

/// The app.
#[derive(Default)]
pub struct Textbook;

impl App for Textbook {
    type Key = str;
    type Value = u64;
    const COMBINE: Option<Combine<Self>> = Some(|total, next| *total += next);

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        for word in split.text()?.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
            emit.pair(word, 1);
        }
        Ok(())
    }

    fn reduce(&mut self, word: &str, counts: Values<'_, u64>, out: &mut Output<'_>) -> Result<()> {
        out.pair(word, counts.sum::<u64>());
        Ok(())
    }
}

gristmill_sdk::export!(Textbook);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run_every_way};

    #[test]
    fn words_are_those_of_wc() {
        let job = TestJob::new().input("text", "It isn't. День\nIt");
        assert_eq!(run_every_way::<Textbook>(&job).unwrap().text(), "It 2\nisn 1\nt 1\nДень 1\n");
    }
}
