//! What attempts printed: one file per job, appended to, with an index in memory.
//!
//! A thread of its own writes and reads, so that neither the main loop nor a runtime waits for the disk, and a reader that asks
//! after a job's end sees all that was reported before. Logs are for people: when the disk is full or slow they are dropped
//! with a warning, and nothing else suffers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Bound;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use gristmill_model::{AttemptId, AttemptLog, JobId, TaskId};
use gristmill_protocol::limits::PAGE;
use tokio::sync::oneshot;

/// Bytes that may wait for a slow disk.
const QUEUE_BYTES_MAX: u64 = 64 << 20;
/// What a page may have in bytes: far below a frame.
const PAGE_BYTES_MAX: u64 = 4 << 20;

/// The way to the thread. The thread ends when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct AttemptLogs {
    orders: mpsc::Sender<Order>,
    queued: Arc<AtomicU64>,
}

enum Order {
    Append(Vec<u8>, AttemptId, bool),
    Read {
        job: JobId,
        task: Option<TaskId>,
        after: Option<AttemptId>,
        reply: oneshot::Sender<Vec<AttemptLog>>,
    },
    Forget(JobId),
    Retain(BTreeSet<JobId>),
    Tell(oneshot::Sender<()>),
}

impl AttemptLogs {
    /// Starts the thread. What an earlier life left is taken over, or with `afresh` removed; what is not ours stays.
    pub(crate) fn start(directory: PathBuf, job_bytes_max: u64, afresh: bool) -> io::Result<Self> {
        let mut jobs = BTreeMap::new();
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let Some(job) = entry.file_name().to_str().and_then(|name| name.parse::<JobId>().ok()) else {
                continue;
            };
            if entry.file_type()?.is_file() {
                match afresh {
                    true => fs::remove_file(entry.path())?,
                    false => drop(jobs.insert(job, JobLogs::read(&entry.path(), job)?)),
                }
            }
        }
        let (orders, received) = mpsc::channel();
        let queued = Arc::new(AtomicU64::new(0));
        let mut shelf = Shelf { directory, job_bytes_max, jobs };
        let taken = queued.clone();
        thread::Builder::new().name("attempt-logs".to_owned()).spawn(move || {
            for order in received {
                shelf.obey(order, &taken);
            }
        })?;
        Ok(Self { orders, queued })
    }

    /// Keeps what an attempt printed, as far as there is room for it. The first report of an attempt counts.
    pub(crate) fn append(&self, log: &AttemptLog, failed: bool) {
        let Ok(record) = postcard::to_stdvec(log) else { return };
        let bytes = record.len() as u64;
        if self.queued.fetch_add(bytes, Ordering::Relaxed) > QUEUE_BYTES_MAX {
            self.queued.fetch_sub(bytes, Ordering::Relaxed);
            tracing::warn!(attempt = %log.attempt, "its output is not kept: the disk is too slow");
            return;
        }
        let _ = self.orders.send(Order::Append(record, log.attempt, failed));
    }

    /// A page of what attempts of a job (or of one task) printed, those after `after`.
    pub(crate) async fn page(
        &self,
        job: JobId,
        task: Option<TaskId>,
        after: Option<AttemptId>,
    ) -> Vec<AttemptLog> {
        let (reply, answer) = oneshot::channel();
        let _ = self.orders.send(Order::Read { job, task, after, reply });
        answer.await.unwrap_or_default()
    }

    /// Removes what is kept of a job.
    pub(crate) fn forget(&self, job: JobId) {
        let _ = self.orders.send(Order::Forget(job));
    }

    /// Removes what is kept of all jobs but these.
    pub(crate) fn retain(&self, jobs: BTreeSet<JobId>) {
        let _ = self.orders.send(Order::Retain(jobs));
    }

    /// Returns when all that was said before is on its way to the disk.
    pub(crate) async fn written(&self) {
        let (reply, answer) = oneshot::channel();
        let _ = self.orders.send(Order::Tell(reply));
        let _ = answer.await;
    }
}

struct Shelf {
    directory: PathBuf,
    job_bytes_max: u64,
    jobs: BTreeMap<JobId, JobLogs>,
}

#[derive(Default)]
struct JobLogs {
    bytes: u64,
    /// Where the record of an attempt begins, and its length.
    index: BTreeMap<AttemptId, (u64, u64)>,
}

