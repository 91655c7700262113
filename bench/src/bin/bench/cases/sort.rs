//! Sort of 100-byte records: of lines within each output, and of binary records over all outputs.

use anyhow::Result;

use super::{Case, argument};
use crate::data;
use crate::fingerprint::Form;
use crate::program::{Order, Program};
use crate::rivals::{Job, Rivals};
use crate::setting::{Setting, bytes};

pub(super) fn cases(setting: &Setting, rivals: &Rivals<'_>) -> Result<Vec<Case>> {
    let mut cases = vec![lines(setting, rivals)?];
    if setting.has_app("terasort") {
        cases.push(records(setting)?);
    } else {
        crate::say("sort of records skipped: there is no app terasort");
    }
    Ok(cases)
}

fn lines(setting: &Setting, rivals: &Rivals<'_>) -> Result<Case> {
    let lines = data::lines(setting, setting.size)?;
    let inputs = [argument(&lines)];
    let title = format!("Sort, {} of lines of 100 bytes", bytes(setting.size));
    let about = "The app is `sort`. All outputs, one after the other, are in order.";
    let mut case = Case::new("sort-lines", setting, title, about);
    let at = &setting.data;
    case.programs = vec![
        Program::yardstick(setting, "sort", at, &inputs).ordered(Order::AllOutputs),
        Program::gristmill(setting, "Gristmill", "sort", at, &inputs).ordered(Order::AllOutputs),
    ];
    let (others, notes) = rivals.of(Job::Sort, at, &inputs);
    case.programs.extend(others);
    case.notes = notes;
    case.input = vec![lines];
    case.keeps_records = Some(Form::Lines);
    Ok(case)
}

fn records(setting: &Setting) -> Result<Case> {
    let records = data::records(setting, setting.size)?;
    let inputs = [argument(&records)];
    let title = format!("Sort, {} of binary records of 100 bytes", bytes(setting.size));
    let about = "Keys of ten random bytes, in order over all outputs. The app is `terasort`.";
    let mut case = Case::new("sort-records", setting, title, about);
    let at = &setting.data;
    case.programs = vec![
        Program::yardstick(setting, "sort", at, &inputs).with(&["--key-bytes", "10"]),
        Program::gristmill(setting, "Gristmill", "terasort", at, &inputs),
    ];
    case.programs = case
        .programs
        .into_iter()
        .map(|program| program.ordered(Order::AllOutputs).of_form(Form::Records))
        .collect();
    case.input = vec![records];
    case.keeps_records = Some(Form::Records);
    Ok(case)
}
