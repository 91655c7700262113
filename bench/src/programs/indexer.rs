//! Index by hand: `word n doc1,doc2,…` lines, sorted in each output; documents sorted by their names as given.
//!
//! A word's slot has the document in which it was last seen, so that repeats cost a comparison, and the head of a list of documents.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::sorted::each_word;
use super::tables::{Fold, Tables};
use crate::output::{self, Output};
use crate::source::Source;
use crate::threads::on_threads;
use crate::words::Borders;
use crate::zeroed::Plain;

/// Documents and nodes are counted from one: zero is none.
#[derive(Clone, Copy, Default)]
struct Seen {
    last: u32,
    node: u32,
}

// SAFETY: integers.
unsafe impl Plain for Seen {}

struct Node {
    document: u32,
    before: u32,
}

#[derive(Default)]
struct Documents {
    current: u32,
    nodes: Vec<Node>,
}

impl Fold for Documents {
    type Value = Seen;

    #[inline(always)]
    fn fold(&mut self, seen: &mut Seen) {
        if seen.last != self.current {
            self.nodes.push(Node { document: self.current, before: seen.node });
            *seen = Seen { last: self.current, node: self.nodes.len() as u32 };
        }
    }
}

impl Documents {
    fn list(&self, mut node: u32, to: &mut Vec<u32>) {
        while let Some(found) = self.nodes.get((node as usize).wrapping_sub(1)) {
            to.push(found.document);
            node = found.before;
        }
    }
}

/// Indexes the words of files (and of the files in directories) into `out-00000 …` in the directory `output`.
pub fn run(inputs: &[PathBuf], output: &Path, threads: usize) -> io::Result<()> {
    output::fresh_directory(output)?;
    let source = Source::new(inputs)?;
    let tables = on_threads(threads, |_| {
        let mut tables = Tables::new(Documents::default())?;
        let mut borders = Borders::new();
        source.for_each(|document, text| {
            tables.fold.current = document as u32 + 1;
            tables.take(text, &mut borders)
        })?;
        Ok(tables)
    })?;
    on_threads(threads, |number| {
        let out = Output::create(&output::name(output, number))?;
        write(&tables, number, source.names(), out)
    })?;
    output::sync_directory(output)
}

fn write(tables: &[Tables<Documents>], number: usize, names: &[PathBuf], mut out: Output) -> io::Result<()> {
    let mut documents = Vec::new();
    each_word(
        tables,
        number,
        |thread, seen| (thread, seen.node),
        |word, lists| {
            documents.clear();
            for &(thread, node) in lists {
                tables[thread].fold.list(node, &mut documents);
            }
            documents.sort_unstable();
            documents.dedup();
            let buffer = out.buffer();
            buffer.extend_from_slice(word);
            buffer.push(b' ');
            buffer.extend_from_slice(itoa::Buffer::new().format(documents.len()).as_bytes());
            for (at, &document) in documents.iter().enumerate() {
                buffer.push(if at == 0 { b' ' } else { b',' });
                buffer.extend_from_slice(names[document as usize - 1].as_os_str().as_bytes());
            }
            buffer.push(b'\n');
            out.flush_some()
        },
    )?;
    out.finish()
}
