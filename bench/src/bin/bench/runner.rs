//! Runs the programs of a case in turn, A B A B, and compares all results.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use gristmill_bench::programs::disk;

use crate::cases::{Case, Smaller};
use crate::fingerprint::{self, Fingerprint, Found};
use crate::machine::{self, Machine};
use crate::measure;
use crate::program::{Kind, Order, Program};
use crate::results::{self, Results, Run, Series};
use crate::setting::Setting;

pub(crate) fn run(case: Case, setting: &Setting) -> Result<Results> {
    crate::say(&format!("\n{}", case.title));
    let input_bytes = read(&case.input)?;
    let mut expected = match case.keeps_records {
        Some(form) => Some(fingerprint::of(&case.input, form)?.print),
        None => None,
    };
    let mut results = Results {
        case: case.name.to_owned(),
        title: case.title,
        about: case.about,
        input_bytes,
        date: machine::date(),
        commit: machine::commit(),
        machine: Machine::here(),
        series: case.programs.iter().map(empty_series).collect(),
        notes: case.notes,
        disk_s: if case.disk { Some(disk_seconds(setting, input_bytes)?) } else { None },
        smaller: case.smaller.as_ref().map(empty_smaller).transpose()?,
    };
    let mut expected_smaller = None;
    let mut failed = vec![false; case.programs.len()];
    for round in 0..case.rounds {
        if let (Some(Smaller { program, .. }), Some(smaller)) = (&case.smaller, &mut results.smaller) {
            let run = measured(program, &mut expected_smaller)?;
            show(program, &run);
            smaller.series.runs.push(run);
        }
        for ((program, series), failed) in case.programs.iter().zip(&mut results.series).zip(&mut failed) {
            if *failed || (round > 0 && spent(series) > setting.patience) {
                continue;
            }
            match measured(program, &mut expected) {
                Ok(run) => {
                    show(program, &run);
                    series.runs.push(run);
                }
                // A rival may fail; what is ours must not.
                Err(error) if program.kind == Kind::Rival => {
                    *failed = true;
                    series.runs.clear();
                    crate::say(&format!("{error:#}"));
                    results.notes.push(format!("{} failed: {error:#}.", program.name));
                }
                Err(error) => return Err(error),
            }
        }
    }
    results.series.retain(|series| !series.runs.is_empty());
    Ok(results)
}

fn empty_series(program: &Program) -> Series {
    let budget_bytes = program.budget_bytes;
    Series { name: program.name.clone(), kind: program.kind, budget_bytes, runs: Vec::new() }
}

fn empty_smaller(smaller: &Smaller) -> Result<results::Smaller> {
    Ok(results::Smaller { input_bytes: read(&smaller.input)?, series: empty_series(&smaller.program) })
}

fn spent(series: &Series) -> Duration {
    Duration::from_secs_f64(series.runs.iter().map(|run| run.wall_s).sum())
}

/// Reads the whole input, so that it is in the page cache; how large it is.
fn read(inputs: &[PathBuf]) -> Result<u64> {
    let mut bytes = 0;
    for input in inputs {
        let files = if input.is_dir() { fingerprint::result_files(input)? } else { vec![input.clone()] };
        for file in files {
            let mut open = File::open(&file).with_context(|| format!("open {}", file.display()))?;
            bytes += io::copy(&mut open, &mut io::sink())?;
        }
    }
    Ok(bytes)
}

fn disk_seconds(setting: &Setting, bytes: u64) -> Result<f64> {
    crate::say("writing, syncing and reading as much, twice");
    let passes = disk::run(&setting.data, bytes, 2)?;
    for pass in &passes {
        crate::say(&format!(
            "  write {:7.3} s  read {:7.3} s",
            pass.write.as_secs_f64(),
            pass.read.as_secs_f64()
        ));
    }
    Ok(passes.iter().map(|pass| (pass.write + pass.read).as_secs_f64()).sum())
}

fn measured(program: &Program, expected: &mut Option<Fingerprint>) -> Result<Run> {
    std::fs::create_dir_all(program.output.parent().unwrap_or(&program.output))?;
    let run = measure::run(program)?;
    check(program, expected)?;
    program.clear()?;
    Ok(run)
}

fn check(program: &Program, expected: &mut Option<Fingerprint>) -> Result<()> {
    // What prints its results has no directory of them.
    let files = if program.output.is_dir() {
        fingerprint::result_files(&program.output)?
    } else {
        vec![program.stdout.clone()]
    };
    let found = fingerprint::of(&files, program.form)?;
    let expected = expected.get_or_insert(found.print);
    if found.print != *expected {
        bail!(
            "{}: its results differ from those expected ({} records instead of {})",
            program.name,
            found.print.records,
            expected.records
        );
    }
    ensure!(in_order(program, &found), "{}: its results are not in order", program.name);
    Ok(())
}

fn in_order(program: &Program, found: &Found) -> bool {
    match program.order {
        Order::Any => true,
        Order::AllOutputs => found.all_in_order,
    }
}

fn show(program: &Program, run: &Run) {
    let memory = run.peak_tree_bytes >> 20;
    crate::say(&format!(
        "  {:28} wall {:8.3} s  cpu {:8.3} s  memory {memory:6} MiB",
        program.name, run.wall_s, run.cpu_s
    ));
}
