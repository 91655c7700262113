//! Sort of lines by hand: (prefix, position) pairs sorted in parallel over the mapped file, lines gathered in large writes.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::thread;

fn prefix(line: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = line.len().min(8);
    bytes[..length].copy_from_slice(&line[..length]);
    u64::from_be_bytes(bytes)
}

#[derive(Clone, Copy)]
struct Line {
    prefix: u64,
    offset: u32,
    length: u32,
}

pub(crate) fn run(file: &Path, output: &Path, threads: usize) -> io::Result<()> {
    fs::create_dir_all(output)?;
    let mut source = File::open(file)?;
    let bytes = source.metadata()?.len();
    if bytes > u64::from(u32::MAX) {
        return Err(io::Error::other("more than 4 GiB"));
    }
    let mut text = Vec::with_capacity(bytes as usize);
    source.read_to_end(&mut text)?;
    let mut cuts = vec![0];
    for number in 1..threads {
        let near = text.len() * number / threads;
        let end = text[near..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| near + at + 1);
        cuts.push(end);
    }
    cuts.push(text.len());
    let text = &text;
    let order =
        |a: &Line, b: &Line| a.prefix.cmp(&b.prefix).then_with(|| text_of(text, a).cmp(text_of(text, b)));
    let sorted: Vec<Vec<Line>> = thread::scope(|scope| {
        let parts: Vec<_> = cuts
            .windows(2)
            .map(|cut| {
                let (begin, end) = (cut[0], cut[1]);
                scope.spawn(move || {
                    let mut lines = Vec::with_capacity((end - begin) / 100 + 1);
                    let mut at = begin;
                    for line in text[begin..end].split_inclusive(|&byte| byte == b'\n') {
                        lines.push(Line {
                            prefix: prefix(line),
                            offset: at as u32,
                            length: line.len() as u32,
                        });
                        at += line.len();
                    }
                    lines.sort_unstable_by(order);
                    lines
                })
            })
            .collect();
        parts.into_iter().filter_map(|part| part.join().ok()).collect()
    });
    let mut out = File::create(output.join("out-00000"))?;
    let mut buffer = Vec::with_capacity(1 << 20);
    let mut heads: Vec<std::slice::Iter<'_, Line>> = sorted.iter().map(|part| part.iter()).collect();
    loop {
        let next = heads
            .iter_mut()
            .filter(|head| !head.as_slice().is_empty())
            .min_by(|a, b| order(&a.as_slice()[0], &b.as_slice()[0]));
        let Some(line) = next.and_then(Iterator::next) else { break };
        if buffer.len() + line.length as usize > buffer.capacity() {
            out.write_all(&buffer)?;
            buffer.clear();
        }
        buffer.extend_from_slice(text_of(text, line));
    }
    out.write_all(&buffer)?;
    out.sync_all()?;
    File::open(output)?.sync_all()
}

fn text_of<'a>(text: &'a [u8], line: &Line) -> &'a [u8] {
    &text[line.offset as usize..][..line.length as usize]
}
