//! Test app: a few facts about each document; what `crash` gives when nothing goes wrong.
#![forbid(unsafe_code)]

mod facts;

use gristmill_sdk::prelude::*;

/// The app.
#[derive(Default)]
pub struct NoCrash;

impl App for NoCrash {
    type Key = str;
    type Value = Bytes;
    const INPUT: Input = Input::File;

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        facts::emit(split, emit);
        Ok(())
    }

    fn reduce(&mut self, key: &str, values: Values<'_, Bytes>, out: &mut Output<'_>) -> Result<()> {
        facts::write(key, values, out);
        Ok(())
    }
}

gristmill_sdk::export!(NoCrash);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run_every_way};

    #[test]
    fn facts_of_all_documents_are_listed_in_order() {
        let job = TestJob::new().input("second", "12345").input("first", "").reduces(1);
        let text = run_every_way::<NoCrash>(&job).unwrap().text();
        assert_eq!(text, "bytes 0 5\nlength 5 6\nname first second\nword same same\n");
    }
}
