//! Jobs so small that only what a job costs anyway is left: a file of a kilobyte, and the books in `data/`.

use std::ffi::OsString;

use anyhow::Result;

use super::{Case, argument};
use crate::data;
use crate::fingerprint::result_files;
use crate::program::Program;
use crate::setting::{Setting, bytes};

const ROUNDS: usize = 30;

pub(super) fn cases(setting: &Setting) -> Result<Vec<Case>> {
    let text = data::text(setting, 1 << 10)?;
    let inputs = [argument(&text)];
    let about = "Start, loading of the plugin, two tasks, commit, exit.";
    let mut tiny = Case::new("tiny", setting, format!("Word count, {} of text", bytes(1 << 10)), about);
    tiny.programs = vec![
        Program::yardstick(setting, "wordcount", &setting.data, &inputs),
        Program::gristmill(setting, "Gristmill", "wc", &setting.data, &inputs),
    ];
    tiny.input = vec![text];
    tiny.rounds = ROUNDS;

    let directory = setting.root.join("data");
    let mut books = result_files(&directory)?;
    books.retain(|book| book.extension().is_some_and(|extension| extension == "txt"));
    let inputs: Vec<OsString> = books.iter().map(|book| argument(book)).collect();
    let about =
        "The README's first command. The yardsticks know no letters but ASCII; `--sequential` is the oracle.";
    let mut case =
        Case::new("books", setting, format!("Word count, the {} books in data/", books.len()), about);
    case.programs = vec![
        Program::gristmill(setting, "Gristmill", "wc", &directory, &inputs),
        Program::gristmill(setting, "Gristmill, sequential", "wc", &directory, &inputs)
            .with(&["--sequential"]),
    ];
    case.input = books;
    case.rounds = ROUNDS;
    Ok(vec![tiny, case])
}
