//! A disk with little room: a tmpfs in a mount namespace of the job's own, so that nobody has to unmount it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Ended, Job, Place};

/// Mounts the disk, runs the command, and tells on standard error what is left on the disk at its end.
const SCRIPT: &str = r#"
mount -t tmpfs -o "size=$DISK_SIZE,mode=0700" gristmill-test "$DISK" || exit 99
"$@"
status=$?
find "$DISK" -type f ! -path '*/plugins/*' | sed 's/^/left on the disk: /' >&2
exit $status
"#;

/// A folder that is a small disk for the jobs that run [`run`](Self::run) with it, and empty for everybody else.
pub struct SmallDisk {
    path: PathBuf,
    size: String,
    namespace: &'static str,
}

impl SmallDisk {
    /// A disk of `kilobytes`. `None`, and a line that says so, where mounting is not allowed to this user in any way.
    pub fn new(place: &Place, kilobytes: u32) -> Option<Self> {
        let path = place.folder("in").join("small-disk");
        fs::create_dir(&path).expect("a folder can be made");
        let namespace = ["-rm", "-m"].into_iter().find(|namespace| works(namespace, &path));
        if namespace.is_none() {
            eprintln!("skipped: this user may mount a tmpfs neither in a user namespace nor as root");
        }
        Some(Self { path, size: format!("{kilobytes}k"), namespace: namespace? })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs the job where the disk is mounted. Nothing may be left on it.
    pub fn run(&self, job: &Job<'_>) -> Ended {
        let wrapper = ["unshare", self.namespace, "sh", "-c", SCRIPT, "sh"];
        let ended = job.clone().through(&wrapper).env("DISK", &self.path).env("DISK_SIZE", &self.size).run();
        assert!(!ended.stderr().contains("left on the disk"), "rubbish of {ended}");
        ended
    }
}

fn works(namespace: &str, path: &Path) -> bool {
    let mut command = Command::new("unshare");
    command.args([namespace, "mount", "-t", "tmpfs", "gristmill-test"]).arg(path);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
