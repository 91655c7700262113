//! A rare word looked for in documents.

use std::ffi::OsString;

use anyhow::Result;
use gristmill_bench::generate;

use super::{Case, argument};
use crate::data;
use crate::fingerprint::result_files;
use crate::program::{Kind, Program};
use crate::rivals::Rivals;
use crate::setting::{Setting, bytes};

/// How many words are more frequent than the one looked for, in a gibibyte: it stands there a dozen times.
const RARE: u64 = 1_000_000;

pub(super) fn cases(setting: &Setting, rivals: &Rivals<'_>) -> Result<Vec<Case>> {
    let directory = data::documents(setting, setting.size)?;
    let documents = result_files(&directory)?;
    let inputs: Vec<OsString> = documents.iter().map(|document| argument(document)).collect();
    let rank = (RARE * setting.size.min(1 << 30)) >> 30;
    let pattern = generate::word(rank as u32);
    let title = format!("Grep of a rare word, {} of text", bytes(setting.size));
    let about = "A word that stands there about a dozen times, in the documents of the index. The app is `grep`; ripgrep has two threads.";
    let mut case = Case::new("grep", setting, title, about);
    let gristmill = Program::gristmill(setting, "Gristmill", "grep", &directory, &inputs);
    case.programs = vec![gristmill.with(&["--arg", &format!("pattern={pattern}")])];
    if setting.rivals {
        match rivals.ripgrep(&pattern, &directory, &inputs) {
            Ok((program, version)) => {
                case.programs.insert(0, Program { kind: Kind::Yardstick, ..program });
                case.notes.push(format!("{version}."));
            }
            Err(reason) => {
                crate::say(&format!("ripgrep skipped: {reason}"));
                case.notes.push(format!("ripgrep was skipped: {reason}."));
            }
        }
    }
    case.input = documents;
    Ok(vec![case])
}
