//! `bench`: runs Gristmill beside hand-written programs and other systems, and writes the page on it. `scripts/bench.sh` builds all and starts it.
#![expect(clippy::print_stderr, reason = "a command-line program")]

mod aims;
mod cases;
mod data;
mod fingerprint;
mod machine;
mod measure;
mod memory;
mod program;
mod report;
mod results;
mod rivals;
mod runner;
mod setting;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use cases::Choice;
use rivals::Rivals;
use setting::{Setting, parse_bytes};

/// Run Gristmill beside hand-written programs and other systems, and write docs/benchmarks.md
#[derive(Parser)]
#[command(name = "bench", version)]
struct Arguments {
    /// Bytes of an input of full size
    #[arg(long, default_value = "1GiB", value_parser = parse_bytes)]
    size: u64,
    /// How often each program runs, if it does not take long
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Seconds after which a program is not run again
    #[arg(long, default_value_t = 30)]
    patience: u64,
    /// Only these cases [default: all but memory and big]
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Choice>,
    /// Leave out what is not ours
    #[arg(long)]
    no_rivals: bool,
    /// Where inputs are generated and kept, and results written [default: target/bench]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Keep the inputs for the next time
    #[arg(long)]
    keep: bool,
    /// Where the page goes
    #[arg(long, default_value = "docs")]
    docs: PathBuf,
    /// The project's directory
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A line on how it goes.
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

fn run(arguments: &Arguments) -> Result<()> {
    measure::adopt_orphans();
    let root = arguments.root.canonicalize().context("find the project")?;
    // A directory of its own, which can be removed whatever else is there.
    let data = arguments.data.clone().unwrap_or_else(|| root.join("target/bench")).join("generated");
    fs::create_dir_all(&data).with_context(|| format!("make {}", data.display()))?;
    let data = data.canonicalize()?;
    let executable = std::env::current_exe()?;
    let executables = executable.parent().context("where this executable is")?.to_owned();
    let setting = Setting {
        root,
        executables,
        data,
        size: arguments.size,
        rounds: arguments.rounds.into(),
        patience: Duration::from_secs(arguments.patience),
        rivals: !arguments.no_rivals,
    };
    let rivals = Rivals::new(&setting);
    let choices = if arguments.only.is_empty() { &Choice::DEFAULT[..] } else { &arguments.only };
    for choice in choices {
        for case in choice.cases(&setting, &rivals)? {
            let results = runner::run(case, &setting)?;
            results.save(&arguments.docs.join("benchmarks"))?;
            report::write(&arguments.docs)?;
        }
    }
    if !arguments.keep {
        fs::remove_dir_all(&setting.data).with_context(|| format!("remove {}", setting.data.display()))?;
    }
    say(&format!("\nwrote {}", arguments.docs.join("benchmarks.md").display()));
    Ok(())
}
