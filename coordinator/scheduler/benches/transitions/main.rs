//! What decisions cost: transitions a second, bytes of state for each task, and what a copy and a snapshot of a large state take.
//!
//! `cargo bench -p gristmill-scheduler` runs jobs of 10,000 to 1,000,000 map tasks on 1,000 workers, in memory and on one core. A
//! transition is one fact, decided, applied and answered. Time is what the thread had of a processor, so that it says the same on a busy
//! machine. Memory is what the process has resident.
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has failed")]

mod clients;
mod world;

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::{Write, stdout};
use std::time::Duration;

use gristmill_scheduler::State;

use self::world::{Copies, World};

const WORKERS: u64 = 1_000;
const SLOTS: u32 = 4;
const TASKS_MAX: u64 = 1_000_000;
const COPIES: u32 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    writeln!(
        out,
        "{WORKERS} workers of {SLOTS} slots; a transition is one fact decided, applied and answered"
    )?;
    // Kept until all memory is measured: what is freed could be used again.
    let sessions = clients::with_sessions(&mut out)?;
    memory(&mut out)?;
    clients::writes(&mut out, sessions)?;
    for (tasks, jobs) in [(TASKS_MAX, 1), (100_000, 1), (10_000, 1), (TASKS_MAX, 1_000)] {
        for (batch, copies) in
            [(1, Copies::Never), (10, Copies::Never), (100, Copies::Never), (10, Copies::Often)]
        {
            let (mut facts, mut time) = (0, Duration::ZERO);
            for _ in 0..TASKS_MAX / tasks {
                let (more, longer) = World::new(WORKERS, SLOTS, tasks, jobs).run(tasks, batch, copies)?;
                facts += more;
                time += longer;
            }
            let seconds = time.as_secs_f64();
            let (rate, each) = (facts as f64 / seconds, seconds * 1e6 / facts as f64);
            writeln!(
                out,
                "{tasks} tasks of {jobs} jobs, {batch} polls a decision, copied {copies}: {rate:.0} transitions/s, {each:.2} µs each"
            )?;
        }
    }
    Ok(())
}

/// What a large job takes while it waits and when all its maps have won, and what it takes to copy it.
fn memory(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let empty_bytes = resident_bytes()?;
    let mut world = World::new(WORKERS, SLOTS, TASKS_MAX, 1);
    let waiting_bytes = resident_bytes()?.saturating_sub(empty_bytes);
    world.run(TASKS_MAX, 10, Copies::Never)?;
    let won_bytes = resident_bytes()?.saturating_sub(empty_bytes);
    let (waiting, won) = (waiting_bytes / TASKS_MAX, won_bytes / TASKS_MAX);
    writeln!(out, "{TASKS_MAX} tasks: {waiting} bytes for each when all wait, {won} when all have won")?;
    snapshot(out, &world.state, TASKS_MAX)
}

fn snapshot(out: &mut impl Write, state: &State, tasks: u64) -> Result<(), Box<dyn Error>> {
    let (copied, ()) = timed(|| (0..COPIES).for_each(|_| drop(black_box(state).clone())))?;
    let (written, bytes) = timed(|| postcard::to_allocvec(state))?;
    let bytes = bytes?;
    let (read, restored) = timed(|| postcard::from_bytes::<State>(&bytes))?;
    let restored = restored?;
    let (validated, valid) = timed(|| restored.validate())?;
    valid?;
    writeln!(
        out,
        "{tasks} tasks: a copy takes {:?}; a snapshot has {} bytes ({} for each task), takes {written:?} to write, {read:?} to read and {validated:?} to validate",
        copied / COPIES,
        bytes.len(),
        bytes.len() as u64 / tasks,
    )?;
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> T) -> Result<(Duration, T), Box<dyn Error>> {
    let begin = processor_time()?;
    let made = work();
    Ok((processor_time()?.saturating_sub(begin), made))
}

/// What this thread had of a processor. Told by the tick of its clock, so only long work can be timed.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = stat.split_whitespace().next().ok_or("no time of the thread")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// What the process has in memory, in pages of 4 KiB.
fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split_whitespace().nth(1).ok_or("no resident size")?.parse()?;
    Ok(pages * 4096)
}
