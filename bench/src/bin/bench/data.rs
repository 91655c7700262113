//! Inputs, made when they are first needed and kept for the next time.
//!
//! The yardsticks' executable makes them: were it done here, this process would be large, and so would every measured one be at its start.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::setting::Setting;

/// Files of an index: documents of equal size.
pub(crate) const DOCUMENTS: u64 = 16;

pub(crate) fn text(setting: &Setting, bytes: u64) -> Result<PathBuf> {
    made(setting, &format!("text-{bytes}.txt"), |path| generate(setting, "text", path, bytes, &[]))
}

pub(crate) fn skewed(setting: &Setting, bytes: u64) -> Result<PathBuf> {
    let half = ["--skew", "0.5"];
    made(setting, &format!("skewed-{bytes}.txt"), |path| generate(setting, "text", path, bytes, &half))
}

pub(crate) fn distinct(setting: &Setting, bytes: u64) -> Result<PathBuf> {
    made(setting, &format!("distinct-{bytes}.txt"), |path| generate(setting, "distinct", path, bytes, &[]))
}

pub(crate) fn lines(setting: &Setting, bytes: u64) -> Result<PathBuf> {
    made(setting, &format!("lines-{bytes}.txt"), |path| generate(setting, "lines", path, bytes, &[]))
}

pub(crate) fn records(setting: &Setting, bytes: u64) -> Result<PathBuf> {
    made(setting, &format!("records-{bytes}"), |path| generate(setting, "records", path, bytes, &[]))
}

/// A directory of documents `part-00.txt …`, which differ.
pub(crate) fn documents(setting: &Setting, bytes: u64) -> Result<PathBuf> {
    made(setting, &format!("documents-{bytes}"), |path| {
        fs::create_dir_all(path)?;
        (0..DOCUMENTS).try_for_each(|number| {
            let name = path.join(format!("part-{number:02}.txt"));
            let seed = (number + 1).to_string();
            generate(setting, "text", &name, bytes / DOCUMENTS, &["--seed", &seed])
        })
    })
}

/// A directory of small files.
pub(crate) fn small_files(setting: &Setting, count: u32, bytes: u64) -> Result<PathBuf> {
    made(setting, &format!("files-{count}-{bytes}"), |path| {
        generate(setting, "files", path, bytes, &["--count", &count.to_string()])
    })
}

fn generate(setting: &Setting, what: &str, path: &Path, bytes: u64, more: &[&str]) -> Result<()> {
    let mut command = Command::new(setting.beside("yardstick"));
    command.arg(what).arg(path).args([OsString::from("--bytes"), bytes.to_string().into()]).args(more);
    let status = command.status().context("start yardstick")?;
    ensure!(status.success(), "yardstick {what}: {status}");
    Ok(())
}

/// Under another name until it is whole.
fn made(setting: &Setting, name: &str, make: impl Fn(&Path) -> Result<()>) -> Result<PathBuf> {
    let path = setting.data.join(name);
    if path.exists() {
        return Ok(path);
    }
    crate::say(&format!("making {name}"));
    let unfinished = setting.data.join(format!("{name}.unfinished"));
    if unfinished.is_dir() {
        fs::remove_dir_all(&unfinished)?;
    }
    make(&unfinished)?;
    fs::rename(&unfinished, &path)?;
    Ok(path)
}
