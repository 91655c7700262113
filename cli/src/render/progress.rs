//! Progress on standard error: bars on a terminal, a plain line every few seconds elsewhere, nothing for jobs that end at once.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use gristmill_model::{JobStatus, StageStatus};
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
                    bars.get_or_insert_with(Bars::new).show(status);
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
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let bar = |name: &'static str, figures: &str| {
            let template = format!("{{prefix:8}} [{{bar:28}}] {figures}");
            let style =
                ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(0).with_style(style.progress_chars("=> ")).with_prefix(name);
            all.add(bar)
        };
        const BYTES: &str = "{binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left  {msg}";
        let maps = bar("maps", BYTES);
        let shuffle = bar("shuffle", BYTES);
        let reduces = bar("reduces", "{pos}/{len} {per_sec}, {eta} left  {msg}");
        Self { all, maps, shuffle, reduces }
    }

    fn show(&self, status: &JobStatus) {
        set(&self.maps, status.map.bytes_done, status.map.bytes_total);
        self.maps.set_message(tasks(&status.map));
        set(&self.shuffle, status.reduce.bytes_done, status.reduce.bytes_total);
        set(&self.reduces, status.reduce.done.into(), status.reduce.total.into());
        self.reduces.set_message(format!("{} running", status.reduce.running));
    }
}

/// A stage that has not begun keeps its clock at zero, so that rate and time left are those of the stage itself.
fn set(bar: &ProgressBar, done: u64, total: u64) {
    bar.set_length(total);
    if done == 0 {
        bar.reset_elapsed();
    }
    bar.set_position(done.min(total));
}

fn tasks(stage: &StageStatus) -> String {
    format!("{}/{} tasks, {} running", stage.done, stage.total, stage.running)
}

fn line(status: &JobStatus, elapsed: Duration) -> String {
    let stage = |name: &str, stage: &StageStatus| {
        let percent = human::percent(stage.bytes_done, stage.bytes_total.max(1));
        format!("{name} {}/{} {percent}%", stage.done, stage.total)
    };
    let mut text = format!("{} {}", status.id, stage("maps", &status.map));
    if let Some(rate) =
        status.map.bytes_done.checked_div(elapsed.as_secs()).filter(|_| status.map.done < status.map.total)
    {
        text += &format!(" {}/s", human::bytes(rate));
        if let Some(left) = (status.map.bytes_total.saturating_sub(status.map.bytes_done)).checked_div(rate) {
            text += &format!(" {} left", human::wait(Duration::from_secs(left)));
        }
    }
    if status.reduce.total > 0 {
        text += &format!(", {}", stage("reduces", &status.reduce));
    }
    text + &format!(", {} running, {}", status.map.running + status.reduce.running, human::wait(elapsed))
}

#[cfg(test)]
mod tests {
    use gristmill_model::JobPhase;

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
            "j7 maps 10/40 25% 1.0 MiB/s 30 s left, reduces 0/4 0%, 2 running, 10 s"
        );
    }

    #[test]
    fn a_line_needs_neither_time_nor_bytes() {
        let mut status = example::done();
        status.map = StageStatus { total: 1, done: 0, ..StageStatus::default() };
        status.reduce = StageStatus::default();
        assert_eq!(line(&status, Duration::ZERO), "j7 maps 0/1 0%, 0 running, 0 s");
    }
}
