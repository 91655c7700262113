//! Generated data, and hand-written single-purpose programs: what Gristmill is measured against.
//!
//! The programs do one thing each, as fast as we can make it on a few cores, with none of an engine's duties (no plugin, no recovery, no
//! memory budget). Their outputs must equal Gristmill's.
#![expect(clippy::print_stderr, reason = "a command-line program")]

mod generate;
mod input;
mod random;
mod sort;
mod wordcount;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "yardstick", about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write text whose words follow Zipf's law, with a long tail.
    Text {
        /// Where to.
        file: PathBuf,
        /// How many bytes, about.
        #[arg(long, default_value_t = 1 << 30)]
        bytes: u64,
        /// Number of different words.
        #[arg(long, default_value_t = 1_250_000)]
        distinct: u32,
        /// Seed of all choices.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Write lines of 99 random printable bytes and a newline.
    Lines {
        /// Where to.
        file: PathBuf,
        /// How many bytes, about.
        #[arg(long, default_value_t = 1 << 30)]
        bytes: u64,
        /// Seed of all choices.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Count ASCII words: `word count` lines, sorted, one file a thread.
    Wordcount {
        /// The text.
        file: PathBuf,
        /// A directory, made if need be.
        output: PathBuf,
        /// Number of threads.
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
    /// Sort 100-byte lines by their bytes into one file.
    Sort {
        /// The lines.
        file: PathBuf,
        /// A directory, made if need be.
        output: PathBuf,
        /// Number of threads.
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("yardstick: error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> io::Result<()> {
    match command {
        Command::Text { file, bytes, distinct, seed } => generate::text(&file, bytes, distinct, seed),
        Command::Lines { file, bytes, seed } => generate::lines(&file, bytes, seed),
        Command::Wordcount { file, output, threads } => wordcount::run(&file, &output, threads.max(1)),
        Command::Sort { file, output, threads } => sort::run(&file, &output, threads.max(1)),
    }
}
