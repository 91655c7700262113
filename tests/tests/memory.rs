//! Slots keep to `--memory`: whatever the app and its data, no attempt is resident with more than a tenth over it, and the output is that
//! of `--sequential`.
//!
//! Each job has several times more data than its slots have memory, all of it in one map, so that maps spill and merges take passes.
#![expect(clippy::unwrap_used, reason = "what helps a test is as strict as the test")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use gristmill_tests::{Compression, Job, Place, Random, program};
use serde_json::Value;

const MIB: u64 = 1 << 20;

/// Runs the job with so much memory for each slot, and wants it kept. Gives back the figures of the run.
fn keeps_to(mebibytes: u64, job: &Job<'_>) -> Value {
    let job = job.clone().slots(2);
    let expected = job.sequential().done().output();
    let ended = job.memory(&format!("{mebibytes}MiB")).option("--json").run().done();
    let output = ended.output();
    assert!(output.parts() == expected.parts(), "{mebibytes} MiB: {output:?} instead of {expected:?}");
    let figures = ended.json();
    let peak = figures["memory_peak_bytes"].as_u64().unwrap();
    assert!(peak > 0 && peak <= mebibytes * MIB / 10 * 11, "{peak} bytes with {mebibytes} MiB: {figures}");
    figures
}

/// The same in one map, which cannot but spill.
fn spills_within(mebibytes: u64, job: &Job<'_>) {
    let figures = keeps_to(mebibytes, &job.clone().split_size("1GiB"));
    assert!(figures["spills"].as_u64() > Some(0), "{figures}");
}

/// Words of which hardly any comes twice, in lines.
fn distinct_words(seed: u64, bytes: usize) -> String {
    let mut random = Random::new(seed);
    let mut text = String::with_capacity(bytes + 200);
    while text.len() < bytes {
        for _ in 0..8 {
            let mut number = random.number();
            for _ in 0..10 {
                text.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
                number /= 26;
            }
            text.push(' ');
        }
        text.push('\n');
    }
    text
}

/// What the app `bulk` is to emit, as lines.
fn bulk<'p>(place: &'p Place, lines: &[&str]) -> Job<'p> {
    let name = format!("bulk-{}", lines.join("-"));
    place.job("bulk").reduces(2).input(place.input(name, lines.join("\n")))
}

#[test]
fn words_of_a_text_are_counted_within_the_memory() {
    let place = Place::new();
    let text = place.input("text.txt", Random::new(1).text(48 << 20));
    keeps_to(16, &place.job("wc").reduces(2).split_size("1GiB").input(&text));
}

#[test]
fn words_that_are_all_different_are_counted_within_the_memory() {
    let place = Place::new();
    let text = place.input("text.txt", distinct_words(2, 24 << 20));
    for mebibytes in [16, 32] {
        spills_within(mebibytes, &place.job("wc").reduces(2).input(&text));
    }
}

#[test]
fn the_commonest_words_are_found_within_the_memory() {
    let place = Place::new();
    let text = place.input("text.txt", distinct_words(5, 24 << 20));
    for mebibytes in [16, 32] {
        spills_within(mebibytes, &place.job("topk").reduces(2).input(&text));
    }
}

#[test]
fn words_cut_as_in_a_textbook_are_counted_within_the_memory() {
    let place = Place::new();
    let text = place.input("text.txt", distinct_words(6, 24 << 20));
    for mebibytes in [16, 32] {
        spills_within(mebibytes, &place.job("textbook").reduces(2).input(&text));
    }
}

#[test]
fn any_number_of_reduces_keeps_to_the_memory() {
    let place = Place::new();
    let text = place.input("text.txt", distinct_words(8, 24 << 20));
    for reduces in [1, 30, 1000] {
        spills_within(16, &place.job("wc").reduces(reduces).input(&text));
    }
}

#[test]
fn an_index_is_made_within_the_memory() {
    let place = Place::new();
    let document = |seed| {
        let text = distinct_words(seed, 1 << 20) + &distinct_words(99, 1 << 20);
        place.input(format!("{seed:02}.txt"), text)
    };
    let documents: Vec<PathBuf> = (0..12).map(document).collect();
    for mebibytes in [16, 32] {
        spills_within(mebibytes, &place.job("indexer").reduces(2).inputs(&documents));
    }
}

#[test]
fn an_index_of_many_documents_with_the_same_words_is_made_within_the_memory() {
    let place = Place::new();
    let text = distinct_words(7, 160_000);
    let document = |number| place.input(format!("{number:03}.txt"), &text);
    let documents: Vec<PathBuf> = (0..150).map(document).collect();
    keeps_to(16, &place.job("indexer").reduces(2).inputs(&documents));
    spills_within(16, &place.job("indexer").reduces(2).inputs(&documents));
}

