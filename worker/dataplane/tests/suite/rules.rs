//! Plugins that cannot be loaded, fail, or break the rules of the boundary: each gets an error that says so.

use std::fs;
use std::path::Path;

use crate::harness::{Bench, Shape, params};
use gristmill_dataplane::{Plugin, PluginError, ReduceError};
use gristmill_model::{FailureCause, InputMode, TaskFailure};

fn refused(path: &Path) -> PluginError {
    let error = Plugin::inspect(path).unwrap_err();
    let message = error.to_string();
    assert!(message.contains(path.to_str().unwrap()) && !message.contains('\n'), "{message}");
    error
}

#[test]
fn a_plugin_says_what_it_is() {
    let bench = Bench::new();
    let path = bench.compile(&["COMBINES"]);
    let info = Plugin::inspect(&path).unwrap();
    assert_eq!((info.name.as_str(), info.version.as_str()), ("c-app", "1.2"));
    assert_eq!((info.input_mode, info.map_only, info.combines), (InputMode::Text, false, true));
    assert_eq!(info.bytes, fs::metadata(&path).unwrap().len());
    let copy = bench.path("copy.so");
    fs::copy(&path, &copy).unwrap();
    assert_eq!(Plugin::inspect(&copy).unwrap(), info, "the content decides");
    let info = Plugin::inspect(&bench.compile(&["MAP_ONLY", "INPUT_MODE=2", "RECORD_BYTES=10"])).unwrap();
    assert_eq!((info.input_mode, info.map_only, info.combines), (InputMode::Records(10), true, false));
}

#[test]
fn what_is_no_library_is_refused() {
    let bench = Bench::new();
    let path = bench.path("text.so");
    fs::write(&path, "#!/bin/sh\necho this is no library\n").unwrap();
    assert!(matches!(refused(&path), PluginError::NotALibrary { .. }));
    fs::write(&path, "").unwrap();
    assert!(matches!(refused(&path), PluginError::NotALibrary { .. }));
    assert!(matches!(refused(&bench.dir("directory")), PluginError::NotALibrary { .. }));
    assert!(matches!(refused(&bench.path("missing")), PluginError::Read { .. }));
}

#[test]
fn a_library_that_was_cut_off_is_refused_wherever_the_cut_is() {
    let bench = Bench::new();
    let whole = fs::read(bench.compile(&[])).unwrap();
    let path = bench.path("cut.so");
    for kept in (0..whole.len()).step_by(97) {
        fs::write(&path, &whole[..kept]).unwrap();
        assert!(
            matches!(refused(&path), PluginError::NotALibrary { .. } | PluginError::NoDescriptor { .. }),
            "{kept}"
        );
    }
}

#[test]
fn a_library_for_another_machine_is_refused_naming_both() {
    let bench = Bench::new();
    let mut library = fs::read(bench.compile(&[])).unwrap();
    // e_machine of an ELF header: SPARC V9, on which nobody tests.
    library[18..20].copy_from_slice(&43_u16.to_ne_bytes());
    let path = bench.path("other.so");
    fs::write(&path, library).unwrap();
    let error = refused(&path);
    assert!(
        matches!(&error, PluginError::OtherArchitecture { plugin, .. } if plugin == "Sparc64"),
        "{error}"
    );
}

#[test]
fn a_library_without_a_descriptor_is_refused() {
    let bench = Bench::new();
    let error = refused(&bench.compile(&["ELSEWHERE=something_else"]));
    assert!(matches!(error, PluginError::NoDescriptor { .. }));
    assert!(error.to_string().contains("export!"), "{error}");
    assert!(matches!(refused(&bench.compile(&["BAD_MAGIC"])), PluginError::BadDescriptor { .. }));
}

#[test]
fn another_abi_version_is_refused_naming_both_and_the_cure() {
    let bench = Bench::new();
    let error = refused(&bench.compile(&["ABI=7"]));
    assert!(matches!(error, PluginError::OtherAbi { plugin: 7, host: 2, .. }));
    assert!(error.to_string().contains("build it again"), "{error}");
}

#[test]
fn a_descriptor_that_says_what_it_cannot_mean_is_refused() {
    let bench = Bench::new();
    let cases: [(&[&str], &str); 7] = [
        (&["MORE_FLAGS=0x100"], "flags"),
        (&["INPUT_MODE=9"], "input mode 9"),
        (&["INPUT_MODE=2"], "records have no bytes"),
        (&["RECORD_BYTES=4"], "not records"),
        (&["NO_MAP"], "`map` is null"),
        (&["TOTAL_ORDER", "MAP_ONLY"], "no reduce stage"),
        (&["TOTAL_ORDER", "PARTITIONS"], "choose partitions itself"),
    ];
    for (options, reason) in cases {
        let error = refused(&bench.compile(options));
        assert!(
            matches!(error, PluginError::BadDescriptor { .. }) && error.to_string().contains(reason),
            "{error}"
        );
    }
}

