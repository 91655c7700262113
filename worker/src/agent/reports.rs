//! Ended attempts that the coordinator has not answered for yet.

use std::collections::VecDeque;
use std::path::PathBuf;

use gristmill_model::{AttemptId, Report};
use gristmill_protocol::limits::{FRAME_BYTES_MAX, REPORTS_MAX};

/// Reports in one poll together stay below this, unless one alone is larger; far below the limit of a frame in any case.
const BATCH_BYTES_MAX: usize = FRAME_BYTES_MAX / 2;

/// An ended attempt.
pub(super) struct Ended {
    pub(super) report: Report,
    /// The file it made, if it did.
    pub(super) product: Option<PathBuf>,
    /// The coordinator may have read it, though it has not answered.
    sent: bool,
    bytes: usize,
}

/// In the order in which they ended.
#[derive(Default)]
pub(super) struct Reports {
    waiting: VecDeque<Ended>,
}

impl Reports {
    pub(super) fn push(&mut self, report: Report, product: Option<PathBuf>) {
        let bytes = postcard::experimental::serialized_size(&report).unwrap_or(BATCH_BYTES_MAX);
        self.waiting.push_back(Ended { report, product, sent: false, bytes });
    }

    /// The oldest ones, as many as fit a poll. They stay until answered.
    pub(super) fn next_batch(&mut self) -> Vec<Report> {
        let mut bytes = 0;
        let fitting = self.waiting.iter_mut().take(REPORTS_MAX).enumerate().take_while(|(number, ended)| {
            bytes += ended.bytes;
            *number == 0 || bytes <= BATCH_BYTES_MAX
        });
        fitting
            .map(|(_, ended)| {
                ended.sent = true;
                ended.report.clone()
            })
            .collect()
    }

    /// The one of `attempt`, which has been answered for.
    pub(super) fn take(&mut self, attempt: AttemptId) -> Option<Ended> {
        let at = self.waiting.iter().position(|ended| ended.report.attempt == attempt)?;
        self.waiting.remove(at)
    }

    pub(super) fn count(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn holds(&self, attempt: AttemptId) -> bool {
        self.waiting.iter().any(|ended| ended.report.attempt == attempt)
    }

    /// Gives up all; returns the files that nobody can have been told of.
    pub(super) fn abandon(&mut self) -> Vec<PathBuf> {
        let all = std::mem::take(&mut self.waiting);
        all.into_iter().filter(|ended| !ended.sent).filter_map(|ended| ended.product).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_model::{Blob, JobId, Outcome, TaskId};

    fn report(number: u32, log_bytes: usize) -> Report {
        let attempt = TaskId::map(JobId(1), 0).attempt(number);
        Report { attempt, outcome: Outcome::Cancelled, log: Blob(vec![0; log_bytes]) }
    }

    fn numbers(batch: &[Report]) -> Vec<u32> {
        batch.iter().map(|report| report.attempt.number).collect()
    }

    #[test]
    fn reports_are_repeated_until_answered() {
        let mut reports = Reports::default();
        reports.push(report(0, 10), None);
        reports.push(report(1, 10), None);
        assert_eq!(numbers(&reports.next_batch()), [0, 1]);
        assert!(reports.take(report(0, 0).attempt).is_some());
        assert!(reports.take(report(0, 0).attempt).is_none());
        assert_eq!(numbers(&reports.next_batch()), [1]);
    }

    #[test]
    fn a_batch_fits_a_frame_and_a_large_report_goes_alone() {
        let mut reports = Reports::default();
        reports.push(report(0, BATCH_BYTES_MAX + 1), None);
        (1..200).for_each(|number| reports.push(report(number, 100 << 10), None));
        assert_eq!(numbers(&reports.next_batch()), [0]);
        reports.take(report(0, 0).attempt);
        let batch = reports.next_batch();
        assert_eq!(batch.len(), BATCH_BYTES_MAX / (100 << 10));
        let small: Vec<u32> = batch.iter().map(|r| r.attempt.number).collect();
        small.iter().for_each(|&number| drop(reports.take(report(number, 0).attempt)));
        let mut many = Reports::default();
        (0..200).for_each(|number| many.push(report(number, 1), None));
        assert_eq!(many.next_batch().len(), REPORTS_MAX);
    }

    #[test]
    fn only_files_that_nobody_was_told_of_are_given_up() {
        let mut reports = Reports::default();
        reports.push(report(0, 0), Some("told".into()));
        reports.next_batch();
        reports.push(report(1, 0), Some("untold".into()));
        assert_eq!(reports.abandon(), [PathBuf::from("untold")]);
        assert!(!reports.holds(report(0, 0).attempt));
    }
}
