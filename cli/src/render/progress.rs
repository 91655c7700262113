//! Progress on standard error: bars on a terminal, a plain line every few seconds elsewhere, nothing for jobs that end at once.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use gristmill_coordinator::state_word;
use gristmill_model::{JobPhase, JobStatus, StageStatus};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::human;
use crate::output;

/// Bars that appear and vanish within this time are only flicker.
const BARS_AFTER: Duration = Duration::from_millis(200);
/// Lines end up in logs: few are better.
const LINES_EVERY: Duration = Duration::from_secs(5);

/// What shows how far a job is.
pub(crate) struct Progress {
    started: Instant,
    shown: Shown,
}

enum Shown {
    Nothing,
    Bars(Option<Bars>),
    Lines { last: Instant },
}

impl Progress {
    /// Bars if standard error is a terminal, else lines; nothing if `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        let started = Instant::now();
        let shown = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Bars(None),
            (false, false) => Shown::Lines { last: started },
        };
        Self { started, shown }
    }

    /// The job is this far.
    pub(crate) fn show(&mut self, status: &JobStatus) {
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Bars(bars) => {
                if bars.is_some() || self.started.elapsed() >= BARS_AFTER {
                    bars.get_or_insert_with(Bars::new).show(status, self.started.elapsed());
                }
            }
            Shown::Lines { last } => {
                if last.elapsed() >= LINES_EVERY && !status.phase.is_final() {
                    *last = Instant::now();
                    output::error(&line(status, self.started.elapsed()));
                }
            }
        }
    }

    /// Something to say while progress is shown.
    pub(crate) fn say(&self, text: &str) {
        match &self.shown {
            Shown::Bars(Some(bars)) => bars.all.suspend(|| output::error(text)),
            _ => output::error(text),
        }
    }

    /// Takes the bars away: the summary tells the rest.
    pub(crate) fn finish(self) {
        if let Shown::Bars(Some(bars)) = self.shown {
            let _ = bars.all.clear();
        }
    }
}

struct Bars {
    all: MultiProgress,
    maps: ProgressBar,
    shuffle: ProgressBar,
    reduces: ProgressBar,
    /// When the reduces began: their pace is not that of the job.
    reducing: Option<Instant>,
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let bar = |name: &'static str| {
            let style = ProgressStyle::with_template("{prefix:8}[{bar:24}] {wide_msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
            all.add(ProgressBar::new(0).with_style(style).with_prefix(name))
        };
        let (maps, shuffle, reduces) = (bar("maps"), bar("shuffle"), bar("reduces"));
        Self { all, maps, shuffle, reduces, reducing: None }
    }

    fn show(&mut self, status: &JobStatus, elapsed: Duration) {
        let (map, reduce) = (&status.map, &status.reduce);
        let reducing = match reduce.running + reduce.done {
            0 => Duration::ZERO,
            _ => self.reducing.get_or_insert_with(Instant::now).elapsed(),
        };
        let running =
            |stage: &StageStatus| format!("{}/{} tasks, {} running", stage.done, stage.total, stage.running);
        let maps = match status.phase {
            JobPhase::Sampling => format!("wait for samples: {}", running(&status.sample)),
            _ => format!("{}, {}", bytes(map.bytes_done, map.bytes_total, elapsed), running(map)),
        };
        set(&self.maps, map.bytes_done, map.bytes_total, maps);
        let shuffle = bytes(reduce.bytes_done, reduce.bytes_total, reducing);
        set(&self.shuffle, reduce.bytes_done, reduce.bytes_total, shuffle);
        let (done, total) = (u64::from(reduce.done), u64::from(reduce.total));
        let (rate, left) = pace(done, total, reducing);
        let rate = if rate > 0.0 { format!(", {rate:.1}/s") } else { String::new() };
        set(&self.reduces, done, total, format!("{}{rate}{left}", running(reduce)));
    }
}

/// A bar that is full keeps its last words: a rate that goes on falling would say nothing.
fn set(bar: &ProgressBar, done: u64, total: u64, message: String) {
    let was_full = bar.length() == Some(total) && bar.position() == total && total > 0;
    if !was_full {
        bar.set_message(message);
        bar.set_length(total);
        bar.set_position(done.min(total));
    }
}

/// `1.0 MiB of 4.0 MiB, 0.5 MiB/s, 6 s left`; without the latter two when they are not known.
fn bytes(done: u64, total: u64, elapsed: Duration) -> String {
    let (rate, left) = pace(done, total, elapsed);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, to be rounded")]
    let rate = if rate > 0.0 { format!(", {}/s", human::bytes(rate as u64)) } else { String::new() };
    format!("{} of {}{rate}{left}", human::bytes(done), human::bytes(total))
}

