//! `gristmill check`: tries an app, and says what is wrong, where, and what to do.
//!
//! The app runs as it always does: in slots, which are processes of their own. So whatever it does, even dying of a signal, is a
//! finding and not the end of the check.

mod bench;
mod report;
mod samples;
mod trials;

use gristmill_model::InputFile;

use crate::apart;
use crate::app;
use crate::arguments::{CheckArguments, params};
use crate::failure::{Exit, Failure, Outcome};
use crate::inputs;
use crate::place::{self, Place};
use crate::signal::Stop;

use self::bench::Bench;
use self::report::Report;

/// Tries the app and tells about it.
pub(crate) async fn check(arguments: CheckArguments) -> Outcome {
    let params = params(&arguments.params).map_err(Failure::wrong)?;
    let own = if arguments.inputs.is_empty() { Vec::new() } else { inputs::list(&arguments.inputs)? };
    let own: Vec<InputFile> = own.iter().map(inputs::input_file).collect();
    let library = app::resolve(&arguments.app, false)?;
    let mut stop = Stop::listen().map_err(Failure::failed)?;
    let plugin = apart::describe(&library, Exit::Failed, &mut stop).await?;

    let place = Place::make("gristmill-check-").map_err(place::cannot_make)?;
    let mut report = Report::begin(&plugin, arguments.json)?;
    let mut bench = Bench::new(library, plugin, params, place.path()).await?;
    let tried = tokio::select! {
        tried = trials::run(&mut bench, &own, &mut report) => tried,
        () = stop.next() => Err(Failure::failed(anyhow::anyhow!("stopped before all was tried"))),
    };
    bench.end().await;
    tried?;
    report.end()
}
