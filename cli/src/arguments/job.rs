//! What `run` and `submit` have in common: the app, its inputs, its output, the options of a job.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use gristmill_model::{JobOptions, Params};

use super::units;

/// Arguments that describe a job.
#[derive(Args, Clone, Debug)]
pub(crate) struct JobArguments {
    /// The app: a crate directory, a library file, or the name of a bundled app
    ///
    /// A path that exists wins over a bundled app of the same name. A crate directory (one with a Cargo.toml) is built with
    /// cargo, in release; its library target must have crate-type "cdylib". Bundled apps: wc, indexer, grep, sort, terasort, topk, join;
    /// they are looked for beside the gristmill executable and in ../lib/gristmill.
    #[arg(long, value_name = "APP")]
    pub app: PathBuf,

    /// Input files, globs or directories
    ///
    /// Of a directory, all files below it are read, except those whose names start with `.` or `_`.
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,

    /// Directory for the output: mr-out-00000 … and, when all is there, _SUCCESS
    #[arg(short, long, value_name = "DIR", default_value = "gristmill-out")]
    pub output: PathBuf,

    /// Replace what the output directory holds
    #[arg(long)]
    pub overwrite: bool,

    /// Parameter for the app; may be given several times
    #[arg(long = "arg", value_name = "KEY=VALUE", value_parser = param)]
    pub params: Vec<(String, String)>,

    /// Number of reduce tasks, and so of output files [default: number of slots]
    #[arg(short, long, value_name = "N", value_parser = units::whole::<u32>(0..=REDUCES_MAX))]
    pub reduces: Option<u32>,

    /// Bytes of input per map task, such as 64MiB [default: chosen from the size of the input]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub split_size: Option<u64>,

    /// Memory of one slot, such as 1GiB; beyond it pairs are spilled to disk
    #[arg(long, value_name = "SIZE", value_parser = units::size, default_value = "512MiB")]
    pub memory: u64,

    /// Time without progress after which an attempt is given to another worker
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "10s")]
    pub task_timeout: Duration,

    /// How many attempts of one task may fail by the app's own fault
    #[arg(long, value_name = "N", value_parser = units::whole::<u32>(1..=ATTEMPTS_MAX), default_value_t = 4)]
    pub max_attempts: u32,

    /// Among jobs that wait for slots, those with a higher priority come first
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = units::whole::<i8>(-128..=127))]
    pub priority: i8,
}

/// More output files than this are a typing error.
const REDUCES_MAX: i128 = 100_000;
/// As many as can be counted.
const ATTEMPTS_MAX: i128 = u32::MAX as i128;

impl JobArguments {
    /// The options of the job, for which there will be so many slots if that is known.
    pub(crate) fn options(&self, slots: Option<u32>) -> JobOptions {
        JobOptions {
            reduces: self.reduces,
            split_bytes: self.split_size,
            memory_bytes: self.memory,
            task_timeout_ms: u64::try_from(self.task_timeout.as_millis()).unwrap_or(u64::MAX),
            max_attempts: self.max_attempts,
            overwrite: self.overwrite,
            slots,
            priority: self.priority,
        }
    }
}

/// The app's parameters; a key that was given twice is an error, since one of the values would be lost.
pub(crate) fn params(given: &[(String, String)]) -> Result<Params, String> {
    let mut params = Params::new();
    for (key, value) in given {
        if let Some(before) = params.insert(key.clone(), value.clone()) {
            return Err(format!("--arg {key} is given twice: `{before}` and `{value}`"));
        }
    }
    Ok(params)
}

/// One `KEY=VALUE`.
pub(super) fn param(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("the key is missing; write KEY=VALUE".to_owned()),
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err("write KEY=VALUE, such as pattern=whale".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_anything_also_equals_signs_and_nothing() {
        assert_eq!(param("pattern=a=b c"), Ok(("pattern".to_owned(), "a=b c".to_owned())));
        assert_eq!(param("k="), Ok(("k".to_owned(), String::new())));
        assert!(param("k").is_err() && param("=v").is_err());
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        let given = [("k".to_owned(), "1".to_owned()), ("k".to_owned(), "2".to_owned())];
        assert_eq!(params(&given), Err("--arg k is given twice: `1` and `2`".to_owned()));
        assert_eq!(params(&given[..1]).unwrap()["k"], "1");
    }
}
