//! The cases: one file a kind. A case is an input and the programs that do the same job on it.

mod big;
mod grep;
mod index;
mod memory;
mod small;
mod sort;
mod tiny;
mod wordcount;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;

use crate::fingerprint::Form;
use crate::program::Program;
use crate::rivals::Rivals;
use crate::setting::Setting;

/// What can be asked for with `--only`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    Wordcount,
    Index,
    Sort,
    Grep,
    Small,
    Tiny,
    Memory,
    Big,
}

impl Choice {
    pub(crate) const DEFAULT: [Self; 6] =
        [Self::Wordcount, Self::Index, Self::Sort, Self::Grep, Self::Small, Self::Tiny];

    pub(crate) fn cases(self, setting: &Setting, rivals: &Rivals<'_>) -> Result<Vec<Case>> {
        match self {
            Self::Wordcount => wordcount::cases(setting, rivals),
            Self::Index => index::cases(setting, rivals),
            Self::Sort => sort::cases(setting, rivals),
            Self::Grep => grep::cases(setting, rivals),
            Self::Small => small::cases(setting),
            Self::Tiny => tiny::cases(setting),
            Self::Memory => memory::cases(setting),
            Self::Big => big::cases(setting),
        }
    }
}

/// The names of all cases, in the order in which the page shows them.
pub(crate) const NAMES: [&str; 16] = [
    "wordcount",
    "index",
    "sort-lines",
    "sort-records",
    "grep",
    "small-files",
    "distinct",
    "skewed",
    "tiny",
    "books",
    "memory-wordcount",
    "memory-index",
    "memory-sort",
    "memory-distinct",
    "big-wordcount",
    "big-sort",
];

/// Programs that do the same job on the same input.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) about: String,
    /// The files to be read before the first run, so that none has to wait for the disk.
    pub(crate) input: Vec<PathBuf>,
    pub(crate) programs: Vec<Program>,
    /// How often each program runs, patience permitting.
    pub(crate) rounds: usize,
    /// Of a job whose result has the records of its input: how to read that.
    pub(crate) keeps_records: Option<Form>,
    /// The same job on less, to be run in the same turns.
    pub(crate) smaller: Option<Smaller>,
    /// Whether the disk is to be measured beside it.
    pub(crate) disk: bool,
    pub(crate) notes: Vec<String>,
}

/// A program on an input of its own.
pub(crate) struct Smaller {
    pub(crate) program: Program,
    pub(crate) input: Vec<PathBuf>,
}

impl Case {
    fn new(name: &'static str, setting: &Setting, title: String, about: &str) -> Self {
        Self {
            name,
            title,
            about: about.to_owned(),
            input: Vec::new(),
            programs: Vec::new(),
            rounds: setting.rounds,
            keeps_records: None,
            smaller: None,
            disk: false,
            notes: Vec::new(),
        }
    }
}

/// A file's name, as an argument of a program that is started in its directory.
fn argument(path: &Path) -> OsString {
    path.file_name().unwrap_or(path.as_os_str()).to_owned()
}
