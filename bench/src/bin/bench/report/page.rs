//! The page itself: aims, then a table and a picture a case, then how it was measured.

use std::fmt::Write;

use crate::aims;
use crate::machine::Machine;
use crate::program::Kind;
use crate::results::{Results, Series};
use crate::setting::bytes;

const METHOD: &str = "\
## How this was measured

`scripts/bench.sh` makes this page; `--help` tells its options. Every program is a whole process, from start to exit, with two threads or slots, all
built in release. Inputs are generated from a fixed seed, lie on the project's file system and are read once before the first run, so that
they are in the page cache. The programs of a case run in turn (A B A B …), after a `sync`, their old results removed; medians are shown.
A slow program is not run again once its runs took long together. After each run its results are compared with all others' by
a sum of the hashes of all records, and looked through for order where there is to be one.

- *Wall* is the median, *range* the fastest and the slowest run.
- *CPU* is user and system time of all processes together.
- *Memory* is the largest sum of resident sizes of all its processes, looked at every 10 ms, pages they share counted for each; of the \
yardsticks it holds mapped input. *Slot* is the largest resident size of a slot as Gristmill tells it.
- The yardsticks (`bench/`) are hand-written for one job each, with none of an engine's duties. Their outputs are as durable as Gristmill's: files \
and directory synced. Rivals sync nothing of their own accord, and are not made to.
- The rivals' programs are in `bench/rivals/`. The numbers of all runs are in `docs/benchmarks/`.
";

pub(super) fn page(all: &[Results], missed: &str, control_plane: &str) -> String {
    let mut page = "# Benchmarks\n\n".to_owned();
    let usual = all.last().map(|last| &last.machine);
    if let Some(usual) = usual {
        line(&mut page, format_args!("Measured on {}.\n", machine(usual)));
    }
    verdicts(&mut page, all);
    by_hand(&mut page, missed);
    for results in all {
        case(&mut page, results, usual);
    }
    by_hand(&mut page, control_plane);
    page.push_str(METHOD);
    page
}

/// Seconds with three digits that matter.
pub(super) fn seconds(value: f64) -> String {
    let digits = if value < 1.0 {
        3
    } else if value < 10.0 {
        2
    } else {
        1
    };
    format!("{value:.digits$}")
}

fn line(page: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = page.write_fmt(line);
    page.push('\n');
}

/// A section that is kept as it was written.
fn by_hand(page: &mut String, section: &str) {
    if !section.is_empty() {
        line(page, format_args!("{}\n", section.trim_end()));
    }
}

fn machine(machine: &Machine) -> String {
    format!(
        "{} × {}, {}, Linux {}, {}",
        machine.processors,
        machine.processor,
        bytes(machine.memory_bytes),
        machine.kernel,
        machine.compiler
    )
}

fn verdicts(page: &mut String, all: &[Results]) {
    let verdicts = aims::verdicts(all);
    if verdicts.is_empty() {
        return;
    }
    page.push_str("## Aims\n\n| aim | measured | |\n|---|---:|---|\n");
    for verdict in verdicts {
        let word = if verdict.reached { "reached" } else { "**missed**" };
        line(page, format_args!("| {} | {} | {word} |", verdict.aim, verdict.measured));
    }
    page.push('\n');
}

