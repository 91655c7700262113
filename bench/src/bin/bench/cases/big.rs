//! Ten times the full size in a quarter of a gibibyte of memory, beside what the disk costs.

use anyhow::Result;

use super::{Case, Smaller, argument};
use crate::data;
use crate::fingerprint::Form;
use crate::program::{Order, Program};
use crate::setting::{Setting, bytes};

const TIMES: u64 = 10;
const MEMORY: u64 = 256 << 20;
const ROUNDS: usize = 3;

pub(super) fn cases(setting: &Setting) -> Result<Vec<Case>> {
    let size = setting.size * TIMES;
    let at = &setting.data;

    let text = data::text(setting, size)?;
    let inputs = [argument(&text)];
    let title = format!("Word count, {} of text in {}", bytes(size), bytes(MEMORY));
    let about = "As the word count above, ten times as much.";
    let mut count = Case::new("big-wordcount", setting, title, about);
    count.programs = vec![
        Program::yardstick(setting, "wordcount", at, &inputs),
        Program::gristmill(setting, "Gristmill", "wc", at, &inputs).within(MEMORY),
    ];
    count.input = vec![text];
    count.rounds = ROUNDS;
    let tenth = data::text(setting, setting.size)?;
    count.smaller = Some(Smaller {
        program: Program::gristmill(setting, "Gristmill, a tenth", "wc", at, &[argument(&tenth)])
            .within(MEMORY),
        input: vec![tenth],
    });

    let lines = data::lines(setting, size)?;
    let inputs = [argument(&lines)];
    let title = format!("Sort, {} of lines in {}", bytes(size), bytes(MEMORY));
    let about = "As the sort above, ten times as much; a sort that does not fit in memory writes and reads everything twice.";
    let mut sort = Case::new("big-sort", setting, title, about);
    sort.programs = vec![
        Program::gristmill(setting, "Gristmill", "sort", at, &inputs)
            .within(MEMORY)
            .ordered(Order::AllOutputs),
    ];
    sort.input = vec![lines];
    sort.rounds = ROUNDS;
    sort.keeps_records = Some(Form::Lines);
    sort.disk = true;
    Ok(vec![count, sort])
}
