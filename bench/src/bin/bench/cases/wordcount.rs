//! Word count of text of full size.

use anyhow::Result;

use super::{Case, argument};
use crate::data;
use crate::program::Program;
use crate::rivals::{Job, Rivals};
use crate::setting::{Setting, bytes};

pub(super) fn cases(setting: &Setting, rivals: &Rivals<'_>) -> Result<Vec<Case>> {
    let text = data::text(setting, setting.size)?;
    let inputs = [argument(&text)];
    let title = format!("Word count, {} of text", bytes(setting.size));
    let about = "Words follow Zipf's law, 1.25 million of them are different. The app is `wc`; the textbook map is \
                 `bench/plugins/textbook`, which splits by `char::is_alphabetic`.";
    let mut case = Case::new("wordcount", setting, title, about);
    let at = &setting.data;
    case.programs = vec![
        Program::yardstick(setting, "wordcount", at, &inputs),
        Program::gristmill(setting, "Gristmill", "wc", at, &inputs),
        Program::gristmill(setting, "Gristmill, textbook map", "textbook", at, &inputs),
    ];
    let (others, notes) = rivals.of(Job::Wordcount, at, &inputs);
    case.programs.extend(others);
    case.notes = notes;
    case.input = vec![text];
    Ok(vec![case])
}
