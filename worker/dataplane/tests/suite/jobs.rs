//! Whole jobs through the engine give what the sequential oracle gives, however they are cut up.

use std::fmt::Write as _;
use std::fs;

use crate::harness::{Bench, Shape, params};
use gristmill_dataplane::Plugin;
use gristmill_model::InputFile;
use proptest::prelude::*;

/// The ways in which an app may hand over its pairs; all must come to the same.
const WAYS: [&[&str]; 4] = [&[], &["COMBINES"], &["COLLECTS"], &["COLLECTS", "COMBINES", "PARTITIONS"]];

fn texts() -> impl Strategy<Value = Vec<String>> {
    let word = prop_oneof![4 => "[a-d]{1,2}", 1 => "[a-z]{1,9}", 1 => "x{0,40}"];
    let line = proptest::collection::vec(word, 0..8).prop_map(|words| words.join(" "));
    let text = (proptest::collection::vec(line, 0..40), any::<bool>())
        .prop_map(|(lines, ended)| lines.join("\n") + if ended { "\n" } else { "" });
    proptest::collection::vec(text, 1..4)
}

fn shapes() -> impl Strategy<Value = Shape> {
    let memory = prop_oneof![Just(1_u64), Just(16 << 10), Just(64 << 20)];
    (1_u64..400, 1_usize..4, 1_u32..5, memory).prop_map(
        |(split_bytes, splits_per_map, reduces, memory_bytes)| Shape {
            split_bytes,
            splits_per_map,
            reduces,
            memory_bytes,
            ..Shape::default()
        },
    )
}

fn inputs(bench: &Bench, texts: &[String]) -> Vec<InputFile> {
    texts.iter().enumerate().map(|(index, text)| bench.input(&format!("t{index}"), text.as_bytes())).collect()
}

#[test]
fn counts_are_those_of_the_oracle_and_of_a_plain_count() {
    let bench = Bench::new();
    let plugins = WAYS.map(|options| bench.plugin(options));
    proptest!(ProptestConfig::with_cases(20), |(texts in texts(), shape in shapes())| {
        let inputs = inputs(&bench, &texts);
        let mut counted = std::collections::BTreeMap::<&str, u64>::new();
        for word in texts.iter().flat_map(|text| text.split([' ', '\n'])).filter(|word| !word.is_empty()) {
            *counted.entry(word).or_default() += 1;
        }
        let plain = counted.iter().fold(String::new(), |mut lines, (word, count)| {
            let _ = writeln!(lines, "{word} {count}");
            lines
        });
        for plugin in &plugins {
            let (summary, expected) = bench.oracle(plugin, &inputs, &shape);
            let found = bench.engine(plugin, &inputs, &shape);
            prop_assert_eq!(&found, &expected);
            let mut lines: Vec<&str> = found.iter().flat_map(|file| std::str::from_utf8(file).unwrap().lines()).collect();
            lines.sort_unstable();
            prop_assert_eq!(lines, plain.lines().collect::<Vec<_>>());
            prop_assert_eq!(summary.reduce.records_out, counted.len() as u64);
        }
    });
}

#[test]
fn values_of_a_key_come_in_the_order_of_the_input() {
    let bench = Bench::new();
    let plugins = [&[][..], &["COLLECTS"], &["PARTITIONS"]].map(|options| bench.plugin(options));
    proptest!(ProptestConfig::with_cases(16), |(texts in texts(), shape in shapes())| {
        let shape = Shape { params: params(&[("values", "offsets")]), ..shape };
        let inputs = inputs(&bench, &texts);
        for plugin in &plugins {
            prop_assert_eq!(bench.engine(plugin, &inputs, &shape), bench.oracle(plugin, &inputs, &shape).1);
        }
    });
}

#[test]
fn records_are_each_mapped_once() {
    let bench = Bench::new();
    let plugin = bench.plugin(&["INPUT_MODE=2", "RECORD_BYTES=3"]);
    proptest!(ProptestConfig::with_cases(16), |(records: Vec<[u8; 3]>, shape in shapes())| {
        let shape = Shape { params: params(&[("values", "offsets")]), ..shape };
        let inputs = [bench.input("records", &records.concat())];
        prop_assert_eq!(bench.engine(&plugin, &inputs, &shape), bench.oracle(&plugin, &inputs, &shape).1);
    });
}

#[test]
fn many_spills_and_many_segments_merge_in_passes() {
    let bench = Bench::new();
    let text: String = (0..12_000).map(|n| format!("w{} common\n", n * 7919 % 5000)).collect();
    let inputs = [bench.input("text", text.as_bytes())];
    for options in WAYS {
        let plugin = bench.plugin(options);
        let shape =
            Shape { split_bytes: 400, memory_bytes: 1, reduces: 3, splits_per_map: 20, ..Shape::default() };
        let maps = bench.maps(&plugin, &inputs, &shape).unwrap();
        assert!(maps.len() > 15, "{} maps", maps.len());
        assert!(maps[0].stats.spills > 10, "{} spills", maps[0].stats.spills);
        assert_eq!(
            bench.engine(&plugin, &inputs, &shape),
            bench.oracle(&plugin, &inputs, &shape).1,
            "{options:?}"
        );
    }
}

