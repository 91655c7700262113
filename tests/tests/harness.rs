//! The harness must notice what it is there to notice: tests that cannot fail prove nothing.

#![expect(clippy::expect_used, reason = "what helps a test is as strict as the test")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};

use gristmill_tests::{OUTSIDE, Output, Place, Process, Random, Wires, free_address, is_alive};

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

/// Answers every line with the same line.
fn serve_echo(listener: TcpListener) {
    let echo = |stream: TcpStream| {
        let mut line = String::new();
        while BufReader::new(&stream).read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            (&stream).write_all(line.as_bytes()).expect("an answer can be sent");
            line.clear();
        }
    };
    let start = move |stream| drop(std::thread::spawn(move || echo(stream)));
    std::thread::spawn(move || listener.incoming().flatten().for_each(start));
}

/// A process that says something at an address, and prints the answer.
fn start_caller(place: &Place, address: &str, word: &str) -> Process {
    let (host, port) = address.rsplit_once(':').expect("an address");
    let mut command = place.command("bash");
    command.args(["-c", "exec 3<>/dev/tcp/$0/$1; echo $2 >&3; head -n 1 <&3", host, port, word]);
    place.start("caller", command)
}

#[test]
fn wires_know_who_calls_and_hold_back_only_what_is_cut() {
    let place = Place::new();
    let listener = TcpListener::bind(free_address()).unwrap();
    let (member, address) = (listener.local_addr().unwrap(), free_address());
    serve_echo(listener);
    let mut wires = Wires::new();
    wires.relay(1, member, address.parse().unwrap());

    // A member is served while everybody else is cut off, one way or the other.
    for cut in [(OUTSIDE, 1), (1, OUTSIDE)] {
        wires.cut(cut.0, cut.1);
        let caller = wires.start(2, || start_caller(&place, &address, "knock"));
        assert_eq!(caller.wait().done().stdout(), "knock\n");
        let outside = TcpStream::connect(&address).unwrap();
        (&outside).write_all(b"held\n").unwrap();
        let caller = wires.start(2, || start_caller(&place, &address, "again"));
        assert_eq!(caller.wait().done().stdout(), "again\n");
        outside.set_nonblocking(true).unwrap();
        assert!((&outside).read(&mut [0; 8]).is_err(), "an answer came through a cut wire");
        outside.set_nonblocking(false).unwrap();
        wires.mend();
        let mut line = String::new();
        BufReader::new(&outside).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
    }
}
