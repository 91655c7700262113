//! The harness must notice what it is there to notice: tests that cannot fail prove nothing.

#![expect(clippy::expect_used, reason = "what helps a test is as strict as the test")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gristmill_tests::{Output, Place, Random, is_alive};

fn complaint(of: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(of)).expect_err("a complaint");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn process_that_outlives_its_test_is_found_and_ended() {
    let place = Place::new();
    let mut command = place.command("sh");
    // The shell ends at once; what it started has nothing of the place but its working directory.
    command.arg("-c").arg("sleep 1000 >/dev/null 2>&1 & echo $!").env_remove("TMPDIR");
    let ended = place.start("sh", command).wait().done();
    let orphan = ended.stdout().trim().parse().unwrap();
    assert!(is_alive(orphan));
    let complaint = complaint(|| drop(place));
    assert!(complaint.contains(&format!("process {orphan}: sleep 1000")), "{complaint}");
    gristmill_tests::until("the orphan to end", || (!is_alive(orphan)).then_some(()));
}

#[test]
fn file_that_is_left_anywhere_is_found() {
    for file in
        ["tmp/rubbish", "cwd/rubbish", "work/w1/rubbish", "out/rubbish", "out/out-0/.gristmill-rubbish"]
    {
        let place = Place::new();
        assert!(place.new_output().ends_with("out-0"));
        let path = place.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        let complaint = complaint(|| drop(place));
        assert!(complaint.contains("rubbish"), "{complaint}");
    }
}

#[test]
fn output_that_differs_from_its_manifest_is_found() {
    let place = Place::new();
    let manifest = |size: usize, sum: &str| {
        format!(r#"{{"outputs":[{{"name":"mr-out-00000","bytes":{size},"crc32c":"{sum}"}}]}}"#)
    };
    let output = place.new_output();
    fs::create_dir(&output).unwrap();
    fs::write(output.join("mr-out-00000"), "123456789").unwrap();
    let read = || drop(Output::committed(&output));
    // The checksum of these digits is the check value by which CRC32C is told from others.
    fs::write(output.join("_SUCCESS"), manifest(9, "e3069283")).unwrap();
    read();
    fs::write(output.join("_SUCCESS"), manifest(8, "e3069283")).unwrap();
    assert!(complaint(read).contains("size"));
    fs::write(output.join("_SUCCESS"), manifest(9, "e3069284")).unwrap();
    assert!(complaint(read).contains("checksum"));
    fs::remove_file(output.join("_SUCCESS")).unwrap();
    catch_unwind(read).unwrap_err();
}

#[test]
fn texts_are_the_same_every_time() {
    assert_eq!(Random::new(1).text(10_000), Random::new(1).text(10_000));
    assert_ne!(Random::new(1).text(10_000), Random::new(2).text(10_000));
}
