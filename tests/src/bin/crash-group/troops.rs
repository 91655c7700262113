//! The processes under fire, and how they come back.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gristmill_tests::{Group, Place, Signal, Worker, signal_if_there, until};

/// A group of coordinators with workers.
pub(crate) struct Troops<'p> {
    pub(crate) group: Group<'p>,
    pub(crate) workers: Vec<Post>,
    place: &'p Place,
    slots: u32,
}

/// A worker, or the place where one was.
pub(crate) struct Post {
    worker: Option<Worker>,
    work_dir: PathBuf,
    stopped_until: Option<Instant>,
}

impl<'p> Troops<'p> {
    /// Starts them all.
    pub(crate) fn muster(place: &'p Place, coordinators: u64, workers: usize, slots: u32) -> Self {
        let group = Group::start(place, coordinators);
        let post = |worker: Worker| Post {
            work_dir: worker.work_dir.clone(),
            worker: Some(worker),
            stopped_until: None,
        };
        let workers = group.workers(workers, slots).into_iter().map(post).collect();
        Self { group, workers, place, slots }
    }

    /// Kills a worker with SIGKILL; whether there was one.
    pub(crate) fn kill_worker(&mut self, index: usize) -> bool {
        let Some(worker) = self.workers[index].worker.take() else { return false };
        self.workers[index].stopped_until = None;
        worker.process.kill();
        true
    }

    /// Kills one slot of a worker; whether there was one.
    pub(crate) fn kill_slot(&self, index: usize, choice: usize) -> bool {
        let slots = self.workers[index].worker.as_ref().map(Worker::slots).unwrap_or_default();
        slots.get(choice % slots.len().max(1)).is_some_and(|&slot| signal_if_there(slot, Signal::KILL))
    }

    /// Stops a worker for a while, so that it comes back late; whether it was not stopped already.
    pub(crate) fn stop_worker(&mut self, index: usize, time: Duration) -> bool {
        let post = &mut self.workers[index];
        match (&post.worker, post.stopped_until) {
            (Some(worker), None) => {
                worker.process.signal(Signal::STOP);
                post.stopped_until = Some(Instant::now() + time);
                true
            }
            _ => false,
        }
    }

    /// Starts workers where some were killed, and lets those go on that were stopped long enough, or all of them. Returns how many it
    /// started.
    pub(crate) fn mend_workers(&mut self, all: bool) -> u64 {
        let mut started = 0;
        for post in &mut self.workers {
            let is_over = post.stopped_until.is_some_and(|time| all || Instant::now() >= time);
            if let (Some(worker), true) = (&post.worker, is_over) {
                worker.process.signal(Signal::CONT);
                post.stopped_until = None;
            }
            if post.worker.is_none() {
                let address = self.group.address();
                post.worker = Some(Worker::start_in(self.place, address, self.slots, &post.work_dir));
                started += 1;
            }
        }
        started
    }

    /// The ids under which the workers are registered.
    pub(crate) fn registered(&self) -> Vec<String> {
        let listed = self.group.ask(["workers"]).done().stdout();
        let mut ids: Vec<_> =
            listed.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect();
        ids.sort();
        ids
    }

    /// Waits until every worker is registered, and nobody else: one that was killed may be listed for a while.
    pub(crate) fn until_complete(&mut self) {
        self.group.restart_all();
        self.mend_workers(true);
        let running = self.workers.iter().filter_map(|post| post.worker.as_ref());
        let names: BTreeSet<String> = running.map(|worker| worker.process.id().to_string()).collect();
        until("exactly the workers that run to be registered", || {
            (self.process_ids() == names).then_some(())
        });
    }

    /// The process ids of those who are registered: what their names end with.
    fn process_ids(&self) -> BTreeSet<String> {
        let listed = self.group.ask(["workers"]).done().stdout();
        let names = listed.split_whitespace().filter_map(|word| word.strip_prefix("name="));
        names.filter_map(|name| Some(name.rsplit_once('-')?.1.to_owned())).collect()
    }

    /// Lets everybody come back, and ends them in peace.
    pub(crate) fn dismiss(mut self) {
        self.until_complete();
        let workers = self.workers.into_iter().filter_map(|post| post.worker).collect();
        self.group.end(workers);
    }
}