/// Lines of up to so many bytes, in no order.
fn lines(bytes: usize, longest: u64) -> String {
    let mut random = Random::new(3);
    let mut lines = String::with_capacity(bytes + 200);
    while lines.len() < bytes {
        writeln!(lines, "{:016x}{}", random.number(), "x".repeat(random.below(longest) as usize)).unwrap();
    }
    lines
}

#[test]
fn lines_are_sorted_within_the_memory() {
    let place = Place::new();
    let input = place.input("lines.txt", lines(32 << 20, 150));
    for mebibytes in [16, 32] {
        spills_within(mebibytes, &place.job("sort").reduces(2).input(&input));
    }
}

#[test]
fn lines_are_found_within_the_memory() {
    let place = Place::new();
    let input = place.input("lines.txt", lines(48 << 20, 150));
    for pattern in ["^00ff", "x", "7.*x$"] {
        keeps_to(16, &place.job("grep").split_size("1GiB").input(&input).arg("pattern", pattern));
    }
}

#[test]
fn lines_are_joined_within_the_memory() {
    let place = Place::new();
    let mut random = Random::new(9);
    let mut side = |name: &str| {
        let mut text = String::with_capacity(17 << 20);
        while text.len() < 16 << 20 {
            let padding = "x".repeat(random.below(80) as usize);
            writeln!(text, "{},{name}{:x},{padding}", random.below(400_000), random.number()).unwrap();
        }
        place.input(format!("{name}.csv"), text)
    };
    let inputs = [side("left"), side("right")];
    for mebibytes in [16, 32] {
        spills_within(mebibytes, &place.job("join").reduces(2).inputs(&inputs));
    }
}

#[test]
fn runs_of_many_maps_are_merged_within_the_memory() {
    let place = Place::new();
    let input = place.input("lines.txt", lines(40 << 20, 20));
    // No map spills, and one slot after the other reduces what it has mapped.
    let figures = keeps_to(16, &place.job("sort").reduces(1).split_size("160k").input(&input));
    assert!(figures["maps"]["total"].as_u64() > Some(250), "{figures}");
}

#[test]
fn lines_as_long_as_may_be_are_found_within_the_memory() {
    let place = Place::new();
    for (mebibytes, longest) in [(16, 2 * MIB), (32, 11 * MIB), (64, 31 * MIB), (96, 47 * MIB)] {
        let input = place.input(format!("{mebibytes}.txt"), with_long_lines(longest));
        let job = place.job("grep").split_size("1GiB").input(&input);
        for (pattern, invert) in [("yes", "false"), ("no", "true")] {
            keeps_to(mebibytes, &job.clone().arg("pattern", pattern).arg("invert", invert));
        }
    }
}

/// Lines of which some are as long as this.
fn with_long_lines(longest: u64) -> String {
    let mut text = lines(6 << 20, 50);
    for length in [longest - 1, longest / 2, longest - 1] {
        text += &"yes ".repeat(length as usize / 4);
        text.push('\n');
        text += &lines(1 << 20, 50);
    }
    text
}

#[test]
fn lines_as_long_as_may_be_are_counted_within_the_memory() {
    let place = Place::new();
    for (mebibytes, longest) in [(16, 2 * MIB), (32, 11 * MIB)] {
        let input = place.input(format!("{mebibytes}.txt"), with_long_lines(longest));
        keeps_to(mebibytes, &place.job("wc").reduces(2).split_size("1GiB").input(&input));
    }
}

#[test]
fn lines_of_a_quarter_of_the_memory_are_sorted_within_it() {
    let place = Place::new();
    // Each is a key: two merged runs hold one, and so does the batch for the plugin. The process itself takes about half of 16 MiB.
    for (mebibytes, longest) in [(16, 2 * MIB), (32, 8 * MIB), (64, 16 * MIB), (96, 24 * MIB)] {
        let input = place.input(format!("{mebibytes}.txt"), lines_between(longest - 20, longest, 5));
        // As it is cut by itself, most maps have a few lines, and with one map it spills.
        keeps_to(mebibytes, &place.job("sort").reduces(2).input(&input));
        spills_within(mebibytes, &place.job("sort").reduces(2).input(&input));
    }
}

#[test]
fn lines_below_a_quarter_of_the_memory_are_sorted_within_it() {
    let place = Place::new();
    for (mebibytes, shortest, longest) in [(32, 5 * MIB, 7 * MIB), (64, 100_000, 14 * MIB)] {
        let input = place.input(format!("{mebibytes}.txt"), lines_between(shortest, longest, 12));
        keeps_to(mebibytes, &place.job("sort").reduces(2).input(&input));
        spills_within(mebibytes, &place.job("sort").reduces(2).input(&input));
    }
}