/// How much is done in a second on the whole, and `, 6 s left`. Nothing is said of the time left before anything is done.
fn pace(done: u64, total: u64, elapsed: Duration) -> (f64, String) {
    if done == 0 || elapsed.is_zero() {
        return (0.0, String::new());
    }
    #[expect(clippy::cast_precision_loss, reason = "a rough figure")]
    let (rate, left) = (done as f64 / elapsed.as_secs_f64(), total.saturating_sub(done) as f64);
    let left = Duration::try_from_secs_f64(left / rate).unwrap_or(Duration::MAX);
    let left = if done < total { format!(", {} left", human::wait(left)) } else { String::new() };
    (rate, left)
}

fn line(status: &JobStatus, elapsed: Duration) -> String {
    let (sample, map, reduce) = (&status.sample, &status.map, &status.reduce);
    let running = sample.running + map.running + reduce.running;
    let mut text = format!("{} {}: ", status.id, state_word(&status.phase));
    if status.phase == JobPhase::Sampling {
        text += &format!("samples {}/{}, ", sample.done, sample.total);
    }
    text += &format!("maps {}/{}", map.done, map.total);
    if map.done < map.total {
        text += &format!(" ({})", bytes(map.bytes_done, map.bytes_total, elapsed));
    }
    if reduce.total > 0 {
        text += &format!(", reduces {}/{}", reduce.done, reduce.total);
    }
    if map.done == map.total && reduce.done < reduce.total {
        text += &format!(" ({}% read)", human::percent(reduce.bytes_done, reduce.bytes_total.max(1)));
    }
    text + &format!(", {running} running, {} so far", human::wait(elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::example;

    #[test]
    fn a_line_tells_both_stages_rate_and_time_left() {
        let mut status = example::done();
        status.phase = JobPhase::Mapping;
        status.map =
            StageStatus { total: 40, done: 10, running: 2, bytes_total: 40 << 20, bytes_done: 10 << 20 };
        status.reduce = StageStatus { total: 4, done: 0, running: 0, bytes_total: 0, bytes_done: 0 };
        assert_eq!(
            line(&status, Duration::from_secs(10)),
            "j7 mapping: maps 10/40 (10.0 MiB of 40.0 MiB, 1.0 MiB/s, 30 s left), reduces 0/4, 2 running, 10 s so far"
        );
        status.phase = JobPhase::Reducing;
        status.map.done = 40;
        status.reduce = StageStatus { total: 4, done: 1, running: 2, bytes_total: 200, bytes_done: 50 };
        status.map.running = 0;
        assert_eq!(
            line(&status, Duration::from_secs(70)),
            "j7 reducing: maps 40/40, reduces 1/4 (25% read), 2 running, 1 m 10 s so far"
        );
    }

    #[test]
    fn a_line_tells_of_samples_while_they_are_taken() {
        let mut status = example::done();
        status.phase = JobPhase::Sampling;
        status.sample = StageStatus { total: 2, done: 1, running: 1, ..StageStatus::default() };
        status.map = StageStatus { total: 40, bytes_total: 40 << 20, ..StageStatus::default() };
        status.reduce = StageStatus { total: 4, ..StageStatus::default() };
        assert_eq!(
            line(&status, Duration::from_secs(1)),
            "j7 sampling: samples 1/2, maps 0/40 (0 B of 40.0 MiB), reduces 0/4, 1 running, 1 s so far"
        );
    }

    #[test]
    fn the_time_left_is_told_once_something_is_done() {
        assert_eq!(pace(0, 10, Duration::from_secs(1)).1, "");
        assert_eq!(pace(5, 10, Duration::ZERO).1, "");
        assert_eq!(pace(5, 10, Duration::from_secs(10)), (0.5, ", 10 s left".to_owned()));
        assert_eq!(pace(10, 10, Duration::from_secs(10)).1, "");
        assert_eq!(
            bytes(1 << 20, 4 << 20, Duration::from_secs(2)),
            "1.0 MiB of 4.0 MiB, 512.0 KiB/s, 6 s left"
        );
    }

    #[test]
    fn a_line_needs_neither_time_nor_bytes() {
        let mut status = example::done();
        status.map = StageStatus { total: 1, done: 0, ..StageStatus::default() };
        status.reduce = StageStatus::default();
        assert_eq!(line(&status, Duration::ZERO), "j7 done: maps 0/1 (0 B of 0 B), 0 running, 0 s so far");
    }
}
