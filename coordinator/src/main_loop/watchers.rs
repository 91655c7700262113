//! Clients that wait for a job to get on.

use std::collections::BTreeMap;
use std::time::Duration;

use gristmill_model::{JobId, JobStatus, NotFound};
use gristmill_protocol::limits::LONG_POLL_MAX;
use gristmill_scheduler::State;
use tokio::time::Instant;

use super::MainLoop;
use super::told::Told;
use crate::event::Reply;
use crate::replica::Replica;

/// A status that changes all the time is told this often, not more: each telling costs a walk over the job's tasks.
const STATUS_PAUSE: Duration = Duration::from_millis(50);

/// Everyone who waits, by job.
#[derive(Default)]
pub(super) struct Watchers {
    jobs: BTreeMap<JobId, Vec<Watcher>>,
}

struct Watcher {
    seen: u64,
    not_before: Instant,
    until: Instant,
    /// The status has changed already, and is told when the pause is over.
    changed: bool,
    reply: Reply<JobStatus>,
}

impl Watchers {
    pub(super) fn add(&mut self, job: JobId, seen: u64, wait_ms: u64, reply: Reply<JobStatus>) {
        let now = Instant::now();
        let until = now + Duration::from_millis(wait_ms).min(LONG_POLL_MAX);
        let not_before = if seen == 0 { now } else { now + STATUS_PAUSE };
        self.jobs.entry(job).or_default().push(Watcher { seen, not_before, until, changed: false, reply });
    }

    /// When somebody is to be answered though nothing happens.
    pub(super) fn wake(&self) -> Option<Instant> {
        let all = self.jobs.values().flatten();
        all.map(|watcher| if watcher.changed { watcher.not_before.min(watcher.until) } else { watcher.until })
            .min()
    }

    /// Takes those out that can be answered.
    fn take_ready(&mut self, job: JobId, news: News, now: Instant) -> Vec<Reply<JobStatus>> {
        let Some(watchers) = self.jobs.get_mut(&job) else { return Vec::new() };
        let mut ready = Vec::new();
        for mut watcher in std::mem::take(watchers) {
            let told = match news {
                News::Held => false,
                News::Final => true,
                News::Revision(revision) => {
                    watcher.changed = watcher.seen == 0 || revision > watcher.seen;
                    watcher.changed && now >= watcher.not_before
                }
            };
            match told || now >= watcher.until {
                true => ready.push(watcher.reply),
                false if watcher.reply.is_closed() => {}
                false => watchers.push(watcher),
            }
        }
        if watchers.is_empty() {
            self.jobs.remove(&job);
        }
        ready
    }
}

/// What there is to say about a job.
#[derive(Clone, Copy)]
enum News {
    /// It goes on.
    Revision(u64),
    /// It has ended, but that is not to be told yet.
    Held,
    /// It has ended.
    Final,
}

impl<R: Replica> MainLoop<R> {
    pub(super) fn serve_watchers(&mut self, state: &State, told: &mut Told) {
        let now = Instant::now();
        let jobs: Vec<JobId> = self.watchers.jobs.keys().copied().collect();
        for job in jobs {
            let Some(revision) = self.leader.revision(state, job) else {
                let lost = self.watchers.jobs.remove(&job).unwrap_or_default();
                lost.into_iter().for_each(|w| told.say(w.reply, Err(NotFound::Job(job).into())));
                continue;
            };
            // The end of a job is not told before what it had staged is gone: scripts look at the directory next.
            let ended = state.phase(job).is_some_and(|phase| phase.is_final());
            let news = match ended {
                true if self.cleaning.contains(&job) => News::Held,
                true => News::Final,
                false => News::Revision(revision),
            };
            let ready = self.watchers.take_ready(job, news, now);
            if ready.is_empty() {
                continue;
            }
            let status = self.leader.job_status(state, job).map_err(Into::into);
            ready.into_iter().for_each(|reply| told.say(reply, status.clone()));
        }
    }
}
