//! Words, lines and fields of any bytes are what their plain definitions say, and every way of scanning finds the same.
#![no_main]

use gristmill_sdk::bench::{masks, with_split};
use gristmill_sdk::{fields, words};
use libfuzzer_sys::fuzz_target;

fn words_by_definition(bytes: &[u8]) -> impl Iterator<Item = &str> {
    let texts = bytes.utf8_chunks().map(|chunk| chunk.valid());
    texts.flat_map(|text| text.split(|c: char| !c.is_alphabetic())).filter(|word| !word.is_empty())
}

fn lines_by_definition(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

fuzz_target!(|input: (u8, &[u8])| {
    let (delimiter, bytes) = input;
    assert!(words(bytes).eq(words_by_definition(bytes)));
    assert!(fields(bytes, delimiter).eq(bytes.split(|&byte| byte == delimiter)));
    with_split(bytes, |split| {
        assert!(split.lines().eq(lines_by_definition(bytes)));
        assert!(split.words().eq(words_by_definition(bytes)));
    });
    let masks = masks(bytes, delimiter);
    assert!(masks.iter().all(|level| Some(level) == masks.last()));
});
