//! Which trials there are, and what their outcomes mean.

use gristmill_model::{InputFile, InputMode};

use crate::failure::Outcome;

use super::bench::{Bench, Cause, Output, Plan, Tried, Trouble};
use super::report::{Finding, Report};
use super::samples::{self, Sample};

/// Tries everything.
pub(super) async fn run(bench: &mut Bench, own: &[InputFile], report: &mut Report) -> Outcome {
    let mode = bench.plugin().input_mode;
    let ordinary = samples::ordinary(mode);
    let made_up = bench.write(&ordinary)?;
    match bench.try_it(&made_up, Plan::PLAIN).await? {
        Ok(reference) => {
            report.add(Finding::ok(ordinary.name))?;
            repeat(bench, &made_up, &reference, ordinary.name, report).await?;
        }
        // An app for some format of its own may well refuse our words; not so its user's data.
        Err(trouble) if trouble.cause == Cause::Error => {
            report.add(refused(ordinary.name, &trouble, own.is_empty()))?;
        }
        Err(trouble) => report.add(troubled(ordinary.name, &trouble, ordinary.hint))?,
    }
    if !own.is_empty() {
        let name = "your own input";
        match bench.try_it(own, Plan::PLAIN).await? {
            Ok(reference) => {
                report.add(Finding::ok(name))?;
                repeat(bench, own, &reference, name, report).await?;
            }
            Err(trouble) => report.add(troubled(
                name,
                &trouble,
                "the message names the place; `gristmill run` shows the same",
            ))?,
        }
    }
    for sample in samples::odd(mode) {
        odd(bench, &sample, report).await?;
    }
    Ok(())
}

/// The same input in other ways: nothing may change.
async fn repeat(
    bench: &mut Bench,
    files: &[InputFile],
    reference: &Output,
    name: &str,
    report: &mut Report,
) -> Outcome {
    bench.fresh().await?;
    let again = bench.try_it(files, Plan::PLAIN).await?;
    let same = report_same(format!("{name}, a second time"), again, reference, NOT_DETERMINISTIC, report)?;
    // What differs by itself cannot be compared.
    if !same {
        return Ok(());
    }
    if !bench.same_pairs(files).await? {
        let hidden = "map emits other pairs in another process, though the output is the same this time";
        report.add(Finding::wrong(format!("{name}, pair by pair"), hidden, NOT_DETERMINISTIC))?;
    }
    let combines = bench.plugin().combines;
    if bench.plugin().input_mode != InputMode::File {
        let split = bench.try_it(files, bench.small_splits(files)).await?;
        let why = if combines { COMBINE_OR_STATE } else { STATE };
        report_same(format!("{name}, in many small splits"), split, reference, why, report)?;
    }
    let spilled = bench.try_it(files, Plan::LITTLE_MEMORY).await?;
    let why = if combines { COMBINE } else { ORDER };
    report_same(format!("{name}, with little memory"), spilled, reference, why, report)?;
    Ok(())
}

const NOT_DETERMINISTIC: &str = "the app is not deterministic, but the same input must give the same output: look for clocks, random numbers, thread or process ids, \
     and hash maps that are iterated";
const COMBINE_OR_STATE: &str = "reduce must give the same from values that were combined in any groups, in order, or not at all; and \
     map must not carry state from one block to the next";
const COMBINE: &str = "reduce must give the same from values that were combined in any groups, in order, or not at all: a count is a sum \
     of counts, not a number of values; floats do not add up alike in every order";
const STATE: &str = "map must treat each line or record by itself: a split may begin at any of them";
const ORDER: &str = "reduce must depend on its key and values alone";

fn report_same(
    trial: String,
    tried: Tried,
    reference: &Output,
    why: &str,
    report: &mut Report,
) -> Outcome<bool> {
    let finding = match tried {
        Ok(output) => match output.difference(reference) {
            None => Finding::ok(trial),
            Some(difference) => Finding::wrong(trial, difference, why),
        },
        Err(trouble) => troubled(&trial, &trouble, "it went well the first time"),
    };
    let same = finding.message.is_none();
    report.add(finding)?;
    Ok(same)
}

/// An error that is returned is an answer, and a good one for input that makes no sense to the app; all else is a fault.
async fn odd(bench: &mut Bench, sample: &Sample, report: &mut Report) -> Outcome {
    let files = bench.write(sample)?;
    let finding = match bench.try_it(&files, Plan::PLAIN).await? {
        Ok(_) => Finding::ok(sample.name),
        Err(trouble) if trouble.cause == Cause::Error => {
            Finding::note(sample.name, trouble.to_string(), format!("fine if that is meant; {}", sample.hint))
        }
        Err(trouble) => troubled(sample.name, &trouble, sample.hint),
    };
    report.add(finding)
}

fn refused(name: &str, trouble: &Trouble, nothing_else: bool) -> Finding {
    let hint = "if the app takes another format or needs parameters, name an INPUT and give --arg: determinism and the \
                combiner could not be tried on this one";
    if nothing_else {
        Finding::wrong(name, trouble.to_string(), hint)
    } else {
        Finding::note(name, trouble.to_string(), "your own input is tried instead")
    }
}

fn troubled(name: &str, trouble: &Trouble, hint: &str) -> Finding {
    let advice = match trouble.cause {
        Cause::Error => hint,
        Cause::Panic => &format!("return an error with `?` instead of panicking; {hint}"),
        Cause::Died => {
            &format!("it took its process down: look for exit, abort, stack overflow, unsafe code; {hint}")
        }
        Cause::Hung => &format!("say progress from time to time, or look for a loop without end; {hint}"),
        Cause::Boundary => {
            "the rules are in gristmill_sdk::abi and gristmill.h; a plugin made with the sdk keeps them"
        }
        Cause::Elsewhere => "this is not the app's fault; mend it and check again",
    };
    Finding::wrong(name, trouble.to_string(), advice)
}
