//! The yardsticks against plain definitions, on small data of every shape.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use gristmill_bench::generate::{self, Text};
use gristmill_bench::programs::{disk, indexer, sort, wordcount};

fn outputs(directory: &Path) -> Vec<Vec<u8>> {
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names.iter().map(|name| fs::read(name).unwrap()).collect()
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !byte.is_ascii_alphabetic()).filter(|word| !word.is_empty())
}

/// Sorted in each output, and all together as a set of lines.
fn all_lines(outputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for output in outputs {
        let lines: Vec<&[u8]> = output.split_inclusive(|&byte| byte == b'\n').collect();
        let word = |line: &&[u8]| line.split(|&byte| byte == b' ').next().unwrap().to_vec();
        assert!(lines.iter().map(word).is_sorted());
        all.extend(lines.into_iter().map(<[u8]>::to_vec));
    }
    all.sort();
    all
}

/// Texts of one word and of none, long words, pieces' ends within words, several large files and small ones.
fn inputs(directory: &Path) -> Vec<PathBuf> {
    let input = directory.join("input");
    fs::create_dir_all(input.join("below")).unwrap();
    let text = |name: &str, bytes: u64, seed: u64| {
        let shape = Text { distinct: 100_000, seed, skew: 0.0 };
        generate::text(&input.join(name), bytes, shape).unwrap();
    };
    text("large.txt", 3 << 20, 1);
    text("below/larger.txt", 5 << 20, 2);
    generate::distinct(&input.join("distinct.txt"), 1 << 20, 1).unwrap();
    generate::files(&input.join("small"), 50, 1000, Text { distinct: 500, seed: 4, skew: 0.5 }).unwrap();
    fs::write(input.join("empty"), "").unwrap();
    fs::write(input.join("one"), "word").unwrap();
    fs::write(
        input.join("long"),
        [
            b"pneumonoultramicroscopic ",
            vec![b'x'; 700_000].as_slice(),
            b" abcdefgh abcdefghi abcdefghijklmnop abcdefghijklmnopq",
        ]
        .concat(),
    )
    .unwrap();
    fs::write(input.join("odd"), b"\xffa\x80b\0A Z[z`a{@").unwrap();
    vec![input]
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn word_counts_are_those_of_a_map() {
    let directory = tempfile::tempdir().unwrap();
    let inputs = inputs(directory.path());
    let mut expected = BTreeMap::new();
    for file in files(&inputs[0]) {
        for word in words(&fs::read(file).unwrap()) {
            *expected.entry(word.to_vec()).or_insert(0) += 1;
        }
    }
    let expected: BTreeSet<Vec<u8>> = expected
        .into_iter()
        .map(|(word, count)| [word.as_slice(), format!(" {count}\n").as_bytes()].concat())
        .collect();
    for threads in [1, 2, 3] {
        let output = directory.path().join("output");
        wordcount::run(&inputs, &output, threads).unwrap();
        let found = outputs(&output);
        assert_eq!(found.len(), threads);
        assert!(all_lines(&found) == expected.iter().cloned().collect::<Vec<_>>());
    }
}

#[test]
fn an_index_has_every_document_of_a_word_once() {
    let directory = tempfile::tempdir().unwrap();
    let inputs = inputs(directory.path());
    let mut expected = BTreeMap::<Vec<u8>, BTreeSet<String>>::new();
    for file in files(&inputs[0]) {
        for word in words(&fs::read(&file).unwrap()) {
            expected.entry(word.to_vec()).or_default().insert(file.to_str().unwrap().to_owned());
        }
    }
    let expected: BTreeSet<Vec<u8>> = expected
        .into_iter()
        .map(|(word, documents)| {
            let names: Vec<_> = documents.into_iter().collect();
            [word.as_slice(), format!(" {} {}\n", names.len(), names.join(",")).as_bytes()].concat()
        })
        .collect();
    for threads in [1, 2] {
        let output = directory.path().join("output");
        indexer::run(&inputs, &output, threads).unwrap();
        assert!(all_lines(&outputs(&output)) == expected.iter().cloned().collect::<Vec<_>>());
    }
}

#[test]
fn records_are_in_order_over_all_outputs() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    generate::lines(&path("lines"), 3_000_000, 1, 0.0).unwrap();
    generate::lines(&path("skewed"), 3_000_000, 1, 0.7).unwrap();
    generate::records(&path("records"), 12_000_000, 1, 0.0).unwrap();
    generate::records(&path("same"), 3_000_000, 1, 0.9).unwrap();
    fs::write(path("one"), [7; 100]).unwrap();
    fs::write(path("none"), []).unwrap();
    for (name, key_bytes) in [
        ("lines", 100),
        ("skewed", 100),
        ("records", 10),
        ("same", 10),
        ("same", 3),
        ("one", 10),
        ("none", 10),
    ] {
        let input = fs::read(path(name)).unwrap();
        let mut expected: Vec<&[u8; 100]> = input.as_chunks().0.iter().collect();
        expected.sort_by_key(|record| &record[..key_bytes]);
        for threads in [1, 2, 3] {
            sort::run(&path(name), &path("output"), key_bytes, threads).unwrap();
            let found = outputs(&path("output"));
            assert_eq!(found.len(), threads);
            assert!(
                found.concat() == expected.iter().flat_map(|record| **record).collect::<Vec<_>>(),
                "{name}"
            );
        }
    }
}

#[test]
fn an_input_that_is_no_records_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "a line").unwrap();
    let error =
        sort::run(&directory.path().join("file"), &directory.path().join("output"), 10, 2).unwrap_err();
    assert_eq!(error.to_string(), "the input is not made of records of 100 bytes");
}

#[test]
fn the_disk_is_measured_and_left_clean() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(disk::run(directory.path(), 5 << 20, 2).unwrap().len(), 2);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