/// The failure of a map over one text by an app that was asked to `misbehave`.
fn map_failure(bench: &Bench, options: &[&str], misbehave: &str) -> TaskFailure {
    let shape = Shape { params: params(&[("do", misbehave)]), ..Shape::default() };
    bench
        .maps(&bench.plugin(options), &[bench.input("the text", b"some words\nof text of words\n")], &shape)
        .unwrap_err()
}

#[test]
fn breaking_a_rule_is_the_plugins_fault_and_the_rule_is_named() {
    let bench = Bench::new();
    let emitting = [
        ("fail silently", "without saying why"),
        ("stop unasked", "nothing had asked it to"),
        ("return 42", "returned 42"),
        ("lend null", "lent 5 bytes"),
        ("lend too much", "lent 18446744073709551615 bytes"),
        ("ignore a refusal", "lent 5 bytes"),
        ("write in map", "`write` may not be called here"),
        ("ask for values in map", "`next_values` may not be called here"),
        ("name no counter", "name of a counter"),
        ("name a counter badly", "name of a counter"),
        ("count without end", "more than 1000 counters"),
        ("begin a run", "does not say that it collects"),
        ("choose a partition that is not there", "chose 2, but there are 2"),
    ];
    let collecting = [
        ("emit", "says it collects pairs itself"),
        ("begin a run", "begun but not ended"),
        ("begin a run twice", "twice"),
        ("pairs without a run", "without `run_begin`"),
        ("end no run", "without `run_begin`"),
        ("unsorted run", "must ascend"),
        ("run for no partition", "partition 99"),
        ("partitions descend", "must ascend"),
        ("garbage in a run", "not whole"),
        ("huge lengths in a run", "not whole"),
        ("more pairs than said", "end at byte 4"),
        ("endless pairs said", "not whole"),
    ];
    let collecting = collecting.map(|(misbehave, named)| (&["COLLECTS"][..], misbehave, named));
    let emitting = emitting.map(|(misbehave, named)| (&["PARTITIONS"][..], misbehave, named));
    for (options, misbehave, named) in emitting.into_iter().chain(collecting) {
        let failure = map_failure(&bench, options, misbehave);
        assert_eq!(failure.cause, FailureCause::Plugin, "{misbehave}: {failure:?}");
        assert!(failure.message.contains(named), "{misbehave}: {failure:?}");
    }
}

#[test]
fn a_failure_tells_the_apps_message_and_the_place() {
    let bench = Bench::new();
    let failure = map_failure(&bench, &[], "fail");
    assert_eq!((failure.cause, failure.message.as_str()), (FailureCause::Error, "a bad record"));
    assert_eq!(failure.location.unwrap().to_string(), "the text at byte 7");
    let failure = map_failure(&bench, &[], "fail far out");
    assert_eq!(failure.location.unwrap().offset, 0, "a place beyond the block is not believed");
    let failure = map_failure(&bench, &[], "panic");
    assert_eq!((failure.cause, failure.message.as_str()), (FailureCause::Panic, "caught a panic"));
    let failure = map_failure(&bench, &[], "fail to create");
    assert_eq!((failure.message.as_str(), failure.location), ("will not be created", None));
    let failure = map_failure(&bench, &[], "fail at length");
    assert!(failure.message.len() < 3000, "messages are bounded");
}

#[test]
fn a_failed_reduce_tells_the_key() {
    let bench = Bench::new();
    let plugin = bench.plugin(&[]);
    let inputs = [bench.input("text", b"a bad c")];
    let fail = |misbehave| {
        let shape = Shape { reduces: 1, params: params(&[("do", misbehave)]), ..Shape::default() };
        let maps = bench.maps(&plugin, &inputs, &shape).unwrap();
        match bench.reduce(&plugin, 0, &maps, &shape) {
            Err(ReduceError::Failed(failure)) => failure,
            other => panic!("{other:?}"),
        }
    };
    let failure = fail("fail to reduce");
    assert_eq!(
        (failure.cause, failure.message.as_str()),
        (FailureCause::Error, "will not reduce (reducing key `bad`)")
    );
    let failure = fail("fail to reduce somewhere");
    assert_eq!(failure.message, "will not reduce (reducing one of the keys from `a` to `c`)");
    let failure = fail("ask for values at the end");
    assert!(failure.message.contains("`next_values` may not be called here"), "{failure:?}");
}

#[test]
fn a_combine_that_loses_a_key_is_refused() {
    let bench = Bench::new();
    let failure = map_failure(&bench, &["COMBINES"], "combine into nothing");
    assert!(failure.message.contains("gave no value"), "{failure:?}");
}
