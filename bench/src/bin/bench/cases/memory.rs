//! Whether a slot keeps to its memory: jobs of full size under budgets of several sizes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Case, argument};
use crate::data;
use crate::fingerprint::{Form, result_files};
use crate::program::{Order, Program};
use crate::setting::{Setting, bytes};

const BUDGETS: [u64; 4] = [32 << 20, 64 << 20, 128 << 20, 256 << 20];
const ROUNDS: usize = 1;

/// A job, its app and its yardstick.
struct Job<'a> {
    name: &'static str,
    title: &'a str,
    app: &'a str,
    yardstick: &'a str,
}

pub(super) fn cases(setting: &Setting) -> Result<Vec<Case>> {
    let (data, size) = (&setting.data, setting.size);
    let text = data::text(setting, size)?;
    let distinct = data::distinct(setting, size / 4)?;
    let lines = data::lines(setting, size)?;
    let documents = data::documents(setting, size)?;
    let count = Job { name: "memory-wordcount", title: "Word count", app: "wc", yardstick: "wordcount" };
    let all_distinct = Job {
        name: "memory-distinct",
        title: "Word count, all different",
        app: "wc",
        yardstick: "wordcount",
    };
    let index = Job { name: "memory-index", title: "Index", app: "indexer", yardstick: "indexer" };
    let sort = Job { name: "memory-sort", title: "Sort of lines", app: "sort", yardstick: "sort" };
    Ok(vec![
        case(setting, &count, data, vec![text]),
        case(setting, &index, &documents, result_files(&documents)?),
        case(setting, &sort, data, vec![lines]),
        case(setting, &all_distinct, data, vec![distinct]),
    ])
}

fn case(setting: &Setting, job: &Job<'_>, directory: &Path, input: Vec<PathBuf>) -> Case {
    let inputs: Vec<OsString> = input.iter().map(|file| argument(file)).collect();
    let title = format!("Memory: {}", job.title);
    let about = "Peak resident size of the largest slot, under budgets (`--memory`) of several sizes.";
    let mut case = Case::new(job.name, setting, title, about);
    case.programs = vec![Program::yardstick(setting, job.yardstick, directory, &inputs)];
    for budget in BUDGETS {
        let name = format!("Gristmill, {}", bytes(budget));
        case.programs.push(Program::gristmill(setting, &name, job.app, directory, &inputs).within(budget));
    }
    if job.yardstick == "sort" {
        case.keeps_records = Some(Form::Lines);
        case.programs = case.programs.into_iter().map(|program| program.ordered(Order::AllOutputs)).collect();
    }
    case.input = input;
    case.rounds = ROUNDS;
    case
}
