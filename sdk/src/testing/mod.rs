//! Runs an app within a unit test.
//!
//! ```
//! use gristmill_sdk::prelude::*;
//! use gristmill_sdk::testing::{self, TestJob};
//! # #[derive(Default)]
//! # struct WordCount;
//! # impl App for WordCount {
//! #     type Key = str;
//! #     type Value = u64;
//! #     const COMBINE: Option<Combine<Self>> = Some(|total, next| *total += next);
//! #     fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
//! #         split.words().for_each(|word| emit.pair(word, 1));
//! #         Ok(())
//! #     }
//! #     fn reduce(&mut self, word: &str, counts: Values<'_, u64>, out: &mut Output<'_>) -> Result<()> {
//! #         out.pair(word, counts.sum::<u64>());
//! #         Ok(())
//! #     }
//! # }
//!
//! let job = TestJob::new().input("a.txt", "to be or not\nto be\n");
//! let outcome = testing::run_every_way::<WordCount>(&job)?;
//! assert_eq!(outcome.text(), "be 2\nnot 1\nor 1\nto 2\n");
//! # Ok::<(), testing::Failure>(())
//! ```
//!
//! The app is called through the very functions that a worker calls, by a host that keeps everything in memory and checks
//! that the rules of the boundary are kept. [`run`] goes the plain way: one split for each input, memory enough, as
//! many partitions as the job says. [`run_every_way`] goes many ways and compares: a job must give the same however its
//! input is split, its memory is bounded, its values are combined and its keys are spread. The outputs of a job with a total order
//! are compared in their order.

mod engine;
mod host;
mod job;
mod plan;
mod plugin;

pub use job::{Failure, Outcome, Stage, TestJob};

use crate::{App, abi, shim};
use plan::Plan;

/// How many ways [`run_every_way`] tries.
const WAYS: u64 = 24;

/// Runs the app the plain way.
///
/// # Errors
/// What made the job fail, as the user would be told.
pub fn run<A: App>(job: &TestJob) -> Result<Outcome, Failure> {
    run_plugin(&shim::descriptor::<A>("app", "0"), job)
}

/// Runs the app the plain way, then many other ways, and compares the sorted lines of the output and the counters. Gives
/// the plain outcome.
///
/// # Errors
/// What made the job fail, or the way in which it gave something else.
pub fn run_every_way<A: App>(job: &TestJob) -> Result<Outcome, Failure> {
    run_plugin_every_way(&shim::descriptor::<A>("app", "0"), job)
}

/// [`run`] for a plugin in whatever language.
///
/// # Errors
/// As for [`run`].
pub fn run_plugin(plugin: &abi::Descriptor, job: &TestJob) -> Result<Outcome, Failure> {
    engine::run(plugin, job, &mut Plan::plain(job))
}

/// [`run_every_way`] for a plugin in whatever language.
///
/// # Errors
/// As for [`run_every_way`].
pub fn run_plugin_every_way(plugin: &abi::Descriptor, job: &TestJob) -> Result<Outcome, Failure> {
    let plain = run_plugin(plugin, job)?;
    let total_order = plugin.flags & abi::flags::TOTAL_ORDER != 0;
    for seed in 0..WAYS {
        let mut plan = Plan::random(job, seed);
        let told = plan.to_string();
        let other = engine::run(plugin, job, &mut plan).map_err(|failure| failure.under(&told))?;
        if let Some(difference) = plain.difference(&other, total_order) {
            return Err(Failure::of_host(format!("{told} the job gives something else: {difference}")));
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests;
