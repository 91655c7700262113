//! Test app: shows how many processes map, and how many maps were seen running at once.
//!
//! Output: for each process the line `times-PID START…` with the time in milliseconds at which each of its maps began, and
//! `parallel-PID N…` with how many maps each of them saw running, itself included.
#![forbid(unsafe_code)]

mod meeting;

use gristmill_sdk::prelude::*;
use meeting::Meeting;
use std::time::{SystemTime, UNIX_EPOCH};

/// The app.
#[derive(Default)]
pub struct MapTiming {
    meeting: Meeting,
}

impl App for MapTiming {
    type Key = str;
    type Value = u64;
    const INPUT: Input = Input::File;
    const PARAMS: &'static [Param] = Meeting::PARAMS;

    fn setup(&mut self, params: &Params) -> Result<()> {
        self.meeting = Meeting::new("map", params)?;
        Ok(())
    }

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        let began_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
        let seen = self.meeting.attend(split.document(), || emit.progress())?;
        let process = std::process::id();
        emit.pair(&format!("times-{process}"), began_ms);
        emit.pair(&format!("parallel-{process}"), seen);
        Ok(())
    }

    fn reduce(&mut self, key: &str, values: Values<'_, u64>, out: &mut Output<'_>) -> Result<()> {
        let values: Vec<_> = values.map(|value| value.to_string()).collect();
        out.pair(key, values.join(" "));
        Ok(())
    }
}

gristmill_sdk::export!(MapTiming);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run};

    #[test]
    fn a_lonely_map_sees_itself_only() {
        let folder = tempfile::tempdir().unwrap();
        let job = TestJob::new()
            .input("a", "")
            .input("b", "")
            .arg("dir", folder.path().display())
            .arg("wait-ms", 1);
        let text = run::<MapTiming>(&job).unwrap().text();
        let process = std::process::id();
        assert!(text.starts_with(&format!("parallel-{process} 1 1\ntimes-{process} ")), "{text}");
    }
}