impl JobLogs {
    /// What an earlier life wrote, up to the first record that is not whole; the rest is cut off.
    fn read(path: &Path, job: JobId) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        let mut logs = Self::default();
        let mut rest = bytes.as_slice();
        while let Ok((log, after)) = postcard::take_from_bytes::<AttemptLog>(rest) {
            if log.attempt.task.job != job {
                break;
            }
            let length = (rest.len() - after.len()) as u64;
            logs.index.insert(log.attempt, (logs.bytes, length));
            logs.bytes += length;
            rest = after;
        }
        if !rest.is_empty() {
            OpenOptions::new().write(true).open(path)?.set_len(logs.bytes)?;
        }
        Ok(logs)
    }
}

impl Shelf {
    fn obey(&mut self, order: Order, queued: &AtomicU64) {
        match order {
            Order::Append(record, attempt, failed) => {
                queued.fetch_sub(record.len() as u64, Ordering::Relaxed);
                if let Err(error) = self.append(&record, attempt, failed) {
                    tracing::warn!(%attempt, %error, "its output is not kept");
                }
            }
            Order::Read { job, task, after, reply } => {
                let page = self.page(job, task, after).unwrap_or_else(|error| {
                    tracing::warn!(%job, %error, "cannot read the output of its attempts");
                    Vec::new()
                });
                let _ = reply.send(page);
            }
            Order::Forget(job) => {
                if self.jobs.remove(&job).is_some() {
                    let _ = fs::remove_file(path(&self.directory, job));
                }
            }
            Order::Retain(known) => {
                let over: Vec<JobId> = self.jobs.keys().filter(|job| !known.contains(job)).copied().collect();
                for job in over {
                    self.jobs.remove(&job);
                    let _ = fs::remove_file(path(&self.directory, job));
                }
            }
            Order::Tell(reply) => drop(reply.send(())),
        }
    }

    fn append(&mut self, record: &[u8], attempt: AttemptId, failed: bool) -> io::Result<()> {
        let job = attempt.task.job;
        let logs = self.jobs.entry(job).or_default();
        let bytes = record.len() as u64;
        let bound = if failed { self.job_bytes_max } else { self.job_bytes_max / 2 };
        if logs.index.contains_key(&attempt) || logs.bytes + bytes > bound {
            return Ok(());
        }
        let mut file = OpenOptions::new().create(true).append(true).open(path(&self.directory, job))?;
        let begin = file.metadata()?.len();
        if let Err(error) = file.write_all(record) {
            // Half a record would hide those behind it from the next life.
            file.set_len(begin)?;
            return Err(error);
        }
        logs.bytes += bytes;
        logs.index.insert(attempt, (begin, bytes));
        Ok(())
    }

    fn page(
        &self,
        job: JobId,
        task: Option<TaskId>,
        after: Option<AttemptId>,
    ) -> io::Result<Vec<AttemptLog>> {
        let Some(logs) = self.jobs.get(&job).filter(|logs| !logs.index.is_empty()) else {
            return Ok(Vec::new());
        };
        let file = File::open(path(&self.directory, job))?;
        let mut page = Vec::new();
        let mut page_bytes = 0;
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        for (attempt, &(begin, bytes)) in logs.index.range((begin, Bound::Unbounded)) {
            if task.is_some_and(|task| attempt.task != task) {
                continue;
            }
            page_bytes += bytes;
            if page.len() == PAGE || (page_bytes > PAGE_BYTES_MAX && !page.is_empty()) {
                break;
            }
            let mut record = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut record, begin)?;
            page.push(postcard::from_bytes(&record).map_err(io::Error::other)?);
        }
        Ok(page)
    }
}

fn path(directory: &Path, job: JobId) -> PathBuf {
    directory.join(job.to_string())
}

#[cfg(test)]
mod tests {
    use gristmill_model::{Blob, WorkerId};

    use super::*;

    fn log(attempt: AttemptId, text: &[u8]) -> AttemptLog {
        AttemptLog { attempt, worker: WorkerId(1), outcome: "done".to_owned(), log: Blob(text.to_vec()) }
    }

    fn attempt(task: u32) -> AttemptId {
        TaskId::map(JobId(1), task).attempt(0)
    }

