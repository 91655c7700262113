//! Many small files of text.

use std::fs;
use std::io;
use std::path::Path;

use super::text::{Text, Writer};

/// Writes so many files of about so many bytes each into a directory, made if need be.
pub fn files(directory: &Path, count: u32, bytes: usize, shape: Text) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut source = Writer::new(shape);
    let mut buffer = Vec::new();
    for number in 0..count {
        buffer.clear();
        source.fill(&mut buffer, bytes);
        fs::write(directory.join(format!("{number:06}.txt")), &buffer)?;
    }
    // One sync for all: what is still to be written would disturb what is measured next.
    rustix::fs::syncfs(fs::File::open(directory)?)?;
    Ok(())
}
