//! A coordinator and workers as processes of their own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::{Place, Process, Random, Service, children, gristmill, until};

/// `gristmill coordinator`, and a name for where it listens.
pub struct Cluster<'p> {
    service: Service<'p>,
    coordinator: Option<Process>,
}

impl<'p> Deref for Cluster<'p> {
    type Target = Service<'p>;

    fn deref(&self) -> &Service<'p> {
        &self.service
    }
}

impl<'p> Cluster<'p> {
    pub(crate) fn start(place: &'p Place) -> Self {
        Self::start_at(place, &free_address())
    }

    /// At an address that was chosen before.
    pub fn start_at(place: &'p Place, address: &str) -> Self {
        let mut coordinator = start_coordinator(place, address);
        coordinator.until("that it listens", |process| {
            process.stdout().lines().find_map(|line| line.strip_prefix("listening ").map(str::to_owned))
        });
        Self { service: Service { place, address: address.to_owned() }, coordinator: Some(coordinator) }
    }

    /// Kills the coordinator with SIGKILL.
    pub fn kill_coordinator(&mut self) {
        self.coordinator.take().expect("the coordinator is there").kill();
    }

    /// Starts a coordinator again where the last one was.
    pub fn restart_coordinator(&mut self) {
        *self = Self::start_at(self.service.place, &self.service.address);
    }

    /// Ends the workers, then the coordinator, as an operator would; each must end with success. All jobs must be over: the workers
    /// forget them first.
    pub fn end(mut self, workers: Vec<Worker>) {
        workers.iter().for_each(Worker::until_jobs_are_forgotten);
        workers.into_iter().for_each(Worker::end);
        if let Some(coordinator) = self.coordinator.take() {
            coordinator.signal(Signal::TERM);
            coordinator.wait().done();
        }
    }
}

/// `gristmill worker`.
pub struct Worker {
    /// The agent.
    pub process: Process,
    /// Where its intermediate files are.
    pub work_dir: PathBuf,
}

impl Worker {
    /// Starts one for the coordinator at `address`, which need not be there yet.
    pub fn start(place: &Place, address: &str, slots: u32) -> Self {
        let work_dir = place.folder("work").join(format!("w{}", place.number()));
        fs::create_dir(&work_dir).expect("a work directory can be made");
        Self::start_in(place, address, slots, &work_dir)
    }

    /// Starts one in a work directory that another may have used before.
    pub fn start_in(place: &Place, address: &str, slots: u32, work_dir: &Path) -> Self {
        let mut command = place.command(gristmill());
        command.args(["worker", "--coordinator", address, "--slots", &slots.to_string(), "--work-dir"]);
        command.arg(work_dir);
        Self { process: place.start("worker", command), work_dir: work_dir.to_owned() }
    }

    /// Its slots.
    pub fn slots(&self) -> Vec<u32> {
        children(self.process.id())
    }

    /// Waits until it has removed the files of all jobs.
    pub fn until_jobs_are_forgotten(&self) {
        let is_job = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with("gristmill-");
        let holds_jobs = || fs::read_dir(&self.work_dir).into_iter().flatten().flatten().any(is_job);
        until("a worker to remove the files of jobs that are over", || (!holds_jobs()).then_some(()));
    }

    /// Ends it as an operator would; it must end with success.
    pub fn end(self) {
        self.process.signal(Signal::TERM);
        self.process.wait().done();
    }
}

/// An address on loopback where nobody listens. The host part is drawn too, so that tests at once do not take the same one between
/// this probe and its use.
pub fn free_address() -> String {
    let seed = u64::from(std::process::id()) << 32 ^ nanoseconds();
    let mut random = Random::new(seed);
    let mut part = |bound| u8::try_from(random.below(bound)).unwrap_or(0) + 1;
    let host = Ipv4Addr::new(127, part(250), part(250), part(250));
    let probe = TcpListener::bind(SocketAddr::from((host, 0))).expect("loopback has a free port");
    probe.local_addr().expect("a listener has an address").to_string()
}

fn nanoseconds() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos())
}

fn start_coordinator(place: &Place, address: &str) -> Process {
    let mut command = place.command(gristmill());
    let data_dir = place.folder("data").join(format!("coordinator-{}", place.number()));
    command.args(["coordinator", "--listen", address, "--data-dir"]).arg(data_dir);
    place.start("coordinator", command)
}
