//! What this process has used: CPU time and the largest resident size.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Measures one attempt.
pub(super) struct Meter {
    begun: Instant,
    cpu: Duration,
}

/// What one attempt has used.
pub(super) struct Usage {
    pub(super) wall_ms: u64,
    pub(super) cpu_ms: u64,
    pub(super) peak_bytes: u64,
}

impl Meter {
    pub(super) fn start() -> Self {
        // Sets the peak back to the present size; without it the figure is the peak of all attempts of this slot.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self { begun: Instant::now(), cpu: cpu_time() }
    }

    pub(super) fn stop(self) -> Usage {
        Usage {
            wall_ms: whole_ms(self.begun.elapsed()),
            cpu_ms: whole_ms(cpu_time().saturating_sub(self.cpu)),
            peak_bytes: peak_bytes().unwrap_or(0),
        }
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_the_figures() {
        let meter = Meter::start();
        let block: Vec<u64> = (0..4 << 20).collect();
        while cpu_time() - meter.cpu < Duration::from_millis(5) {
            std::hint::black_box(block.iter().sum::<u64>());
        }
        let usage = meter.stop();
        assert!(usage.cpu_ms >= 5);
        if cfg!(target_os = "linux") {
            assert!(usage.peak_bytes >= 32 << 20);
        }
    }
}
