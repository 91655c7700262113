//! An index of the words of some documents.

use std::ffi::OsString;

use anyhow::Result;

use super::{Case, argument};
use crate::data;
use crate::fingerprint::result_files;
use crate::program::Program;
use crate::rivals::{Job, Rivals};
use crate::setting::{Setting, bytes};

pub(super) fn cases(setting: &Setting, rivals: &Rivals<'_>) -> Result<Vec<Case>> {
    let directory = data::documents(setting, setting.size)?;
    let documents = result_files(&directory)?;
    let inputs: Vec<OsString> = documents.iter().map(|document| argument(document)).collect();
    let title = format!("Index, {} documents of {}", documents.len(), bytes(setting.size / data::DOCUMENTS));
    let about = "Lines `word n doc1,doc2,…`. The app is `indexer`.";
    let mut case = Case::new("index", setting, title, about);
    case.programs = vec![
        Program::yardstick(setting, "indexer", &directory, &inputs),
        Program::gristmill(setting, "Gristmill", "indexer", &directory, &inputs),
    ];
    let (others, notes) = rivals.of(Job::Index, &directory, &inputs);
    case.programs.extend(others);
    case.notes = notes;
    case.input = documents;
    Ok(vec![case])
}
