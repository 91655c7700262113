//! A word count that does what no app should, when it is asked to: at the word `trouble`, or in `setup`.
//!
//! Words are whatever stands between blanks. The value of a word is the place where it stood, so that lost, doubled and reordered
//! values show when a reduce writes them all.

mod deed;
mod fatal;
mod gate;

use std::fs::OpenOptions;

use deed::Deed;
use gate::Gate;
use gristmill_sdk::prelude::*;

/// See the head of this file.
#[derive(Default)]
struct Misbehave {
    deed: Deed,
    at: String,
    once: Option<String>,
    gate: Option<Gate>,
}

impl App for Misbehave {
    type Key = [u8];
    type Value = Bytes;

    const PARAMS: &'static [Param] = &[
        Param::with_default("do", "nothing", "what to do"),
        Param::with_default("at", "map", "where to do it: map, reduce or setup"),
        Param::optional("once", "do it only in the attempt that makes this file"),
        Param::optional("gate", "the folder of the gate to wait at"),
    ];

    const PARTITION: Option<Partition<Self>> =
        Some(
            |key, partitions| {
                if key == BEYOND { partitions } else { gristmill_sdk::partition_of(key, partitions) }
            },
        );

    fn setup(&mut self, params: &Params) -> Result<()> {
        self.deed = params.parse("do")?;
        self.at = params.parse("at")?;
        self.once = params.parse_optional("once")?;
        self.gate = params.get("gate").map(Gate::new);
        self.misbehave_if_time("setup")
    }

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        let mut offset = split.offset();
        for line in split.lines() {
            let place = format!("{}:{offset}", split.document_lossy()).into_bytes();
            offset += line.len() as u64 + 1;
            for word in line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
                emit.pair(word, Bytes(place.clone()));
                if is_trouble(word) && self.at == "map" {
                    self.emit_strangely(emit);
                    self.misbehave_if_time("map")?;
                }
            }
        }
        Ok(())
    }

    fn reduce(&mut self, key: &[u8], mut places: Values<'_, Bytes>, out: &mut Output<'_>) -> Result<()> {
        if self.at != "reduce" {
            out.pair(key, places.count() as u64);
            return Ok(());
        }
        match self.deed {
            Deed::TakeOne => out.pair(key, places.next().unwrap_or_default()),
            Deed::TakeNone => out.pair(key, "untouched"),
            Deed::StopEarly => out.pair(key, places.take(key.len()).count() as u64),
            Deed::Echo => places.for_each(|place| out.pair(key, place)),
            Deed::WriteMore if is_trouble(key) => (0..1000_u64).for_each(|line| out.pair(key, line)),
            _ => out.pair(key, places.count() as u64),
        }
        if is_trouble(key) { self.misbehave_if_time("reduce") } else { Ok(()) }
    }
}

/// No word of a text: those have no blanks.
const BEYOND: &[u8] = b"beyond the last";
const MEGABYTE: usize = 1 << 20;

impl Misbehave {
    /// Whether the deed is to be done here, and has not been done yet if it is to be done only once.
    fn is_time(&self, at: &str) -> bool {
        let first = |path: &String| OpenOptions::new().write(true).create_new(true).open(path).is_ok();
        self.at == at && self.deed != Deed::Nothing && self.once.as_ref().is_none_or(first)
    }

    fn emit_strangely(&self, emit: &mut Emit<'_, Self>) {
        match self.deed {
            Deed::HugeKeys => {
                (b'a'..b'h').for_each(|byte| emit.pair(&vec![byte; MEGABYTE], Bytes::default()));
            }
            Deed::HugeValues => (1..4).for_each(|byte| emit.pair(b"huge", Bytes(vec![byte; 64 * MEGABYTE]))),
            Deed::BadPartition => emit.pair(BEYOND, Bytes::default()),
            Deed::Vary => emit.pair(format!("process-{}", std::process::id()).as_bytes(), Bytes::default()),
            Deed::Count | Deed::CountAndFail => emit.count("troubles", 1),
            _ => {}
        }
    }

    fn misbehave_if_time(&self, at: &str) -> Result<()> {
        if !self.is_time(at) {
            return Ok(());
        }
        match self.deed {
            Deed::Error | Deed::CountAndFail => {
                last_words();
                bail!("deliberate error")
            }
            Deed::Wait => self.gate.as_ref().ok_or_else(|| Error::new("--arg gate is missing"))?.pass(),
            Deed::Say => say(),
            Deed::Print => print(),
            deed => fatal::commit(deed),
        }
        Ok(())
    }
}

/// There are `trouble` and, to have one in every partition, `trouble-1` and so on.
fn is_trouble(word: &[u8]) -> bool {
    word == b"trouble" || word.starts_with(b"trouble-")
}

/// More lines than an error message can show.
#[expect(clippy::print_stderr, reason = "it is what the test looks for")]
fn last_words() {
    for line in 1..30 {
        eprintln!("line {line} on the way to trouble");
    }
    eprintln!("last words before the trouble");
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "it is what the test looks for")]
fn say() {
    println!("on standard output");
    eprintln!("on standard error");
    print!("and a line without an end");
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "it is what the test looks for")]
fn print() {
    println!("first printed line");
    for line in 0..40_000 {
        println!("{line:>40} of many on standard output");
        eprintln!("{line:>40} of many on standard error");
    }
    println!("last printed line");
}

gristmill_sdk::export!(Misbehave);
