//! What the control plane carries: task transitions a second through the durable log of a group of one and of three, what one call by itself
//! takes beside one sync of this disk, and what an idle group costs.
//!
//! `cargo bench -p gristmill-coordinator` runs whole coordinators in this process, over TCP, with syncs, and simulated workers that
//! succeed at once; all share the machine. The idle group is of processes of their own (`target/release/gristmill`, if it is there), so
//! that only its own time is counted. Files are made in the directory for temporary files: set TMPDIR to measure another disk.
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has failed")]

mod disk;
mod idle;
mod load;
mod place;

use std::error::Error;
use std::io::{Write, stdout};
use std::time::Duration;

use gristmill_coordinator::Coordinator;

const WORKERS: usize = 100;
const SLOTS: u32 = 8;
const TASKS: u32 = 100_000;
const CALLS: usize = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Box<dyn Error>> {
    if std::env::args().any(|word| word == "idle") {
        return idle().await;
    }
    let sync = disk::sync_time(CALLS)?;
    say(format!("one append and sync of 200 bytes: median {:.0} µs", micros(sync)))?;
    for members in [0, 1, 3] {
        let place = place::Place::start(members).await?;
        let name = match members {
            0 => "in memory".to_owned(),
            members => format!("group of {members}, synced"),
        };
        let (transitions, took) = load::transitions(&place, WORKERS, SLOTS, TASKS).await?;
        let rate = f64::from(transitions) / took.as_secs_f64();
        say(format!(
            "{name}: {rate:.0} transitions a second ({WORKERS} workers of {SLOTS} slots, {TASKS} tasks)"
        ))?;
        let call = load::one_call(&place, CALLS).await?;
        let beside = if members > 0 {
            format!(", {:.2} × a sync", call.as_secs_f64() / sync.as_secs_f64())
        } else {
            String::new()
        };
        say(format!("{name}: one write by itself: median {:.0} µs{beside}", micros(call)))?;
        for coordinator in place.coordinators {
            Coordinator::shutdown(coordinator).await?;
        }
    }
    idle().await
}

async fn idle() -> Result<(), Box<dyn Error>> {
    match idle::share(1_000, Duration::from_secs(20)).await? {
        Some(share) => {
            say(format!("idle group of three with 1000 workers: {:.1} % of a core", share * 100.0))
        }
        None => say("idle group: left out, target/release/gristmill is not there".to_owned()),
    }?;
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn say(line: String) -> std::io::Result<()> {
    writeln!(stdout().lock(), "{line}")
}
