//! Jobs of a user to whom permissions apply: root may read and write everything.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Job, Place, gristmill, plugin};

const AS_NOBODY: [&str; 6] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];

/// A job of `app` that runs as an ordinary user. `None`, and a line that says so, where this test cannot become one.
pub fn unprivileged_job<'p>(place: &'p Place, app: &str) -> Option<Job<'p>> {
    if !rustix::process::geteuid().is_root() {
        return Some(place.job(app));
    }
    let [program, options @ ..] = AS_NOBODY;
    let possible = Command::new(program).args(options).arg("true").stderr(Stdio::null()).status();
    if !possible.is_ok_and(|status| status.success()) {
        eprintln!("skipped: root may do everything here, and setpriv cannot make another user");
        return None;
    }
    permit(place.root(), 0o755);
    for folder in ["tmp", "out", "work", "cwd"] {
        permit(&place.folder(folder), 0o777);
    }
    // The target directory may lie where nobody but root can look.
    let program = copy(gristmill(), &place.folder("in"));
    let library = copy(plugin(app), &place.folder("in"));
    Some(place.job_of(&library).program(&program).through(&AS_NOBODY))
}

/// Sets the permissions of a file or folder.
pub fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("permissions can be set");
}

fn copy(file: &Path, folder: &Path) -> PathBuf {
    let copied = folder.join(file.file_name().expect("a file has a name"));
    fs::copy(file, &copied).expect("a file can be copied");
    permit(&copied, 0o755);
    copied
}
