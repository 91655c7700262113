//! Index by hand: `word n doc1,doc2,…` lines, sorted in each output; documents sorted by their names as given.
//!
//! Of up to 64 documents a word's slot has a set of bits. Of more it has the document in which it was last seen, so that repeats cost a comparison, and the
//! head of a list of documents.

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

/// What a thread keeps of the documents of its words. Documents are counted from zero.
trait Documents: Fold<Value: Send + Sync> + Default + Send + Sync {
    /// The next words are of this one.
    fn turn_to(&mut self, document: usize);

    /// Appends the documents of a word, sorted, each once: `lists` are what threads have of it.
    fn append(threads: &[Tables<Self>], lists: &[(usize, Self::Value)], to: &mut Vec<u32>);
}

/// Of 64 at most.
#[derive(Default)]
struct Few {
    current: u64,
}

impl Fold for Few {
    type Value = u64;

    #[inline(always)]
    fn fold(&mut self, seen: &mut u64) {
        *seen |= self.current;
    }
}

impl Documents for Few {
    fn turn_to(&mut self, document: usize) {
        self.current = 1 << document;
    }

    fn append(_: &[Tables<Self>], lists: &[(usize, u64)], to: &mut Vec<u32>) {
        let mut all = lists.iter().fold(0, |all, &(_, seen)| all | seen);
        while all != 0 {
            to.push(all.trailing_zeros());
            all &= all - 1;
        }
    }
}

/// Documents and nodes are counted from one here: zero is none.
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
struct Many {
    current: u32,
    nodes: Vec<Node>,
}

impl Fold for Many {
    type Value = Seen;

    #[inline(always)]
    fn fold(&mut self, seen: &mut Seen) {
        if seen.last != self.current {
            self.nodes.push(Node { document: self.current, before: seen.node });
            *seen = Seen { last: self.current, node: self.nodes.len() as u32 };
        }
    }
}

impl Documents for Many {
    fn turn_to(&mut self, document: usize) {
        self.current = document as u32 + 1;
    }

    fn append(threads: &[Tables<Self>], lists: &[(usize, Seen)], to: &mut Vec<u32>) {
        for &(thread, Seen { mut node, .. }) in lists {
            while let Some(found) = threads[thread].fold.nodes.get((node as usize).wrapping_sub(1)) {
                to.push(found.document - 1);
                node = found.before;
            }
        }
        to.sort_unstable();
        to.dedup();
    }
}

/// Indexes the words of files (and of the files in directories) into `out-00000 …` in the directory `output`.
pub fn run(inputs: &[PathBuf], output: &Path, threads: usize) -> io::Result<()> {
    output::fresh_directory(output)?;
    let source = Source::new(inputs)?;
    if source.names().len() <= 64 {
        index::<Few>(&source, output, threads)
    } else {
        index::<Many>(&source, output, threads)
    }
}

fn index<D: Documents>(source: &Source, output: &Path, threads: usize) -> io::Result<()> {
    let tables = on_threads(threads, |_| {
        let mut tables = Tables::new(D::default())?;
        let mut borders = Borders::new();
        source.for_each(|document, text| {
            tables.fold.turn_to(document);
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

fn write<D: Documents>(
    tables: &[Tables<D>],
    number: usize,
    names: &[PathBuf],
    mut out: Output,
) -> io::Result<()> {
    let mut documents = Vec::new();
    each_word(
        tables,
        number,
        |thread, seen| (thread, seen),
        |word, lists| {
            documents.clear();
            D::append(tables, lists, &mut documents);
            let buffer = out.buffer();
            buffer.extend_from_slice(word);
            buffer.push(b' ');
            buffer.extend_from_slice(itoa::Buffer::new().format(documents.len()).as_bytes());
            for (at, &document) in documents.iter().enumerate() {
                buffer.push(if at == 0 { b' ' } else { b',' });
                buffer.extend_from_slice(names[document as usize].as_os_str().as_bytes());
            }
            buffer.push(b'\n');
            out.flush_some()
        },
    )?;
    out.finish()
}
