//! Word count by hand: `word count` lines, sorted in each output; an output a thread, words spread over them by hash.

use std::io;
use std::path::{Path, PathBuf};

use super::sorted::each_word;
use super::tables::{Fold, Tables};
use crate::output::{self, Output};
use crate::source::Source;
use crate::threads::on_threads;
use crate::words::Borders;

struct Count;

impl Fold for Count {
    type Value = u64;

    #[inline(always)]
    fn fold(&mut self, count: &mut u64) {
        *count += 1;
    }
}

/// Counts the words of files (and of the files in directories) into `out-00000 …` in the directory `output`.
pub fn run(inputs: &[PathBuf], output: &Path, threads: usize) -> io::Result<()> {
    output::fresh_directory(output)?;
    let source = Source::new(inputs)?;
    let tables = on_threads(threads, |_| {
        let mut tables = Tables::new(Count)?;
        let mut borders = Borders::new();
        source.for_each(|_, text| tables.take(text, &mut borders))?;
        Ok(tables)
    })?;
    on_threads(threads, |number| {
        let mut out = Output::create(&output::name(output, number))?;
        each_word(
            &tables,
            number,
            |_, count| count,
            |word, counts| {
                let buffer = out.buffer();
                buffer.extend_from_slice(word);
                buffer.push(b' ');
                buffer.extend_from_slice(itoa::Buffer::new().format(counts.iter().sum::<u64>()).as_bytes());
                buffer.push(b'\n');
                out.flush_some()
            },
        )?;
        out.finish()
    })?;
    output::sync_directory(output)
}
