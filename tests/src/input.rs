//! The texts of data/.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace;

/// All books, sorted by name.
pub fn books() -> Vec<PathBuf> {
    texts(&workspace().join("data"))
}

/// The eight smallest books: as many as the lab's scenarios count on.
pub fn lab_books() -> Vec<PathBuf> {
    let mut books = books();
    books.sort_by_key(|book| fs::metadata(book).expect("a book has a size").len());
    books.truncate(8);
    books.sort();
    books
}

/// The texts in other scripts, sorted by name.
pub fn scripts() -> Vec<PathBuf> {
    texts(&workspace().join("data/scripts"))
}

fn texts(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("data/ is there");
    let paths = entries.map(|entry| entry.expect("data/ can be listed").path());
    let mut texts: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == "txt")).collect();
    texts.sort();
    texts
}