#[test]
fn combining_makes_runs_smaller_and_changes_nothing() {
    let bench = Bench::new();
    let inputs = [bench.input("text", "same ".repeat(10_000).as_bytes())];
    for way in ["COMBINES", "COMBINES,COLLECTS"] {
        let plugin = bench.plugin(&way.split(',').collect::<Vec<_>>());
        let maps = bench.maps(&plugin, &inputs, &Shape { memory_bytes: 1, ..Shape::default() }).unwrap();
        assert_eq!(maps[0].stats.pairs_out, 1, "{way}");
    }
    let plugin = bench.plugin(&["COMBINES"]);
    let shape =
        Shape { memory_bytes: 1, params: params(&[("do", "combine few values")]), ..Shape::default() };
    assert_eq!(
        bench.engine(&plugin, &inputs, &shape).concat(),
        b"same 10000\n",
        "what it does not take is kept"
    );
}

#[test]
fn a_key_with_many_values_is_streamed_and_need_not_be_taken_whole() {
    let bench = Bench::new();
    let plugin = bench.plugin(&[]);
    let inputs = [bench.input("text", "a b b c ".repeat(50_000).as_bytes())];
    let shape = Shape { memory_bytes: 1 << 20, reduces: 1, ..Shape::default() };
    assert_eq!(bench.engine(&plugin, &inputs, &shape).concat(), b"a 50000\nb 100000\nc 50000\n");
    let shape = Shape { params: params(&[("do", "take few values")]), ..shape };
    assert_eq!(bench.engine(&plugin, &inputs, &shape).concat(), b"a\nb\nc\n");
}

#[test]
fn no_input_gives_empty_outputs() {
    let bench = Bench::new();
    for options in WAYS {
        let plugin = bench.plugin(options);
        let inputs = [bench.input("empty", b""), bench.input("blank", b"\n\n  \n")];
        assert_eq!(bench.engine(&plugin, &inputs, &Shape::default()), [b"", b""]);
        assert_eq!(bench.oracle(&plugin, &inputs, &Shape::default()).1, [b"", b""]);
    }
}

#[test]
fn a_map_only_app_writes_lines_of_key_and_value() {
    let bench = Bench::new();
    let plugin = bench.plugin(&["MAP_ONLY", "INPUT_MODE=1"]);
    let inputs = [bench.input("a", b"x y"), bench.input("b", b"z\nx\n")];
    let shape = Shape { split_bytes: u64::MAX, ..Shape::default() };
    let lines = |words: &str| -> Vec<u8> {
        words
            .chars()
            .flat_map(|word| [&[word as u8, b' '], &1_u64.to_le_bytes()[..], b"\n"].concat())
            .collect()
    };
    assert_eq!(bench.engine(&plugin, &inputs, &shape), [lines("xy"), lines("zx")]);
    let (summary, outputs) = bench.oracle(&plugin, &inputs, &shape);
    assert_eq!(outputs, [lines("xyzx")]);
    assert_eq!((summary.map.records_out, summary.map.calls), (4, 2));
}

#[test]
fn figures_and_counters_are_those_of_the_attempt() {
    let bench = Bench::new();
    let plugin = bench.plugin(&[]);
    let text = b"one two\nthree one\n";
    let shape = Shape { reduces: 1, ..Shape::default() };
    let maps = bench.maps(&plugin, &[bench.input("text", text)], &shape).unwrap();
    let map = &maps[0];
    assert_eq!((map.stats.bytes_in, map.stats.calls, map.stats.pairs_out, map.stats.spills), (18, 1, 4, 0));
    assert_eq!(map.stats.counters.get("blocks"), Some(&1));
    assert_eq!(map.partitions.len(), 1);
    assert_eq!(map.partitions[0].pairs, 4);
    assert_eq!(map.bytes, fs::metadata(map.path.to_path()).unwrap().len());
    let reduced = bench.reduce(&plugin, 0, &maps, &shape).unwrap().stats;
    assert_eq!(
        (reduced.bytes_in, reduced.pairs_in, reduced.calls, reduced.records_out),
        (map.partitions[0].bytes, 4, 3, 3)
    );
    assert_eq!(reduced.counters.get("reduces"), Some(&1));
}

#[test]
fn the_digest_tells_pairs_apart_and_nothing_else() {
    let bench = Bench::new();
    let plugin = bench.plugin(&["COLLECTS"]);
    let digest = |text: &str, memory_bytes: u64, reduces: u32| {
        let shape = Shape { memory_bytes, reduces, ..Shape::default() };
        bench.maps(&plugin, &[bench.input("text", text.as_bytes())], &shape).unwrap()[0].digest
    };
    let text: String = (0..3000).map(|n| format!("word{n} ")).collect();
    assert_eq!(digest(&text, 1, 2), digest(&text, 64 << 20, 2), "blocks and spills do not matter");
    assert_ne!(digest(&text, 1, 2), digest(&text, 1, 3), "partitions do");
    assert_ne!(digest(&text, 1, 2), digest(&format!("{text}more"), 1, 2));
    assert_ne!(digest("ab c", 1, 1), digest("a bc", 1, 1));
}

#[test]
fn the_c_example_of_the_sdk_counts_words() {
    let bench = Bench::new();
    let plugin = Plugin::load(&bench.compile_file("../../sdk/tests/c/wordcount.c", &[])).unwrap();
    let inputs = [bench.input("text", b"the cat and the dog\nand the rest\n")];
    for memory_bytes in [1, 64 << 20] {
        let shape = Shape { memory_bytes, reduces: 1, split_bytes: 7, ..Shape::default() };
        let outputs = bench.engine(&plugin, &inputs, &shape);
        assert_eq!(outputs.concat(), b"and 2\ncat 1\ndog 1\nrest 1\nthe 3\n");
        assert_eq!(outputs, bench.oracle(&plugin, &inputs, &shape).1);
    }
}
