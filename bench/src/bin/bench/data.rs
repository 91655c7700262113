//! Inputs, made when they are first needed and kept for the next time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gristmill_bench::generate::{self, Text};

const SEED: u64 = 1;
const DISTINCT: u32 = 1_250_000;

/// Files of an index: documents of equal size.
pub(crate) const DOCUMENTS: u64 = 16;

pub(crate) fn text(data: &Path, bytes: u64) -> Result<PathBuf> {
    made(data, &format!("text-{bytes}.txt"), |path| generate::text(path, bytes, shape(SEED, 0.0)))
}

pub(crate) fn skewed(data: &Path, bytes: u64) -> Result<PathBuf> {
    made(data, &format!("skewed-{bytes}.txt"), |path| generate::text(path, bytes, shape(SEED, 0.5)))
}

pub(crate) fn distinct(data: &Path, bytes: u64) -> Result<PathBuf> {
    made(data, &format!("distinct-{bytes}.txt"), |path| generate::distinct(path, bytes, SEED))
}

pub(crate) fn lines(data: &Path, bytes: u64) -> Result<PathBuf> {
    made(data, &format!("lines-{bytes}.txt"), |path| generate::lines(path, bytes, SEED, 0.0))
}

pub(crate) fn records(data: &Path, bytes: u64) -> Result<PathBuf> {
    made(data, &format!("records-{bytes}"), |path| generate::records(path, bytes, SEED, 0.0))
}

/// A directory of documents `part-00.txt …`, which differ.
pub(crate) fn documents(data: &Path, bytes: u64) -> Result<PathBuf> {
    made(data, &format!("documents-{bytes}"), |path| {
        fs::create_dir_all(path)?;
        (0..DOCUMENTS).try_for_each(|number| {
            let name = path.join(format!("part-{number:02}.txt"));
            generate::text(&name, bytes / DOCUMENTS, shape(SEED + number, 0.0))
        })
    })
}

/// A directory of small files.
pub(crate) fn small_files(data: &Path, count: u32, bytes: usize) -> Result<PathBuf> {
    made(data, &format!("files-{count}-{bytes}"), |path| {
        generate::files(path, count, bytes, shape(SEED, 0.0))
    })
}

fn shape(seed: u64, skew: f64) -> Text {
    Text { distinct: DISTINCT, seed, skew }
}

/// Under another name until it is whole.
fn made(data: &Path, name: &str, make: impl Fn(&Path) -> io::Result<()>) -> Result<PathBuf> {
    let path = data.join(name);
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(data).with_context(|| format!("make {}", data.display()))?;
    crate::say(&format!("making {name}"));
    let unfinished = data.join(format!("{name}.unfinished"));
    if unfinished.is_dir() {
        fs::remove_dir_all(&unfinished)?;
    }
    make(&unfinished).with_context(|| format!("make {}", unfinished.display()))?;
    fs::rename(&unfinished, &path)?;
    Ok(path)
}
