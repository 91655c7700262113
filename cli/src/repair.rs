//! `gristmill repair`: shows what is in a coordinator's log, and cuts off what is damaged when it is told to.

use std::fmt::Write;
use std::{fs, io};

use gristmill_coordinator::repair::{self, Acknowledged, Cut, CutError, Report};

use crate::arguments::RepairArguments;
use crate::failure::{Exit, Failure, Outcome};
use crate::output;

/// Looks at, or mends, the log in a data directory that no coordinator uses.
pub(crate) fn repair(arguments: &RepairArguments) -> Outcome {
    let directory = arguments.data_dir.join("replica");
    match fs::metadata(&directory) {
        Ok(found) if found.is_dir() => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let unreadable = anyhow::Error::new(error).context(format!("look into {}", directory.display()));
            return Err(Failure::usage(unreadable));
        }
        _ => {
            let nothing = format!("{} is no --data-dir of a coordinator", arguments.data_dir.display());
            return Err(Failure::wrong(nothing));
        }
    }
    let report = repair::inspect(&directory).map_err(Failure::usage)?;
    output::result(&text(&report))?;
    let Some(damage) = report.damage.iter().find(|damage| !damage.heals) else { return Ok(()) };
    if !arguments.cut {
        let damaged = anyhow::anyhow!("{} is damaged: {}", damage.path.display(), damage.what);
        let hint = if report.has_others { REPLACE } else { CUT };
        return Err(Failure { exit: Exit::Failed, error: damaged, hint: None }.hint(hint));
    }
    let acknowledged = if arguments.forget_acknowledged { Acknowledged::Forget } else { Acknowledged::Keep };
    let cut = repair::cut(&directory, acknowledged).map_err(|error| {
        let needs_word = matches!(error, CutError::Acknowledged { .. });
        let failure = Failure::failed(error);
        if needs_word { failure.hint(REPLACE) } else { failure }
    })?;
    output::result(&text_of_cut(&cut))
}

/// What to do about a coordinator that makes a group by itself.
const CUT: &str = "--cut takes everything from the damage on away if something sound is left, and what was acknowledged there is lost";
/// What to do about a member of a larger group.
const REPLACE: &str = "replace this member by a new one with another id and an empty directory (see `gristmill members replace --help`); \
     only where no majority without it is sound, `--cut --forget-acknowledged` takes everything from the damage on away, and what was \
     acknowledged there is lost";

fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: String| {
        let _ = writeln!(text, "{key} {value}");
    };
    let number = |number: Option<u64>| number.map_or("none".to_owned(), |number| number.to_string());
    line("member", number(report.node));
    let founders: Vec<_> = report.founders.iter().map(|(id, address)| format!("{id}={address}")).collect();
    line("founders", if founders.is_empty() { "none".to_owned() } else { founders.join(",") });
    line("term", number(report.vote_term));
    line("entries", report.entries.to_string());
    line("last", number(report.last));
    line("committed", number(report.committed));
    line("purged", number(report.purged));
    line("snapshot", number(report.snapshot.and_then(|snapshot| snapshot.last)));
    line("snapshot-bytes", report.snapshot.map_or(0, |snapshot| snapshot.bytes).to_string());
    for file in &report.files {
        line("file", format!("{} {} bytes {} records", file.path.display(), file.bytes, file.records));
    }
    for damage in &report.damage {
        let what = format!("{} offset {}: {}", damage.path.display(), damage.offset, damage.what);
        line(if damage.heals { "torn" } else { "damage" }, what);
    }
    text
}

fn text_of_cut(cut: &Cut) -> String {
    cut.kept_in
        .iter()
        .map(|(path, bytes)| format!("cut {bytes} bytes, kept in {}\n", path.display()))
        .collect()
}