fn case(page: &mut String, results: &Results, usual: Option<&Machine>) {
    line(page, format_args!("## {}\n", results.title));
    let elsewhere = match usual == Some(&results.machine) {
        true => String::new(),
        false => format!(" on {}", machine(&results.machine)),
    };
    let Results { about, date, commit, .. } = results;
    line(page, format_args!("{about} Measured {date} at {commit}{elsewhere}.\n"));
    line(page, format_args!("![{}](benchmarks/{}.svg)\n", results.title, results.case));
    page.push_str(
        "| program | wall s | range s | runs | CPU s | memory | slot | × yardstick | × Gristmill |\n",
    );
    page.push_str("|---|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    let wall_of = |kind| results.series.iter().find(|series| series.kind == kind).map(Series::wall);
    let (yardstick, gristmill) = (wall_of(Kind::Yardstick), wall_of(Kind::Gristmill));
    for series in &results.series {
        row(page, series, yardstick, gristmill);
    }
    page.push('\n');
    if let Some(disk) = results.disk_s {
        line(
            page,
            format_args!("Two passes of writing, syncing and reading as much took {} s.\n", seconds(disk)),
        );
    }
    if let Some(smaller) = &results.smaller {
        line(
            page,
            format_args!(
                "{}, {} in the same turns: {} s, the median of {}.\n",
                smaller.series.name,
                bytes(smaller.input_bytes),
                seconds(smaller.series.wall()),
                smaller.series.runs.len()
            ),
        );
    }
    for note in &results.notes {
        line(page, format_args!("- {note}"));
    }
    if !results.notes.is_empty() {
        page.push('\n');
    }
}

fn row(page: &mut String, series: &Series, yardstick: Option<f64>, gristmill: Option<f64>) {
    let walls = || series.runs.iter().map(|run| run.wall_s);
    let times =
        |base: Option<f64>| base.map_or("–".to_owned(), |base| format!("{:.2}", series.wall() / base));
    let slot = match series.peak(|run| run.peak_slot_bytes.unwrap_or(0)) {
        0 => "–".to_owned(),
        peak => bytes(peak),
    };
    line(
        page,
        format_args!(
            "| {} | {} | {}–{} | {} | {} | {} | {slot} | {} | {} |",
            series.name,
            seconds(series.wall()),
            seconds(walls().fold(f64::INFINITY, f64::min)),
            seconds(walls().fold(0.0, f64::max)),
            series.runs.len(),
            seconds(series.cpu()),
            bytes(series.peak(|run| run.peak_tree_bytes)),
            times(yardstick),
            times(gristmill),
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Run, Smaller};

    fn series(name: &str, kind: Kind, walls: &[f64]) -> Series {
        let peak_slot_bytes = (kind == Kind::Gristmill).then_some(7 << 20);
        let run = |&wall_s: &f64| Run {
            wall_s,
            cpu_s: 2.0 * wall_s,
            peak_process_bytes: 1 << 20,
            peak_tree_bytes: 3 << 20,
            peak_slot_bytes,
        };
        Series { name: name.to_owned(), kind, budget_bytes: None, runs: walls.iter().map(run).collect() }
    }

    fn results() -> Results {
        let machine = Machine {
            processor: "Mill".to_owned(),
            processors: 2,
            memory_bytes: 4 << 30,
            kernel: "6.1".to_owned(),
            compiler: "rustc 1".to_owned(),
        };
        Results {
            case: "wordcount".to_owned(),
            title: "Word count".to_owned(),
            about: "Of words.".to_owned(),
            input_bytes: 1 << 30,
            date: "2026-01-02".to_owned(),
            commit: "abc".to_owned(),
            machine,
            series: vec![
                series("yardstick", Kind::Yardstick, &[1.0, 1.2, 0.9]),
                series("Gristmill", Kind::Gristmill, &[1.5]),
                series("Polars", Kind::Rival, &[15.0]),
            ],
            notes: vec!["DuckDB was skipped: it is not there.".to_owned()],
            disk_s: None,
            smaller: None,
        }
    }

    #[test]
    fn a_page_shows_aims_ratios_and_notes() {
        let page = page(&[results()], "## What is missed\n", "## What is carried\n");
        assert!(page.contains("## What is carried"));
        let shown = page.split("## What is carried").next().unwrap();
        assert_eq!(
            shown,
            "# Benchmarks\n\nMeasured on 2 × Mill, 4 GiB, Linux 6.1, rustc 1.\n\n\
             ## Aims\n\n| aim | measured | |\n|---|---:|---|\n\
             | Word count: Gristmill at most 1.7 × the wall of yardstick | 1.50 × | reached |\n\
             | Word count: at least 8 × faster than Polars | 10.00 × | reached |\n\
             | Word count: yardstick at most 2 CPU s per GiB | 2.00 s | reached |\n\n\
             ## What is missed\n\n\
             ## Word count\n\nOf words. Measured 2026-01-02 at abc.\n\n![Word count](benchmarks/wordcount.svg)\n\n\
             | program | wall s | range s | runs | CPU s | memory | slot | × yardstick | × Gristmill |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|\n\
             | yardstick | 1.00 | 0.900–1.20 | 3 | 2.00 | 3 MiB | – | 1.00 | 0.67 |\n\
             | Gristmill | 1.50 | 1.50–1.50 | 1 | 3.00 | 3 MiB | 7 MiB | 1.50 | 1.00 |\n\
             | Polars | 15.0 | 15.0–15.0 | 1 | 30.0 | 3 MiB | – | 15.00 | 10.00 |\n\n\
             - DuckDB was skipped: it is not there.\n\n"
        );
    }

    #[test]
    fn a_case_that_was_measured_elsewhere_says_so() {
        let mut other = results();
        other.machine.processors = 8;
        let page = page(&[other, results()], "", "");
        assert!(page.starts_with("# Benchmarks\n\nMeasured on 2 × Mill,"), "{page}");
        assert_eq!(page.matches("at abc on 8 × Mill, 4 GiB, Linux 6.1, rustc 1.\n").count(), 1, "{page}");
        assert_eq!(page.matches("at abc.\n").count(), 1, "{page}");
    }

    #[test]
    fn a_tenth_in_the_same_turns_is_what_ten_times_as_much_is_compared_with() {
        let mut big = results();
        big.case = "big-wordcount".to_owned();
        big.input_bytes = 10 << 30;
        let series = series("Gristmill, a tenth", Kind::Gristmill, &[0.1, 0.125, 0.2]);
        big.smaller = Some(Smaller { input_bytes: 1 << 30, series });
        let page = page(&[big], "", "");
        assert!(page.contains("time per byte at most 1.3 × that of a tenth | 1.20 × | reached |"), "{page}");
        assert!(
            page.contains("Gristmill, a tenth, 1 GiB in the same turns: 0.125 s, the median of 3.\n"),
            "{page}"
        );
    }

    #[test]
    fn a_picture_has_a_bar_for_every_program() {
        let picture = super::super::bars::picture(&results());
        assert_eq!(picture.matches("height=\"18\"").count(), 3);
        assert!(picture.contains("width=\"400.0\"") && picture.contains("width=\"26.7\""));
    }
}
