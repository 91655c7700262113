//! Runs k-means to its end: one job of the app `kmeans` for each iteration, until no centroid moves any more.
//!
//! An example of a program that drives jobs. All it must not forget is in the key/value store of the coordinators, under one key that it
//! changes only by compare-and-swap: how many iterations are over, the centroids, and what is being done about the next. So it may be
//! killed at any moment and started again, on any machine, even while another still runs, and no iteration is run twice:
//!
//! ```text
//!           session                job                      output
//!  Ready ───────────▶ Submitting ────────▶ Running ───────────────────▶ Ready, one iteration further
//!    ▲                    │                   │
//!    └── session is over ─┘ no job was made   └── job failed: told, and tried again by the next start
//! ```
//!
//! A job is submitted under a request key made of a session and the number of the iteration. Both are in the store before the job is
//! submitted, so whoever goes on submits the same request, and the coordinators answer with the same job. When the session is over
//! and the job not known, nothing of it will ever be executed: the iteration begins anew, unless its output is already complete.
//!
//! ```text
//! gristmill coordinator --listen 127.0.0.1:7070 --data-dir state &
//! gristmill worker --coordinator 127.0.0.1:7070 &
//! kmeans-driver --coordinator 127.0.0.1:7070 --k 3 -o out points.txt
//! ```
#![forbid(unsafe_code)]

mod arguments;
mod cluster;
mod driver;
mod group;
mod output;
mod progress;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::arguments::Arguments;
use crate::progress::{Goal, Progress};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "kmeans-driver: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let goal = Goal { tolerance: arguments.tolerance, iterations_max: arguments.iterations_max };
    let inputs = arguments.list_inputs()?;
    let begin = arguments.begin(&inputs)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let reached = runtime.context("start the async runtime")?.block_on(async {
        let group = group::Group::new(arguments, inputs)?;
        driver::drive(&group, &begin, goal, &mut |progress| {
            let _ = writeln!(io::stderr(), "kmeans-driver: {}", told(progress));
        })
        .await
    })?;
    io::stdout().write_all(result(&reached, goal).as_bytes()).context("write to standard output")
}

/// For people, as it goes on.
fn told(progress: &Progress) -> String {
    let moved = progress.moved.unwrap_or_default();
    format!("iteration {} is over; a centroid moved by {moved} millionths", progress.iteration)
}

/// Lines of `key value`.
fn result(reached: &Progress, goal: Goal) -> String {
    let converged = if goal.is_converged(reached) { "yes" } else { "no" };
    let mut text = format!("iterations {}\nconverged {converged}\n", reached.iteration);
    for centroid in &reached.centroids {
        text.push_str(&format!("centroid {centroid}\n"));
    }
    text
}
