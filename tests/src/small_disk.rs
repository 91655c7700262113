//! A disk with little room: a tmpfs, when this machine lets the test mount one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Place;

/// A mounted tmpfs; unmounted when dropped.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of `kilobytes` in the place, below `folder`. `None`, and a line that says so, where that is not allowed.
    pub fn mount(place: &Place, folder: &str, kilobytes: u32) -> Option<Self> {
        let path = place.folder(folder).join("small-disk");
        fs::create_dir(&path).expect("a folder can be made");
        let mounted = quiet(Command::new("mount").args(["-t", "tmpfs", "-o"]).args([
            &format!("size={kilobytes}k,mode=0700"),
            "gristmill-test",
            path.to_str().expect("places have plain names"),
        ]));
        if !mounted {
            fs::remove_dir(&path).expect("an empty folder can be removed");
            eprintln!("skipped: this user may not mount a tmpfs");
        }
        mounted.then_some(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if quiet(Command::new("umount").args(["-l"]).arg(&self.path)) {
            fs::remove_dir(&self.path).ok();
        }
    }
}

fn quiet(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
