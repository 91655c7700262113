//! `yardstick`: makes test data, and runs the hand-written programs that Gristmill is measured against.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a command-line program")]

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use gristmill_bench::generate::{self, Text};
use gristmill_bench::programs::{disk, indexer, sort, wordcount};

/// Generated data, and hand-written single-purpose programs: what Gristmill is measured against.
///
/// Outputs equal those of Gristmill's apps on text whose letters are ASCII, as the generated text's are: these programs know no others.
#[derive(Parser)]
#[command(name = "yardstick", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write text whose words follow Zipf's law, with a long tail
    Text {
        #[command(flatten)]
        to: To,
        #[command(flatten)]
        shape: Shape,
    },
    /// Write many small files of such text into a directory
    Files {
        /// Directory, made if need be
        directory: PathBuf,
        /// Number of files
        #[arg(long, default_value_t = 100_000)]
        count: u32,
        /// Bytes of each, about
        #[arg(long, default_value_t = 4096)]
        bytes: usize,
        #[command(flatten)]
        shape: Shape,
        /// Seed of all choices
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Write words of nine letters that are all different
    Distinct {
        #[command(flatten)]
        to: To,
    },
    /// Write lines of 99 random printable bytes
    Lines {
        #[command(flatten)]
        to: To,
        /// Share of the lines that are all the same
        #[arg(long, default_value_t = 0.0)]
        skew: f64,
    },
    /// Write binary records of 100 bytes: a random key of ten, and a payload
    Records {
        #[command(flatten)]
        to: To,
        /// Share of the records that have the same key
        #[arg(long, default_value_t = 0.0)]
        skew: f64,
    },
    /// Count words (of ASCII letters) as `word count` lines
    Wordcount(Program),
    /// List the documents of each word (of ASCII letters) as `word n doc1,doc2,…` lines
    Indexer(Program),
    /// Sort records (or lines) of 100 bytes, in order over all outputs
    Sort {
        /// The records
        file: PathBuf,
        /// Directory for the outputs, made if need be
        #[arg(short, long)]
        output: PathBuf,
        /// Sort by how many of the first bytes; equal keys stay in the input's order
        #[arg(long, default_value_t = 100)]
        key_bytes: usize,
        /// Number of threads, and so of outputs
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
    /// Measure what writing, syncing and reading so many bytes costs
    Disk {
        /// On whose file system
        directory: PathBuf,
        /// How many bytes
        #[arg(long, default_value_t = 1 << 30)]
        bytes: u64,
        /// How often
        #[arg(long, default_value_t = 2)]
        passes: usize,
    },
}

#[derive(Args)]
struct To {
    /// Where to
    file: PathBuf,
    /// How many bytes, about
    #[arg(long, default_value_t = 1 << 30)]
    bytes: u64,
    /// Seed of all choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Args)]
struct Shape {
    /// Number of different words
    #[arg(long, default_value_t = 1_250_000)]
    distinct: u32,
    /// Share of the words that are the most frequent one, beyond its own
    #[arg(long, default_value_t = 0.0)]
    skew: f64,
}

impl Shape {
    fn text(&self, seed: u64) -> Text {
        Text { distinct: self.distinct, seed, skew: self.skew }
    }
}

#[derive(Args)]
struct Program {
    /// Files, and directories of files
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Directory for the outputs, made if need be
    #[arg(short, long)]
    output: PathBuf,
    /// Number of threads, and so of outputs
    #[arg(long, default_value_t = 2)]
    threads: usize,
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
        Command::Text { to, shape } => generate::text(&to.file, to.bytes, shape.text(to.seed)),
        Command::Files { directory, count, bytes, shape, seed } => {
            generate::files(&directory, count, bytes, shape.text(seed))
        }
        Command::Distinct { to } => generate::distinct(&to.file, to.bytes, to.seed),
        Command::Lines { to, skew } => generate::lines(&to.file, to.bytes, to.seed, skew),
        Command::Records { to, skew } => generate::records(&to.file, to.bytes, to.seed, skew),
        Command::Wordcount(program) => {
            wordcount::run(&program.inputs, &program.output, program.threads.max(1))
        }
        Command::Indexer(program) => indexer::run(&program.inputs, &program.output, program.threads.max(1)),
        Command::Sort { file, output, key_bytes, threads } => {
            sort::run(&file, &output, key_bytes, threads.max(1))
        }
        Command::Disk { directory, bytes, passes } => {
            for pass in disk::run(&directory, bytes, passes)? {
                println!("write {:.3}\nread {:.3}", pass.write.as_secs_f64(), pass.read.as_secs_f64());
            }
            Ok(())
        }
    }
}
