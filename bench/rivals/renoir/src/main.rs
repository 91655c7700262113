//! Word count with Renoir on two threads: `renoir-wordcount keyed|table TEXT OUTPUT_DIRECTORY`.
//!
//! `keyed` is the way its users write it: words are keyed and counted by the engine. `table` is the fastest that its documentation shows: each
//! replica folds lines into a hash map of its own, and the maps are merged at the end.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::BuildHasherDefault;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use renoir::prelude::*;
use wyhash::WyHash;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Counts = HashMap<String, u64, BuildHasherDefault<WyHash>>;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, way, text, output] = arguments.as_slice() else {
        return Err(io::Error::other("usage: renoir-wordcount keyed|table TEXT OUTPUT_DIRECTORY"));
    };
    let context = StreamContext::new(RuntimeConfig::local(2).map_err(io::Error::other)?);
    match way.as_str() {
        "keyed" => write(Path::new(output), keyed(context, text)),
        "table" => write(Path::new(output), table(context, text)),
        other => Err(io::Error::other(format!("no way is called {other}"))),
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !letter.is_ascii_alphabetic()).filter(|word| !word.is_empty())
}

fn keyed(context: StreamContext, text: &str) -> Vec<(String, u64)> {
    let counts = context
        .stream_file(text)
        .batch_mode(BatchMode::fixed(1024))
        .flat_map(|line: String| words(&line).map(str::to_owned).collect::<Vec<_>>())
        .group_by_count(|word: &String| word.clone())
        .collect_vec();
    context.execute_blocking();
    counts.get().unwrap_or_default().into_iter().map(|(word, count)| (word, count as u64)).collect()
}

fn table(context: StreamContext, text: &str) -> Vec<(String, u64)> {
    let counts = context
        .stream_file(text)
        .batch_mode(BatchMode::fixed(1024))
        .fold_assoc(
            Counts::default(),
            |counts, line: String| {
                for word in words(&line) {
                    match counts.get_mut(word) {
                        Some(count) => *count += 1,
                        None => {
                            counts.insert(word.to_owned(), 1);
                        }
                    }
                }
            },
            |all, some| {
                for (word, count) in some {
                    *all.entry(word).or_default() += count;
                }
            },
        )
        .collect_vec();
    context.execute_blocking();
    counts.get().unwrap_or_default().into_iter().flatten().collect()
}

fn write(directory: &Path, mut counts: Vec<(String, u64)>) -> io::Result<()> {
    counts.sort_unstable();
    fs::create_dir_all(directory)?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(directory.join("counts"))?);
    for (word, count) in counts {
        writeln!(out, "{word} {count}")?;
    }
    out.flush()
}
