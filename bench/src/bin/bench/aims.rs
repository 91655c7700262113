//! What Gristmill aims at, and whether the results at hand reach it.

use crate::results::Results;

/// An aim, what was measured, and whether that is enough.
pub(crate) struct Verdict {
    pub(crate) aim: String,
    pub(crate) measured: String,
    pub(crate) reached: bool,
}

/// A wall time of Gristmill's that must be at most so many times another's.
const AT_MOST: [(&str, &str, &str, f64); 6] = [
    ("wordcount", "Gristmill", "yardstick", 1.7),
    ("wordcount", "Gristmill, textbook map", "yardstick", 3.5),
    ("index", "Gristmill", "yardstick", 2.0),
    ("sort-lines", "Gristmill", "yardstick", 1.7),
    ("sort-records", "Gristmill", "yardstick", 1.7),
    ("grep", "Gristmill", "ripgrep", 1.5),
];

/// A rival than which Gristmill must be so many times faster.
const FASTER: [(&str, &str, f64); 7] = [
    ("wordcount", "Renoir, keyed", 5.0),
    ("wordcount", "Renoir, table", 5.0),
    ("wordcount", "Polars", 8.0),
    ("index", "Polars", 6.0),
    ("sort-lines", "Polars", 2.0),
    ("sort-lines", "DuckDB", 2.0),
    ("sort-lines", "GNU coreutils", 3.0),
];

/// Milliseconds a whole process may take.
const MILLISECONDS: [(&str, f64); 2] = [("tiny", 40.0), ("books", 60.0)];

/// Processor seconds that a yardstick may take for each GiB: a slow one would flatter what is beside it.
const HONEST: [(&str, f64); 1] = [("wordcount", 2.0)];

/// By how much more than ten times the bytes may take longer, and than the disk's two passes.
const BIG_RATIO: f64 = 1.3;

/// By how much a slot may exceed its memory.
const MEMORY_RATIO: f64 = 1.1;

/// All aims that the results tell something of.
pub(crate) fn verdicts(all: &[Results]) -> Vec<Verdict> {
    let case = |name: &str| all.iter().find(|results| results.case == name);
    let mut verdicts = Vec::new();
    for (name, program, other, limit) in AT_MOST {
        let walls = case(name).and_then(|case| Some((case.wall(program)?, case.wall(other)?, &case.title)));
        if let Some((wall, other_wall, title)) = walls {
            let aim = format!("{title}: {program} at most {limit} × the wall of {other}");
            verdicts.push(ratio(aim, wall / other_wall, limit));
        }
    }
    for (name, rival, times) in FASTER {
        let walls =
            case(name).and_then(|case| Some((case.wall("Gristmill")?, case.wall(rival)?, &case.title)));
        if let Some((wall, rival_wall, title)) = walls {
            let found = rival_wall / wall;
            verdicts.push(Verdict {
                aim: format!("{title}: at least {times} × faster than {rival}"),
                measured: format!("{found:.2} ×"),
                reached: found >= times,
            });
        }
    }
    for (name, limit) in MILLISECONDS {
        if let Some((wall, case)) = case(name).and_then(|case| Some((case.wall("Gristmill")?, case))) {
            verdicts.push(Verdict {
                aim: format!("{}: at most {limit} ms", case.title),
                measured: format!("{:.1} ms", wall * 1000.0),
                reached: wall * 1000.0 <= limit,
            });
        }
    }
    for (name, limit) in HONEST {
        if let Some((cpu, case)) = case(name).and_then(|case| Some((case.series("yardstick")?.cpu(), case))) {
            let per_gibibyte = cpu / (case.input_bytes as f64 / (1_u64 << 30) as f64);
            verdicts.push(Verdict {
                aim: format!("{}: yardstick at most {limit} CPU s per GiB", case.title),
                measured: format!("{per_gibibyte:.2} s"),
                reached: per_gibibyte <= limit,
            });
        }
    }
    verdicts.extend(big(all));
    verdicts.extend(
        all.iter()
            .filter(|case| case.case.starts_with("memory") || case.case.starts_with("big"))
            .flat_map(memory),
    );
    verdicts
}

fn ratio(aim: String, found: f64, limit: f64) -> Verdict {
    Verdict { aim, measured: format!("{found:.2} ×"), reached: found <= limit }
}

fn big(all: &[Results]) -> Vec<Verdict> {
    let case = |name: &str| all.iter().find(|results| results.case == name);
    let mut verdicts = Vec::new();
    let count = case("big-wordcount");
    let count = count.and_then(|case| Some((case.wall("Gristmill")?, case.smaller.as_ref()?, case)));
    if let Some((wall, smaller, case)) = count {
        let aim = format!("{}: time per byte at most {BIG_RATIO} × that of a tenth", case.title);
        let (small, large) = (smaller.seconds_per_byte(), wall / case.input_bytes as f64);
        verdicts.push(ratio(aim, large / small, BIG_RATIO));
    }
    let sort = case("big-sort").and_then(|case| Some((case.wall("Gristmill")?, case.disk_s?, case)));
    if let Some((wall, disk, case)) = sort {
        let aim = format!("{}: at most {BIG_RATIO} × two passes over the disk", case.title);
        verdicts.push(ratio(aim, wall / disk, BIG_RATIO));
    }
    verdicts
}

fn memory(case: &Results) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for series in &case.series {
        if let Some(budget) = series.budget_bytes {
            let peak = series.peak(|run| run.peak_slot_bytes.unwrap_or(0));
            let aim = format!(
                "{}: {}, its largest slot at most {MEMORY_RATIO} × its memory",
                case.title, series.name
            );
            verdicts.push(ratio(aim, peak as f64 / budget as f64, MEMORY_RATIO));
        }
    }
    verdicts
}
