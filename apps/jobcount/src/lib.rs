//! Test app: counts the calls of map that were begun, over all attempts of the job, as the line `a N`.
//!
//! Each leaves a file in a folder, and takes a while, so that a map that is given out twice shows.
#![forbid(unsafe_code)]

use gristmill_sdk::prelude::*;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The app.
#[derive(Default)]
pub struct JobCount {
    folder: PathBuf,
    delay: Duration,
}

const MARK: &str = "jobcount-";

impl App for JobCount {
    type Key = str;
    type Value = ();
    const INPUT: Input = Input::File;
    const PARAMS: &'static [Param] = &[
        Param::required("dir", "a folder that all slots can write to"),
        Param::with_default("ms", "2000", "how long each map takes, in milliseconds"),
    ];

    fn setup(&mut self, params: &Params) -> Result<()> {
        self.folder = params.required("dir")?.into();
        self.delay = Duration::from_millis(params.parse("ms")?);
        Ok(())
    }

    fn map(&mut self, _: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        File::create_new(self.folder.join(format!("{MARK}{}-{call}", std::process::id())))?;
        std::thread::sleep(self.delay);
        emit.pair("a", ());
        Ok(())
    }

    fn reduce(&mut self, key: &str, _: Values<'_, ()>, out: &mut Output<'_>) -> Result<()> {
        let mut calls = 0_u64;
        for entry in fs::read_dir(&self.folder)? {
            calls += u64::from(entry?.file_name().to_string_lossy().starts_with(MARK));
        }
        out.pair(key, calls);
        Ok(())
    }
}

gristmill_sdk::export!(JobCount);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run};

    #[test]
    fn every_call_of_map_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let job = (0..8).fold(TestJob::new(), |job, n| job.input(n.to_string(), "x"));
        let job = job.arg("dir", folder.path().display()).arg("ms", 0);
        assert_eq!(run::<JobCount>(&job).unwrap().text(), "a 8\n");
        assert_eq!(run::<JobCount>(&job).unwrap().text(), "a 16\n");
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let job = TestJob::new().input("x", "").arg("dir", "/nonexistent/folder");
        let failure = run::<JobCount>(&job).unwrap_err();
        assert_eq!(failure.message, "No such file or directory (os error 2)");
    }
}
