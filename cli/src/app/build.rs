//! Building the crate of an app with cargo.
//!
//! Cargo is asked every time, also when nothing changed (about a tenth of a second): only cargo knows about build scripts, lock
//! files, toolchains and flags, and a stale plugin would be a wrong answer. Frequent tiny jobs name the library itself.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, anyhow};
use serde::Deserialize;

use crate::failure::{Failure, Outcome};

/// Builds the crate in `directory` and gives back its shared library.
pub(super) fn build(directory: &Path, quiet: bool) -> Outcome<PathBuf> {
    let manifest = directory.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(Failure::wrong(format!(
            "app {} is a directory, but has no Cargo.toml",
            directory.display()
        ))
        .hint("give the directory of a crate (`gristmill new NAME` makes one), a library file, or a bundled app"));
    }
    let manifest = manifest.canonicalize().context("find the crate").map_err(Failure::usage)?;
    let child = spawn(&manifest, quiet)?;
    let (built, artifacts) = finish(child, quiet).map_err(Failure::usage)?;
    if !built {
        return Err(Failure::wrong(format!("the crate {} does not build; see above", directory.display())));
    }
    shared_library(&artifacts, &manifest).ok_or_else(|| {
        Failure::wrong(format!("the crate {} makes no shared library", directory.display()))
            .hint("its Cargo.toml needs\n    [lib]\n    crate-type = [\"cdylib\"]")
    })
}

fn spawn(manifest: &Path, quiet: bool) -> Outcome<Child> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let color = if std::io::stderr().is_terminal() { "always" } else { "never" };
    let mut command = Command::new(&cargo);
    command
        .args(["build", "--release", "--lib", "--message-format=json-render-diagnostics", "--color", color])
        .arg("--manifest-path")
        .arg(manifest)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if quiet {
        command.arg("--quiet");
    }
    command.spawn().map_err(|error| {
        let failure = Failure::usage(anyhow!("start {}: {error}", cargo.display()));
        failure.hint("building a crate needs cargo in PATH; a library file (.so) needs none")
    })
}

/// Whether cargo was content, and what it made. Its messages go to standard error: as they come, but for the bookkeeping of a
/// build that had nothing to do.
fn finish(mut child: Child, quiet: bool) -> anyhow::Result<(bool, Vec<Artifact>)> {
    let stdout = child.stdout.take().context("cargo has no standard output")?;
    let stderr = child.stderr.take().context("cargo has no standard error")?;
    let told = std::thread::spawn(move || forward(stderr, quiet));
    let mut artifacts = Vec::new();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("read what cargo says")?;
        if let Ok(Message::CompilerArtifact(artifact)) = serde_json::from_slice(&line) {
            artifacts.push(artifact);
        }
    }
    let status = child.wait().context("wait for cargo")?;
    let held_back = told.join().unwrap_or_default();
    if !status.success() {
        let _ = std::io::stderr().lock().write_all(&held_back);
    }
    Ok((status.success(), artifacts))
}

/// Copies cargo's lines to standard error. Quiet, all are held back, to be shown if the build fails; otherwise only the line
/// `Finished …` is dropped, which says nothing when nothing was compiled.
fn forward(stderr: impl Read, quiet: bool) -> Vec<u8> {
    let mut held_back = Vec::new();
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        if quiet {
            held_back.extend_from_slice(&line);
        } else if !is_finished(&line) {
            let _ = std::io::stderr().lock().write_all(&line);
        }
        line.clear();
    }
    held_back
}

fn is_finished(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    ["Finished", "profile [", "target(s) in"].iter().all(|part| text.contains(part))
}

/// The lines of cargo's `--message-format=json` that matter here.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact(Artifact),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    target: Target,
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// The file of the `cdylib` of the crate itself; a dependency's does not count.
fn shared_library(artifacts: &[Artifact], manifest: &Path) -> Option<PathBuf> {
    let own = artifacts.iter().filter(|artifact| artifact.manifest_path == manifest);
    let made = own.filter(|artifact| artifact.target.crate_types.iter().any(|kind| kind == "cdylib"));
    let mut files = made.flat_map(|artifact| &artifact.filenames);
    files.find(|file| file.extension().is_some_and(|end| end == std::env::consts::DLL_EXTENSION)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(manifest: &str, kind: &str, file: &str) -> Artifact {
        let line = format!(
            r#"{{"reason":"compiler-artifact","package_id":"x","manifest_path":"{manifest}","target":{{"kind":["{kind}"],
               "crate_types":["{kind}"],"name":"x"}},"filenames":["/t/x.rlib","{file}"],"executable":null,"fresh":true}}"#
        );
        match serde_json::from_str(&line) {
            Ok(Message::CompilerArtifact(artifact)) => artifact,
            _ => panic!("not understood"),
        }
    }

    #[test]
    fn the_shared_library_of_the_crate_itself_is_taken() {
        let file = format!("/t/libx.{}", std::env::consts::DLL_EXTENSION);
        let others = [artifact("/dep/Cargo.toml", "cdylib", &file), artifact("/x/Cargo.toml", "lib", &file)];
        assert_eq!(shared_library(&others, Path::new("/x/Cargo.toml")), None);
        let own = [artifact("/x/Cargo.toml", "cdylib", &file)];
        assert_eq!(shared_library(&own, Path::new("/x/Cargo.toml")), Some(PathBuf::from(file)));
    }

    #[test]
    fn other_messages_of_cargo_are_passed_over() {
        for line in
            [r#"{"reason":"build-finished","success":true}"#, r#"{"reason":"new-in-some-future","x":[1]}"#]
        {
            assert!(matches!(serde_json::from_str(line), Ok(Message::Other)), "{line}");
        }
    }

    #[test]
    fn only_the_closing_line_of_a_build_is_dropped() {
        assert!(is_finished(b"    Finished `release` profile [optimized] target(s) in 0.02s\n"));
        assert!(!is_finished(b"warning: `Finished` is never constructed\n"));
    }
}