#[test]
fn words_of_a_quarter_of_the_memory_are_counted_within_it() {
    let place = Place::new();
    for (mebibytes, longest) in [(32, 7 * MIB), (64, 16 * MIB), (96, 24 * MIB)] {
        let text = lines_between(longest - 20, longest, 3).repeat(2);
        let input = place.input(format!("{mebibytes}.txt"), text);
        spills_within(mebibytes, &place.job("wc").reduces(2).input(&input));
    }
}

/// So many lines of such lengths, each of one word, in no order.
fn lines_between(shortest: u64, longest: u64, count: usize) -> String {
    let mut random = Random::new(11);
    let mut text = String::new();
    for _ in 0..count {
        let length = (shortest + random.below(longest - shortest)) as usize;
        let word: String =
            distinct_words(random.number(), length).chars().filter(char::is_ascii_lowercase).collect();
        text += word.get(..length - 1).unwrap_or(&word);
        text.push('\n');
    }
    text
}

#[test]
fn compressed_inputs_are_read_within_the_memory() {
    let place = Place::new();
    let text = lines(20 << 20, 100);
    for compression in Compression::ALL {
        let packed = compression.compress_widely(text.as_bytes());
        let input = place.input(format!("packed.{}", compression.suffix()), packed);
        for mebibytes in [16, 32] {
            spills_within(mebibytes, &place.job("sort").reduces(2).input(&input));
        }
    }
}

#[test]
fn compressed_inputs_with_long_lines_are_read_within_the_memory() {
    let place = Place::new();
    for (mebibytes, longest) in [(16, MIB), (32, 5 * MIB / 2)] {
        let text = with_long_lines(longest);
        for compression in Compression::ALL {
            let packed = compression.compress_widely(text.as_bytes());
            let input = place.input(format!("{mebibytes}.{}", compression.suffix()), packed);
            keeps_to(mebibytes, &place.job("wc").reduces(2).input(&input));
            keeps_to(mebibytes, &place.job("grep").input(&input).arg("pattern", "yes"));
        }
    }
}

#[test]
fn windows_of_compressed_inputs_leave_less_for_long_lines() {
    let place = Place::new();
    for (mebibytes, window_log, longest) in [(64, 24, 14 * MIB), (128, 26, 6 * MIB)] {
        // More than the window, or that is never full.
        let text = distinct_words(4, 72 << 20) + &with_long_lines(longest);
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(window_log).unwrap();
        encoder.write_all(text.as_bytes()).unwrap();
        let input = place.input(format!("{mebibytes}.zst"), encoder.finish().unwrap());
        keeps_to(mebibytes, &place.job("wc").reduces(2).input(&input));
    }
}

#[test]
fn records_are_sorted_within_the_memory() {
    let place = Place::new();
    let records = place.folder("in").join("records");
    let mut command = place.command(program("teragen"));
    command.arg("400000").arg(&records);
    place.start("teragen", command).wait().done();
    for mebibytes in [16, 32] {
        spills_within(mebibytes, &place.job("terasort").reduces(2).input(&records));
    }
}

#[test]
fn one_key_has_millions_of_values_within_the_memory() {
    let place = Place::new();
    spills_within(16, &bulk(&place, &["1 12 2000000 9"]));
    spills_within(32, &bulk(&place, &["1 12 400000 100"]));
}

#[test]
fn millions_of_keys_have_one_value_each_within_the_memory() {
    let place = Place::new();
    spills_within(16, &bulk(&place, &["2000000 12 1 9"]));
    spills_within(32, &bulk(&place, &["1000000 40 1 0"]));
}

#[test]
fn keys_of_a_megabyte_fit_into_little_memory() {
    let place = Place::new();
    spills_within(16, &bulk(&place, &["40 1048576 1 8"]));
    spills_within(32, &bulk(&place, &["10 1048576 6 100000"]));
}

#[test]
fn values_are_as_large_as_the_memory_allows() {
    let place = Place::new();
    // The app itself holds such a value, and so does what collects them.
    spills_within(16, &bulk(&place, &["2 10 8 3000000"]));
    spills_within(64, &bulk(&place, &["1 10 8 24000000"]));
}

#[test]
fn pairs_of_all_sizes_mix_within_the_memory() {
    let place = Place::new();
    let lines = ["50000 8 1 3", "1 0 100000 0", "30 300000 2 5", "3 20 3 2000000", "1000 5000 2 5000"];
    for mebibytes in [16, 32] {
        spills_within(mebibytes, &bulk(&place, &lines));
    }
}
