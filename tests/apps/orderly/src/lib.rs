//! A sort of lines in a total order which, when it is asked to, fails, ends or waits at a line that begins with `trouble`.
//!
//! It is mapped a second time for the sample, so the first who meets trouble is a sample attempt.

#[path = "../../misbehave/src/gate.rs"]
mod gate;

use std::fs::OpenOptions;

use gate::Gate;
use gristmill_sdk::prelude::*;

/// See the head of this file.
#[derive(Default)]
struct Orderly {
    deed: String,
    once: Option<String>,
    gate: Option<Gate>,
}

impl App for Orderly {
    type Key = [u8];
    type Value = ();
    const TOTAL_ORDER: bool = true;

    const PARAMS: &'static [Param] = &[
        Param::with_default("do", "nothing", "what to do: nothing, error, exit or wait"),
        Param::with_default("at", "map", "where to do it: only map"),
        Param::optional("once", "do it only in the attempt that makes this file"),
        Param::optional("gate", "the folder of the gate to wait at"),
    ];

    fn setup(&mut self, params: &Params) -> Result<()> {
        self.deed = params.required("do")?.to_owned();
        self.once = params.parse_optional("once")?;
        self.gate = params.get("gate").map(Gate::new);
        Ok(())
    }

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        for line in split.lines() {
            if line.starts_with(b"trouble") {
                self.meet_trouble()?;
            }
            emit.pair(line, ());
            emit.count("lines", 1);
        }
        Ok(())
    }

    fn reduce(&mut self, line: &[u8], repeats: Values<'_, ()>, out: &mut Output<'_>) -> Result<()> {
        repeats.for_each(|()| out.line(line));
        Ok(())
    }
}

impl Orderly {
    fn meet_trouble(&self) -> Result<()> {
        let first = |path: &String| OpenOptions::new().write(true).create_new(true).open(path).is_ok();
        if !self.once.as_ref().is_none_or(first) {
            return Ok(());
        }
        match self.deed.as_str() {
            "error" => {
                last_words();
                bail!("deliberate error")
            }
            "exit" => std::process::exit(7),
            "wait" => self.gate.as_ref().ok_or_else(|| Error::new("--arg gate is missing"))?.pass(),
            _ => {}
        }
        Ok(())
    }
}

#[expect(clippy::print_stderr, reason = "it is what the test looks for")]
fn last_words() {
    eprintln!("last words before the trouble");
}

gristmill_sdk::export!(Orderly);
