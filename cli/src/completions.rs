//! `gristmill completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::CommandLine;
use crate::failure::Outcome;
use crate::output;

/// Prints the completion script of a shell.
pub(crate) fn completions(shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "gristmill", &mut script);
    output::result(&String::from_utf8_lossy(&script))
}
