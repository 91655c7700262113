//! Word counts of odd inputs: many small files, words that are all different, one word that is every other.

use std::path::PathBuf;

use anyhow::Result;

use super::{Case, argument};
use crate::data;
use crate::program::Program;
use crate::setting::{Setting, bytes};

const FILES: u32 = 100_000;
const FILE_BYTES: u64 = 4096;

/// All-distinct words need much memory of the yardstick: this part of the full size.
const DISTINCT_PART: u64 = 4;

pub(super) fn cases(setting: &Setting) -> Result<Vec<Case>> {
    let full = u64::from(FILES) * FILE_BYTES;
    let count = ((u64::from(FILES) * setting.size.min(1 << 30)) >> 30) as u32;
    let files = data::small_files(setting, count.max(1), FILE_BYTES)?;
    let title = format!("Word count, {count} files of {}", bytes(FILE_BYTES));
    let mut small = case("small-files", setting, files, title, "The files of one directory.");
    small.notes.push(format!("With a full size of 1 GiB there are {FILES} files, {}.", bytes(full)));

    let part = setting.size / DISTINCT_PART;
    let distinct = data::distinct(setting, part)?;
    let title = format!("Word count, {} of words that are all different", bytes(part));
    let about = "Nothing to combine: every word occurs once.";
    let distinct = case("distinct", setting, distinct, title, about);

    let skewed = data::skewed(setting, setting.size)?;
    let title = format!("Word count, {} of skewed text", bytes(setting.size));
    let skewed = case("skewed", setting, skewed, title, "Every other word is the same one.");
    Ok(vec![small, distinct, skewed])
}

fn case(name: &'static str, setting: &Setting, input: PathBuf, title: String, about: &str) -> Case {
    let inputs = [argument(&input)];
    let mut case = Case::new(name, setting, title, about);
    case.programs = vec![
        Program::yardstick(setting, "wordcount", &setting.data, &inputs),
        Program::gristmill(setting, "Gristmill", "wc", &setting.data, &inputs),
    ];
    case.input = vec![input];
    case
}
