//! What the tests of the command share: running it, and plugins written in C.
#![expect(dead_code, reason = "each test file uses a part of it")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What came of a command.
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn is(self, status: i32) -> Self {
        assert_eq!(self.status, status, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn says(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "no `{part}` in {}", self.stderr);
        self
    }

    pub(crate) fn prints(self, part: &str) -> Self {
        assert!(self.stdout.contains(part), "no `{part}` in {}", self.stdout);
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// `gristmill` in a directory, with its temporary files in `tmp` there.
pub(crate) fn command(directory: &Path) -> Command {
    let temporary = directory.join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gristmill"));
    command.current_dir(directory).env("TMPDIR", temporary).env_remove("GRISTMILL_LOG").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn gristmill<S: AsRef<OsStr>>(directory: &Path, arguments: impl IntoIterator<Item = S>) -> Ended {
    ended(command(directory).args(arguments).output().unwrap())
}

pub(crate) fn ended(output: Output) -> Ended {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended {
        status: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Nothing may be left in the directory for temporary files.
pub(crate) fn nothing_left(directory: &Path) {
    let left: Vec<_> =
        std::fs::read_dir(directory.join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

/// Compares with a golden file; GRISTMILL_RENEW=1 writes it instead.
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("GRISTMILL_RENEW").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{} differs; GRISTMILL_RENEW=1 renews it", path.display());
}

/// A plugin compiled from `tests/c/faulty.c` with these flags.
pub(crate) fn plugin(directory: &Path, flags: &[&str]) -> PathBuf {
    let cli = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = directory.join("faulty.so");
    let compiled = Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
        .args([&library, &cli.join("tests/c/faulty.c")])
        .arg("-I")
        .arg(cli.join("../sdk/include"))
        .args(flags)
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    library
}