    fn start(bytes: u64) -> (tempfile::TempDir, AttemptLogs) {
        let directory = tempfile::tempdir().unwrap();
        let logs = directory.path().join("logs");
        fs::create_dir(&logs).unwrap();
        (directory, AttemptLogs::start(logs, bytes, true).unwrap())
    }

    #[tokio::test]
    async fn logs_come_back_in_order_and_in_pages() {
        let (_directory, logs) = start(1 << 20);
        for task in (0..100).rev() {
            logs.append(&log(attempt(task), format!("task {task}").as_bytes()), false);
        }
        let first = logs.page(JobId(1), None, None).await;
        assert_eq!(first.len(), PAGE);
        assert_eq!(first[3], log(attempt(3), b"task 3"));
        let rest = logs.page(JobId(1), None, Some(first[PAGE - 1].attempt)).await;
        assert_eq!(rest.len(), 100 - PAGE);
        assert_eq!(logs.page(JobId(1), None, Some(attempt(99))).await, []);
        let one = logs.page(JobId(1), Some(attempt(42).task), None).await;
        assert_eq!(one, [log(attempt(42), b"task 42")]);
    }

    #[tokio::test]
    async fn the_first_report_of_an_attempt_counts() {
        let (_directory, logs) = start(1 << 20);
        logs.append(&log(attempt(1), b"first"), false);
        logs.append(&log(attempt(1), b"second"), true);
        assert_eq!(logs.page(JobId(1), None, None).await, [log(attempt(1), b"first")]);
    }

    #[tokio::test]
    async fn failed_attempts_have_room_when_others_have_none() {
        let (_directory, logs) = start(1_000);
        for task in 0..20 {
            logs.append(&log(attempt(task), &[b'x'; 80]), false);
        }
        logs.append(&log(attempt(50), &[b'y'; 80]), true);
        let kept = logs.page(JobId(1), None, None).await;
        assert!(kept.len() >= 5 && kept.len() < 10, "{}", kept.len());
        assert_eq!(kept.last().unwrap().attempt, attempt(50));
    }

    #[test]
    fn a_start_removes_the_logs_of_earlier_jobs_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let logs = directory.path().to_owned();
        for name in ["j1", "j20", "j", "j1.txt", "jam", "important"] {
            fs::write(logs.join(name), "x").unwrap();
        }
        fs::create_dir(logs.join("j3")).unwrap();
        fs::write(logs.join("j3/mine"), "x").unwrap();
        AttemptLogs::start(logs.clone(), 1, true).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(&logs).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["important", "j", "j1.txt", "j3", "jam"]);
        assert!(logs.join("j3/mine").exists());
    }

    #[tokio::test]
    async fn a_later_life_takes_over_what_is_whole() {
        let (directory, logs) = start(1 << 20);
        (0..3).for_each(|task| logs.append(&log(attempt(task), b"text"), false));
        assert_eq!(logs.page(JobId(1), None, None).await.len(), 3);
        drop(logs);
        let file = directory.path().join("logs/j1");
        let torn = fs::metadata(&file).unwrap().len() - 1;
        OpenOptions::new().write(true).open(&file).unwrap().set_len(torn).unwrap();
        let logs = AttemptLogs::start(directory.path().join("logs"), 1 << 20, false).unwrap();
        assert_eq!(logs.page(JobId(1), None, None).await.len(), 2);
        logs.append(&log(attempt(7), b"after"), false);
        assert_eq!(logs.page(JobId(1), None, Some(attempt(1))).await, [log(attempt(7), b"after")]);
        logs.retain(BTreeSet::from([JobId(2)]));
        assert_eq!(logs.page(JobId(1), None, None).await, []);
    }

    #[tokio::test]
    async fn what_is_written_is_there() {
        let (directory, logs) = start(64 << 20);
        for task in 0..100 {
            logs.append(&log(attempt(task), &[b'x'; 10_000]), false);
        }
        logs.written().await;
        assert!(fs::metadata(directory.path().join("logs/j1")).unwrap().len() > 1_000_000);
    }

    #[tokio::test]
    async fn a_forgotten_job_leaves_no_file() {
        let (directory, logs) = start(1 << 20);
        logs.append(&log(attempt(1), b"x"), false);
        logs.forget(JobId(1));
        assert_eq!(logs.page(JobId(1), None, None).await, []);
        assert_eq!(fs::read_dir(directory.path().join("logs")).unwrap().count(), 0);
    }
}
