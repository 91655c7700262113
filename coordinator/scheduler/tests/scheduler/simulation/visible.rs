//! What of an output is visible: whoever finds `_SUCCESS` finds all of it, and what is done stays so whatever happens to the power.

use std::collections::BTreeMap;
use std::path::Path;

use gristmill_model::{JobId, JobSpec, Stage, TaskId};
use gristmill_storage::{SUCCESS, Storage, output_name};

use super::life::Life;

/// What files of an earlier output hold.
const OLD: &[u8] = b"old";
const OLD_NAMES: [&str; 2] = ["mr-out-00000", "mr-out-00007"];

/// Files of a directory with what they hold.
pub(super) type Found = BTreeMap<String, Vec<u8>>;

impl Life {
    /// An earlier output is where a job is to write.
    pub(super) fn leave_old_output(&mut self, spec: &mut JobSpec) {
        spec.overwrite = true;
        let directory = spec.output.to_path();
        self.files.create_directory(&directory).expect("there is room");
        for name in OLD_NAMES.into_iter().chain([SUCCESS]) {
            self.files.write(&directory.join(name), OLD).expect("there is room");
        }
    }

    /// Done is durable: all outputs are there under their names.
    pub(super) fn check_output(&mut self, job: JobId) {
        let directory = self.state.spec(job).expect("a job that has just ended is known").output.to_path();
        self.check_files(job, &self.files.durable_files(&directory));
        self.done.insert(job, directory);
    }

    /// And stay so.
    pub(super) fn check_done(&self) {
        for (job, directory) in &self.done {
            self.check_files(*job, &self.files.durable_files(directory));
            self.check_files(*job, &self.files.live_files(directory));
        }
    }

    /// Nobody takes a part of an output for a whole one.
    pub(super) fn check_whole(&self, directory: &Path) {
        let now = [self.files.live_files(directory), self.files.durable_files(directory)];
        for found in now.into_iter().chain(self.files.might_be_left(directory)) {
            let Some(manifest) = found.get(SUCCESS) else { continue };
            if manifest == OLD {
                let whole = OLD_NAMES.iter().all(|name| found.get(*name).is_some_and(|held| held == OLD));
                assert!(whole, "an old output is not whole and says so: {:?}", found.keys());
                continue;
            }
            let manifest = String::from_utf8_lossy(manifest);
            let number = manifest.split_whitespace().next().and_then(|id| id.strip_prefix('j')?.parse().ok());
            self.check_files(JobId(number.expect("a manifest names its job")), &found);
        }
    }

    fn check_files(&self, job: JobId, found: &Found) {
        let known = &self.ledger.jobs[&job];
        let (stage, count) =
            if known.reduces == 0 { (Stage::Map, known.maps) } else { (Stage::Reduce, known.reduces) };
        assert_eq!(found.len(), count as usize + 1, "the output of {job}: {:?}", found.keys());
        assert!(found.contains_key(SUCCESS), "the output of {job} is said to be whole");
        for index in 0..count {
            let (winner, _) = self.ledger.winners[&TaskId { job, stage, index }];
            let expected = winner.to_string().into_bytes();
            assert_eq!(
                found.get(&output_name(index)),
                Some(&expected),
                "output {index} of {job} is the winner's"
            );
        }
    }
}
