//! Test app: shows how many reduces were seen running at once.
//!
//! There are ten keys, `a` to `j`; with ten reduces each has one of its own. Output: for each key the line `key N`, with
//! how many keys were seen in reduction at that time, itself included.
#![forbid(unsafe_code)]

#[path = "../../mtiming/src/meeting.rs"]
mod meeting;

use gristmill_sdk::prelude::*;
use meeting::Meeting;

/// The app.
#[derive(Default)]
pub struct ReduceTiming {
    meeting: Meeting,
}

impl App for ReduceTiming {
    type Key = char;
    type Value = ();
    const INPUT: Input = Input::File;
    const PARAMS: &'static [Param] = Meeting::PARAMS;
    const PARTITION: Option<Partition<Self>> =
        Some(|&key, partitions| (u32::from(key) - u32::from('a')) % partitions);

    fn setup(&mut self, params: &Params) -> Result<()> {
        self.meeting = Meeting::new("reduce", params)?;
        Ok(())
    }

    fn map(&mut self, _: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        ('a'..='j').for_each(|key| emit.pair(&key, ()));
        Ok(())
    }

    fn reduce(&mut self, key: &char, _: Values<'_, ()>, out: &mut Output<'_>) -> Result<()> {
        let subject = u32::from(*key).to_be_bytes();
        let seen = self.meeting.attend(&subject, || out.progress())?;
        out.pair(key, seen);
        Ok(())
    }
}

gristmill_sdk::export!(ReduceTiming);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run};

    #[test]
    fn each_of_ten_keys_has_a_reduce_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let job =
            TestJob::new().input("a", "").arg("dir", folder.path().display()).arg("wait-ms", 1).reduces(10);
        let outcome = run::<ReduceTiming>(&job).unwrap();
        let expected: Vec<_> = ('a'..='j').map(|key| format!("{key} 1\n").into_bytes()).collect();
        assert_eq!(outcome.outputs, expected);
    }
}
