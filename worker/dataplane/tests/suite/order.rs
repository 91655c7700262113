//! Jobs whose app wants a total order: outputs one after the other are sorted, equal to the oracle's file by file, and balanced.

use std::io::Write;

use gristmill_model::{FailureCause, InputFile, InputMode, SamplePiece, SampleSplit};
use proptest::prelude::*;

use crate::harness::{Bench, Shape, params, sample, splits};

/// Pair by pair, in runs that the plugin has parted itself, and folded.
const WAYS: [&[&str]; 3] = [&["TOTAL_ORDER"], &["TOTAL_ORDER", "COLLECTS"], &["TOTAL_ORDER", "COMBINES"]];

/// The words that begin the lines of all outputs.
fn words_of(outputs: &[Vec<u8>]) -> Vec<String> {
    let text = String::from_utf8(outputs.concat()).unwrap();
    text.lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
}

fn pieces(inputs: &[InputFile]) -> Vec<SampleSplit> {
    let plan = SamplePiece::plan(inputs, InputMode::Text);
    plan.concat().into_iter().map(|piece| piece.to_split(inputs, InputMode::Text).unwrap()).collect()
}

#[test]
fn outputs_together_are_sorted_and_each_is_that_of_the_oracle() {
    let bench = Bench::new();
    let plugins = WAYS.map(|options| bench.plugin(options));
    let words = proptest::collection::vec("[a-c]{1,3}|common", 0..400);
    let memory = prop_oneof![Just(1_u64), Just(64 << 20)];
    proptest!(ProptestConfig::with_cases(20), |(words in words, reduces in 1_u32..7, split_bytes in 1_u64..400, memory_bytes in memory)| {
        let shape = Shape { reduces, split_bytes, memory_bytes, ..Shape::default() };
        let inputs = [bench.input("a", words.join("\n").as_bytes()), bench.input("b", b"common\n")];
        let mut keys: Vec<&str> = words.iter().map(String::as_str).chain(["common"]).collect();
        keys.sort_unstable();
        keys.dedup();
        for plugin in &plugins {
            let outputs = bench.engine(plugin, &inputs, &shape);
            prop_assert_eq!(&outputs, &bench.oracle(plugin, &inputs, &shape).1);
            prop_assert_eq!(words_of(&outputs), keys.clone());
        }
    });
}

#[test]
fn a_large_input_is_parted_evenly_from_a_small_sample() {
    let bench = Bench::new();
    let plugin = bench.plugin(&["TOTAL_ORDER"]);
    let text: String = (0..400_000_u64).map(|n| format!("{:08x}\n", (n * 0x9e37_79b9) as u32)).collect();
    let inputs = [bench.input("text", text.as_bytes())];
    assert!(pieces(&inputs).iter().map(|piece| piece.split.bytes).sum::<u64>() < inputs[0].bytes / 2);
    let shape = Shape { reduces: 5, ..Shape::default() };
    let outputs = bench.engine(&plugin, &inputs, &shape);
    let words = words_of(&outputs);
    assert_eq!(words.len(), 400_000);
    assert!(words.is_sorted());
    let sizes: Vec<usize> = outputs.iter().map(Vec::len).collect();
    let fair = sizes.iter().sum::<usize>() / 5;
    assert!(sizes.iter().all(|size| size.abs_diff(fair) < fair / 20), "{sizes:?}");
}

#[test]
fn a_sample_does_not_depend_on_the_memory_of_the_slot() {
    let bench = Bench::new();
    let plugin = bench.plugin(&["TOTAL_ORDER", "COLLECTS"]);
    let text: String =
        (0..150_000_u64).map(|n| format!("{:x}\n", (n * 0x9e37_79b9) as u32 % 100_000)).collect();
    let inputs = [bench.input("text", text.as_bytes())];
    let whole = SampleSplit { split: splits(&inputs[0], 1 << 30).remove(0), bytes_max: u64::MAX };
    let keys = |memory_bytes| {
        let shape = Shape { memory_bytes, ..Shape::default() };
        sample(&plugin, vec![whole.clone()], &shape).unwrap().keys
    };
    assert_eq!(keys(1 << 20), keys(512 << 20));
}

#[test]
fn a_compressed_file_is_sampled_at_its_beginning() {
    let bench = Bench::new();
    let plugin = bench.plugin(&["TOTAL_ORDER"]);
    let text: String = (0..2_000_000).map(|n| format!("{n:07}\n")).collect();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    let file = bench.input("text.gz", &packed.finish().unwrap());
    let inputs = [InputFile { splittable: false, ..file }];
    let found = sample(&plugin, pieces(&inputs), &Shape::default()).unwrap();
    assert!(found.stats.bytes_in < text.len() as u64 / 2, "{:?}", found.stats);
    assert_eq!(found.stats.pairs_out, found.stats.bytes_in / 8);
}

#[test]
fn a_sample_is_not_counted_and_its_failure_tells_the_place() {
    let bench = Bench::new();
    let plugin = bench.plugin(&["TOTAL_ORDER"]);
    let inputs = [bench.input("the text", b"some words\nof text\n")];
    let found = sample(&plugin, pieces(&inputs), &Shape::default()).unwrap();
    assert!(found.stats.counters.is_empty());
    assert_eq!(found.stats.calls, 1);
    let failing = Shape { params: params(&[("do", "fail")]), ..Shape::default() };
    let failure = sample(&plugin, pieces(&inputs), &failing).unwrap_err();
    assert_eq!((failure.cause, failure.message.as_str()), (FailureCause::Error, "a bad record"));
    assert_eq!(failure.location.unwrap().to_string(), "the text at byte 7");
}

#[test]
fn runs_that_break_the_rules_are_refused_in_a_sample_too() {
    let bench = Bench::new();
    let plugin = bench.plugin(&["TOTAL_ORDER", "COLLECTS"]);
    let inputs = [bench.input("text", b"some words\n")];
    for misbehaviour in
        ["run for no partition", "garbage in a run", "more pairs than said", "endless pairs said"]
    {
        let shape = Shape { params: params(&[("do", misbehaviour)]), ..Shape::default() };
        let failure = sample(&plugin, pieces(&inputs), &shape).unwrap_err();
        assert_eq!(failure.cause, FailureCause::Plugin, "{misbehaviour}: {}", failure.message);
    }
}
