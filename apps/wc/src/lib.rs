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

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run_every_way};

    fn counted(text: &[u8]) -> String {
        run_every_way::<WordCount>(&TestJob::new().input("text", text)).unwrap().text()
    }

    #[test]
    fn words_are_runs_of_letters_with_their_case() {
        assert_eq!(counted(b"It isn't. It is,\nisn't it?"), "It 2\nis 1\nisn 2\nit 1\nt 2\n");
    }

    #[test]
    fn letters_of_every_script_count_and_bytes_that_are_no_text_separate() {
        assert_eq!(counted("День за днём\n天地 x²".as_bytes()), "x 1\nДень 1\nднём 1\nза 1\n天地 1\n");
        assert_eq!(counted(b"ab\xffcd \xc3 e"), "ab 1\ncd 1\ne 1\n");
    }

    #[test]
    fn words_of_all_documents_are_counted_together() {
        let job = TestJob::new().input("a", "one two\n").input("b", "two").input("empty", "").reduces(3);
        let outcome = run_every_way::<WordCount>(&job).unwrap();
        assert_eq!(outcome.outputs.len(), 3);
        let mut lines: Vec<_> = outcome.text().lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, ["one 1", "two 2"]);
    }

    #[test]
    fn parameters_are_refused() {
        let failure = run_every_way::<WordCount>(&TestJob::new().arg("pattern", "x")).unwrap_err();
        assert_eq!(failure.to_string(), "setup: unknown parameter `pattern`; this app takes none");
    }
}
