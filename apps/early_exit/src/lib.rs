//! Test app: some reduces are slow, so that one sees whether anybody leaves before the job is done.
//!
//! Output: for each document the line `document N` with the number of its maps, which is 1. Documents with certain words
//! in their names take long to reduce.
#![forbid(unsafe_code)]

use gristmill_sdk::prelude::*;
use std::time::Duration;

/// The app.
#[derive(Default)]
pub struct EarlyExit {
    slow: Vec<String>,
    delay: Duration,
}

impl App for EarlyExit {
    type Key = [u8];
    type Value = ();
    const INPUT: Input = Input::File;
    const PARAMS: &'static [Param] = &[
        Param::with_default(
            "slow",
            "sherlock,tom",
            "words in the names of documents that are slow, with commas",
        ),
        Param::with_default("ms", "3000", "how long these take, in milliseconds"),
    ];

    fn setup(&mut self, params: &Params) -> Result<()> {
        self.slow = params.required("slow")?.split(',').map(str::to_owned).collect();
        self.delay = Duration::from_millis(params.parse("ms")?);
        Ok(())
    }

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        emit.pair(split.document(), ());
        Ok(())
    }

    fn reduce(&mut self, document: &[u8], maps: Values<'_, ()>, out: &mut Output<'_>) -> Result<()> {
        if self.is_slow(document) {
            std::thread::sleep(self.delay);
        }
        out.pair(document, maps.count());
        Ok(())
    }
}

impl EarlyExit {
    fn is_slow(&self, document: &[u8]) -> bool {
        let name = String::from_utf8_lossy(document);
        self.slow.iter().any(|word| name.contains(word.as_str()))
    }
}

gristmill_sdk::export!(EarlyExit);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run_every_way};

    #[test]
    fn each_document_is_mapped_once() {
        let job = TestJob::new().input("pg-tom-sawyer.txt", "x").input("pg-emma.txt", "").arg("ms", 0);
        assert_eq!(run_every_way::<EarlyExit>(&job).unwrap().text(), "pg-emma.txt 1\npg-tom-sawyer.txt 1\n");
    }

    #[test]
    fn only_documents_with_such_a_name_are_slow() {
        let app = EarlyExit { slow: vec!["tom".to_owned()], delay: Duration::ZERO };
        assert!(app.is_slow(b"data/pg-tom-sawyer.txt") && !app.is_slow(b"data/pg-emma.txt"));
    }
}
