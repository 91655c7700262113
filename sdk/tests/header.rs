//! The header for C says the same as `abi.rs`, and a plugin written with it works.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail a test")]

use gristmill_sdk::abi::{self, Descriptor};
use gristmill_sdk::testing::{TestJob, run_plugin, run_plugin_every_way};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt::Write;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, symbol: *const c_char) -> *const c_void;
    fn dlerror() -> *const c_char;
}

fn sdk() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where this test may leave files.
fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

fn cc(arguments: &[&str], source: &Path, output: &Path) {
    let compiled = Command::new("cc")
        .args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
        .arg(sdk().join("include"))
        .args(arguments)
        .arg("-o")
        .arg(output)
        .arg(source)
        .output()
        .expect("cc runs");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
}

macro_rules! layouts {
    ($($rust:ident $c:literal { $($field:ident)* })*) => {
        /// Each size and offset: as an expression in C, and as it is in Rust.
        fn layouts() -> Vec<(String, usize)> {
            vec![$(
                (format!("sizeof({})", $c), size_of::<abi::$rust>()),
                $((format!("offsetof({}, {})", $c, stringify!($field)), offset_of!(abi::$rust, $field)),)*
            )*]
        }
    };
}

layouts! {
    Status "gristmill_status" {}
    Bytes "gristmill_bytes" { ptr len }
    Param "gristmill_param" { key value }
    Setup "gristmill_setup" { params param_count }
    MapSetup "gristmill_map_setup" { partitions reserved memory_bytes bounds }
    Block "gristmill_block" { document bytes offset }
    Values "gristmill_values" { bytes count }
    Groups "gristmill_groups" { bytes count more reserved }
    Host "gristmill_host" {
        size reserved context emit run_begin run_pairs run_end write next_values combined count progress fail
    }
    Descriptor "gristmill_descriptor" {
        magic abi_version size flags input_mode record_bytes reserved name version built_with create destroy map_begin
        map map_end reduce_begin reduce reduce_end combine partition
    }
}

#[test]
fn the_header_and_the_sdk_agree_on_every_field_and_constant() {
    let constants = [
        ("GRISTMILL_ABI_VERSION", abi::ABI_VERSION as usize),
        ("GRISTMILL_HEADER_BYTES", abi::HEADER_BYTES),
        ("GRISTMILL_OK", abi::Status::OK.0 as usize),
        ("GRISTMILL_ERROR", abi::Status::ERROR.0 as usize),
        ("GRISTMILL_PANIC", abi::Status::PANIC.0 as usize),
        ("GRISTMILL_STOP", abi::Status::STOP.0 as usize),
        ("GRISTMILL_INPUT_TEXT", abi::input_mode::TEXT as usize),
        ("GRISTMILL_INPUT_FILE", abi::input_mode::FILE as usize),
        ("GRISTMILL_INPUT_RECORDS", abi::input_mode::RECORDS as usize),
        ("GRISTMILL_MAP_ONLY", abi::flags::MAP_ONLY as usize),
        ("GRISTMILL_PANIC_ABORTS", abi::flags::PANIC_ABORTS as usize),
        ("GRISTMILL_COLLECTS", abi::flags::COLLECTS as usize),
        ("GRISTMILL_TOTAL_ORDER", abi::flags::TOTAL_ORDER as usize),
        (
            "(GRISTMILL_MAP_ONLY | GRISTMILL_PANIC_ABORTS | GRISTMILL_COLLECTS | GRISTMILL_TOTAL_ORDER)",
            abi::flags::ALL as usize,
        ),
    ];
    let constants = constants.map(|(name, value)| (name.to_owned(), value));
    let mut expected = String::new();
    let mut source = "#include <gristmill.h>\n#include <stdio.h>\nint main(void) {\n".to_owned();
    for (expression, value) in layouts().into_iter().chain(constants) {
        writeln!(source, "    printf(\"%s %zu\\n\", \"{expression}\", (size_t)({expression}));").unwrap();
        writeln!(expected, "{expression} {value}").unwrap();
    }
    source.push_str("    printf(\"%.8s.\\n\", GRISTMILL_MAGIC);\n}\n");
    writeln!(expected, "{}.", str::from_utf8(&abi::MAGIC[..7]).unwrap()).unwrap();
    let (code, program) = (built("layout.c"), built("layout"));
    std::fs::write(&code, source).unwrap();
    cc(&[], &code, &program);
    let printed = Command::new(&program).output().unwrap().stdout;
    std::fs::remove_file(code).unwrap();
    std::fs::remove_file(program).unwrap();
    assert_eq!(String::from_utf8(printed).unwrap(), expected);
}

#[test]
fn the_header_lists_every_field_of_the_structs() {
    // A field that only one side had would go unseen above if it stood at the end.
    let last = |name: &str, size| {
        let ends: Vec<_> =
            layouts().into_iter().filter(|(field, _)| field.contains(&format!("({name},"))).collect();
        assert_eq!(ends.last().unwrap().1 + size_of::<usize>(), size, "{name}");
    };
    last("gristmill_host", size_of::<abi::Host>());
    last("gristmill_descriptor", size_of::<Descriptor>());
    last("gristmill_values", size_of::<abi::Values>());
    last("gristmill_block", size_of::<abi::Block>());
}

fn word_count(name: &str) -> &'static Descriptor {
    let library = built(name);
    let shared = ["-shared", "-fPIC", "-fvisibility=hidden"];
    cc(&shared, &sdk().join("tests/c/wordcount.c"), &library);
    let path = CString::new(library.to_str().unwrap()).unwrap();
    let symbol = CString::new(abi::SYMBOL).unwrap();
    const RTLD_NOW: c_int = 2;
    // SAFETY: the library has no code that runs when it is loaded; it exports a descriptor and stays loaded.
    let plugin = unsafe {
        let handle = dlopen(path.as_ptr(), RTLD_NOW);
        assert!(!handle.is_null(), "{:?}", CStr::from_ptr(dlerror()));
        dlsym(handle, symbol.as_ptr()).cast::<Descriptor>().as_ref()
    };
    std::fs::remove_file(library).unwrap();
    plugin.expect("the library exports its descriptor")
}

#[test]
fn a_plugin_in_c_counts_words_however_it_is_run() {
    let plugin = word_count("counts.so");
    assert_eq!(
        (plugin.magic, plugin.abi_version, plugin.size as usize),
        (abi::MAGIC, abi::ABI_VERSION, size_of::<Descriptor>())
    );
    let job =
        TestJob::new().input("doc", "to be, or not to be:\nthat is the question\n").input("other", "not");
    let outcome = run_plugin_every_way(plugin, &job).unwrap();
    assert_eq!(outcome.text(), "be 2\nis 1\nnot 2\nor 1\nquestion 1\nthat 1\nthe 1\nto 2\n");
    assert_eq!(outcome.counters["words"], 11);
}

#[test]
fn a_failure_of_a_plugin_in_c_is_told_with_its_place() {
    let job = TestJob::new().input("doc", "one\ntwo three").arg("fail-at", "three");
    let failure = run_plugin(word_count("fails.so"), &job).unwrap_err();
    assert_eq!(failure.to_string(), "map of doc at byte 8: there is the word to fail at");
}
