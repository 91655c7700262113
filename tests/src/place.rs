//! A test's own place on disk, which must be as clean at the end as at the start.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Cluster, Ended, Group, Job, Process, gristmill, leftovers};

/// Where a test works. Dropping it checks that nothing is left over.
///
/// ```text
/// in/    inputs that the test wrote
/// out/   outputs of its jobs, each in a directory of its own
/// work/  work directories of workers
/// data/  data directories of coordinators, which are theirs to keep
/// tmp/   TMPDIR of every process
/// cwd/   working directory of every process
/// log/   what the processes said
/// ```
pub struct Place {
    root: tempfile::TempDir,
    count: Cell<u32>,
    outputs: RefCell<BTreeSet<PathBuf>>,
    litter: Cell<bool>,
}

impl Place {
    /// A fresh place.
    #[expect(clippy::new_without_default, reason = "a place is made on disk: `default` would hide that")]
    pub fn new() -> Self {
        let root =
            tempfile::Builder::new().prefix("gristmill-test-").tempdir().expect("a temporary directory");
        for folder in ["in", "out", "work", "data", "tmp", "cwd", "log"] {
            fs::create_dir(root.path().join(folder)).expect("a folder can be made");
        }
        Self { root, count: Cell::new(0), outputs: RefCell::default(), litter: Cell::new(false) }
    }

    /// The whole of it.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// One of its folders.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// Writes an input file. The name may be of any bytes and may have folders in it.
    pub fn input(&self, name: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder("in").join(OsStr::from_bytes(name.as_ref()));
        fs::create_dir_all(path.parent().expect("an input lies in a folder")).expect("a folder can be made");
        fs::write(&path, bytes).expect("an input can be written");
        path
    }

    /// A job of an app of this workspace.
    pub fn job(&self, app: &str) -> Job<'_> {
        Job::new(self, crate::plugin(app))
    }

    /// A job of any plugin.
    pub fn job_of(&self, plugin: &Path) -> Job<'_> {
        Job::new(self, plugin)
    }

    /// A coordinator without workers.
    pub fn cluster(&self) -> Cluster<'_> {
        Cluster::start(self)
    }

    /// A group of coordinators without workers.
    pub fn group(&self, members: u64) -> Group<'_> {
        Group::start(self, members)
    }

    /// The same, whose leader stays when the machine is busy.
    pub fn steady_group(&self, members: u64) -> Group<'_> {
        Group::start_steady(self, members)
    }

    /// Runs `gristmill` with these arguments to its end.
    pub fn gristmill<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        let mut command = self.command(gristmill());
        command.args(arguments);
        self.start("gristmill", command).wait()
    }

    /// Some other program, at home in this place.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder("cwd")).env("TMPDIR", self.folder("tmp"));
        // The test's own, set by cargo, would hide a plugin or binary that cannot find its libraries.
        command.env_remove("LD_LIBRARY_PATH").env_remove("RUST_BACKTRACE").env_remove("RUST_LOG");
        command
    }

    /// Starts a command made by [`command`](Self::command).
    pub fn start(&self, what: &str, command: Command) -> Process {
        Process::start(self, what, command)
    }

    /// From here on files may be left in `work/`, in `tmp/` and in the staging directories of outputs: the test kills processes that can
    /// no longer tidy up. Outputs and processes are checked all the same.
    pub fn expect_litter(&self) {
        self.litter.set(true);
    }

    /// A number that was not given before.
    pub(crate) fn number(&self) -> u32 {
        self.count.replace(self.count.get() + 1)
    }

    /// An output directory of its own, not made yet.
    pub fn new_output(&self) -> PathBuf {
        let output = self.folder("out").join(format!("out-{}", self.number()));
        self.outputs.borrow_mut().insert(output.clone());
        output
    }

    /// An empty folder among the inputs, in which apps may leave their marks.
    pub fn new_folder(&self) -> PathBuf {
        let folder = self.folder("in").join(format!("folder-{}", self.number()));
        fs::create_dir(&folder).expect("a folder can be made");
        folder
    }

    pub(crate) fn log_files(&self, what: &str) -> (PathBuf, PathBuf) {
        let number = self.number();
        let log = |kind| self.folder("log").join(format!("{number}-{what}.{kind}"));
        (log("stdout"), log("stderr"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut complaints = leftovers::end_processes(self.root());
        if !self.litter.get() {
            complaints.extend(leftovers::work(&self.folder("work")));
            complaints.extend(leftovers::files(&[self.folder("tmp")]));
        }
        complaints.extend(leftovers::files(&[self.folder("cwd")]));
        let staged = self.litter.get();
        complaints.extend(leftovers::outputs(&self.folder("out"), &self.outputs.borrow(), staged));
        let complaint = complaints.join("\n");
        if std::thread::panicking() {
            eprintln!("{complaint}");
        } else {
            assert!(complaints.is_empty(), "something is left over:\n{complaint}");
        }
    }
}
