//! Inverted index: in which documents each word stands, as lines `word n doc1,doc2,…`.
//!
//! Documents are sorted by the bytes of their names, each once, named as on the command line. Words are those of wc.
//! A reduce holds the names of the documents of one word, and up to 256 KiB of those of earlier ones.
#![forbid(unsafe_code)]

mod catalog;
mod documents;
mod lists;
mod long;
mod names;

use catalog::Catalog;
use documents::Documents;
use gristmill_sdk::prelude::*;
use names::Document;

/// The app.
#[derive(Default)]
pub struct Indexer {
    /// Those of the attempt; words of the last one come now.
    documents: Vec<Document>,
    /// What a reduce knows of them.
    catalog: Catalog,
}

impl App for Indexer {
    type Key = str;
    type Value = Documents;
    // Drops the repeats of a word in a document before they leave the map.
    const COMBINE: Option<Combine<Self>> = Some(Documents::append);

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        let number = self.number_of(split.document());
        for word in split.words() {
            emit.pair(word, Documents::of_number(number));
        }
        Ok(())
    }

    fn reduce(&mut self, word: &str, mut values: Values<'_, Documents>, out: &mut Output<'_>) -> Result<()> {
        self.catalog.begin();
        while let Some(list) = values.next_encoded() {
            self.catalog.add(list)?;
        }
        out.pair(word, self.catalog.found());
        Ok(())
    }
}

impl Indexer {
    fn number_of(&mut self, name: &[u8]) -> u32 {
        match self.documents.last().filter(|last| last.has_name(name)) {
            Some(last) => last.number(),
            None => {
                let document = Document::new(name);
                let number = document.number();
                self.documents.push(document);
                number
            }
        }
    }
}

gristmill_sdk::export!(Indexer);

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_sdk::testing::{TestJob, run, run_every_way};

    #[test]
    fn each_word_has_its_documents_sorted_and_once() {
        let job = TestJob::new()
            .input("b.txt", "to be\nor not\nto be\n")
            .input("a.txt", "be quick\nor be late")
            .input("empty", "");
        let text = run_every_way::<Indexer>(&job).unwrap().text();
        assert_eq!(
            text,
            "be 2 a.txt,b.txt\nlate 1 a.txt\nnot 1 b.txt\nor 2 a.txt,b.txt\nquick 1 a.txt\nto 1 b.txt\n"
        );
    }

    #[test]
    fn names_of_documents_may_hold_any_bytes() {
        let job = TestJob::new().input(b"z\xff\0 \n", "x").input(b"\0", "x").input("", "x");
        let outcome = run_every_way::<Indexer>(&job).unwrap();
        assert_eq!(outcome.outputs, [b"x 3 ,\0,z\xff\0 \n\n"]);
    }

    #[test]
    fn repeats_within_a_map_never_leave_it() {
        let job = TestJob::new().input("doc", "word ".repeat(10_000)).memory(64 << 10);
        assert_eq!(run::<Indexer>(&job).unwrap().runs, 1);
    }

    #[test]
    fn a_word_may_be_in_very_many_documents() {
        let job = (0..20_000).fold(TestJob::new(), |job, n| job.input(format!("{n:05}"), "x"));
        let text = run::<Indexer>(&job).unwrap().text();
        assert!(text.starts_with("x 20000 00000,00001,"));
        assert_eq!(text.len(), "x 20000 ".len() + 20_000 * 6);
    }
}
