//! `gristmill repair`: shows what is in a coordinator's log, and cuts off what is damaged when it is told to.

use gristmill_coordinator::repair;

use crate::arguments::RepairArguments;
use crate::failure::{Exit, Failure, Outcome};
use crate::output;

/// Looks at, or mends, the log in a data directory that no coordinator uses.
pub(crate) fn repair(arguments: &RepairArguments) -> Outcome {
    let directory = arguments.data_dir.join("replica");
    let report = repair::inspect(&directory).map_err(Failure::usage)?;
    output::result(&report.to_string())?;
    if report.is_sound() {
        return Ok(());
    }
    if !arguments.cut {
        let damaged = anyhow::anyhow!("the log in {} is damaged", directory.display());
        let failure = Failure { exit: Exit::Failed, error: damaged, hint: None };
        return Err(failure.hint(
            "if other members of the group are sound, remove the directory and let them bring this one up to date; \
             else --cut removes everything from the damage on, and what was acknowledged there is lost",
        ));
    }
    let cut = repair::cut(&directory).map_err(Failure::failed)?;
    output::result(&cut.to_string())
}
