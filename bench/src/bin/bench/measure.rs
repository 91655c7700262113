//! One run of one program: wall time, processor time of all its processes, peak memory.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use wait4::Wait4;

use crate::memory;
use crate::program::Program;
use crate::results::Run;

/// Lets orphans of measured programs become children of this process, so that their processor time can be counted.
pub(crate) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Runs a program once, its old results removed and everything written back before.
pub(crate) fn run(program: &Program) -> Result<Run> {
    program.clear()?;
    rustix::fs::sync();
    let log = program.log();
    let mut command = Command::new(&program.command[0]);
    command.args(&program.command[1..]).envs(program.environment.iter().cloned());
    command.current_dir(&program.directory).stdin(Stdio::null()).stderr(create(&log)?);
    command.stdout(create(&program.stdout)?);

    let begin = Instant::now();
    let child = command.spawn().with_context(|| format!("start {}", program.command[0].display()))?;
    let (process, over) = (child.id(), AtomicBool::new(false));
    let (used, wall, peak_tree) = thread::scope(|scope| {
        let watch = scope.spawn(|| memory::watch(process, &over));
        let used = child.wait4();
        let wall = begin.elapsed();
        over.store(true, Ordering::Relaxed);
        (used, wall, watch.join().unwrap_or(0))
    });
    let used = used?;
    if !used.status.success() {
        let errors = fs::read_to_string(&log).unwrap_or_default();
        bail!("{}: {}: {}", program.name, used.status, errors.lines().last().unwrap_or("no message"));
    }
    let cpu = used.rusage.utime + used.rusage.stime + orphans()?;
    Ok(Run {
        wall_s: wall.as_secs_f64(),
        cpu_s: cpu.as_secs_f64(),
        peak_process_bytes: used.rusage.maxrss,
        peak_tree_bytes: peak_tree.max(used.rusage.maxrss),
        peak_slot_bytes: program.peak_slot()?,
    })
}

fn create(path: &std::path::Path) -> Result<File> {
    File::create(path).with_context(|| format!("create {}", path.display()))
}

/// Waits for what a program left running, and tells its processor time.
fn orphans() -> Result<Duration> {
    let before = reaped()?;
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        match rustix::process::wait(rustix::process::WaitOptions::NOHANG) {
            Err(rustix::io::Errno::CHILD) => break,
            Err(error) => return Err(error.into()),
            Ok(Some(_)) => {}
            Ok(None) => {
                ensure!(Instant::now() < patience, "a program left processes behind that do not end");
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
    Ok(reaped()?.saturating_sub(before))
}

/// Processor time of all children waited for so far.
fn reaped() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    let all = ticks(13) + ticks(14);
    Ok(Duration::from_secs_f64(all as f64 / rustix::param::clock_ticks_per_second() as f64))
}
