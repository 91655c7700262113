//! Disks that fail a member, or have: what mends itself, what is refused and how it is repaired, and a full one.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "what helps a test is as strict as the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gristmill_tests::{Ended, Group, Place, gristmill};

/// The files of a member's log, the oldest first.
fn log_files(group: &Group<'_>, id: u64) -> Vec<PathBuf> {
    let entries = fs::read_dir(group.data_dir(id).join("replica/log")).unwrap();
    let mut files: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// Changes a bit in the middle of the last file of a member's log: which file that is, and what is in it then.
fn damage_log(group: &Group<'_>, id: u64) -> (PathBuf, Vec<u8>) {
    let log = log_files(group, id).pop().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(&log, &bytes).unwrap();
    (log, bytes)
}

fn repair(place: &Place, data_dir: &Path, more: &[&str]) -> Ended {
    let mut command = place.command(gristmill());
    command.arg("repair").args(more).arg("--data-dir").arg(data_dir);
    place.start("repair", command).wait()
}

#[test]
fn end_of_the_log_that_a_crash_tore_off_is_no_reason_to_stop() {
    let place = Place::new();
    let mut group = place.group(1);
    group.leader();
    for number in 0..50 {
        group.put(&format!("k{number}"), "v").done();
    }
    // What a write leaves that was under way: the beginning of a record, or room that was never written.
    for torn in [[1, 2, 3].as_slice(), &[0; 300]] {
        group.kill_all();
        let last = log_files(&group, 1).pop().unwrap();
        let mut bytes = fs::read(&last).unwrap();
        let begin = bytes[..torn.len()].to_vec();
        bytes.extend(if torn[0] == 0 { torn } else { &begin });
        fs::write(&last, bytes).unwrap();
        group.restart_all();
        for number in 0..50 {
            assert_eq!(group.get(&format!("k{number}")), "v");
        }
    }
    group.end(vec![]);
}

#[test]
fn empty_file_of_the_log_is_told_as_what_it_is() {
    let place = Place::new();
    let mut group = place.group(1);
    group.leader();
    group.put("k", "v").done();
    group.kill_all();
    // As if a crash had come just when the next file was made.
    let log = group.data_dir(1).join("replica/log");
    fs::write(log.join("r-10_000_000_000_000_000_000.wal"), []).unwrap();
    group.restart_all();
    let said = group.process(1).stderr();
    assert!(said.contains("removed an empty file, which was only begun, from the log"), "{said}");
    assert!(!said.contains("cut "), "{said}");
    assert_eq!(group.get("k"), "v");
    group.kill_all();
    log_files(&group, 1).iter().for_each(|log| fs::write(log, []).unwrap());
    let ended = place
        .start("coordinator", group.command(1))
        .wait()
        .refused()
        .says(&["holds no log, but the member had one"]);
    assert!(!ended.stderr().contains("unfinished") && !ended.stderr().contains("begun"), "{ended}");
}

#[test]
fn damage_inside_the_log_is_refused_shown_and_cut_when_told() {
    let place = Place::new();
    let mut group = place.group(1);
    group.leader();
    for number in 0..50 {
        group.put(&format!("k{number}"), &"value ".repeat(20)).done();
    }
    group.kill_all();
    let (log, bytes) = damage_log(&group, 1);
    let name = log.file_name().unwrap().to_str().unwrap().to_owned();
    place.start("coordinator", group.command(1)).wait().refused().says(&[
        "damaged",
        &name,
        "gristmill repair",
    ]);

    let data_dir = group.data_dir(1).to_owned();
    let repair = |more: &[&str]| repair(&place, &data_dir, more);
    let shown = repair(&[]).failed();
    assert!(shown.stdout().contains(&format!("damage {}", log.display())), "{shown}");
    assert_eq!(fs::read(&log).unwrap(), bytes, "showing has changed the log");
    let cut = repair(&["--cut"]).done();
    assert!(cut.stdout().contains("cut "), "{cut}");
    repair(&[]).done();
    group.restart_all();
    // What lies before the damage is there; what was behind it is lost, as was said.
    assert_eq!(group.get("k0"), "value ".repeat(20));
    group.ask(["kv", "get", "k49"]).failed();
    group.put("again", "v").done();
    group.end(vec![]);
}

#[test]
fn damage_inside_the_log_of_one_member_of_several_is_cut_only_when_told_to_forget() {
    let place = Place::new();
    let mut group = place.group(3);
    group.leader();
    for number in 0..50 {
        group.put(&format!("k{number}"), &"value ".repeat(20)).done();
    }
    group.kill(2);
    let (log, bytes) = damage_log(&group, 2);
    let data_dir = group.data_dir(2).to_owned();
    let repair = |more: &[&str]| repair(&place, &data_dir, more);
    let cure = ["gristmill members replace", "--forget-acknowledged"];
    repair(&[]).failed().says(&cure);
    repair(&["--cut"]).failed().says(&["acknowledged to others of its group"]).says(&cure);
    assert!(fs::read(&log).unwrap() == bytes, "a refusal has changed the log");
    repair(&["--forget-acknowledged"]).refused();
    // The cure that it names.
    group.start_joining(4);
    let by = format!("4={}", group.address_of(4));
    group.ask(["members", "replace", "2", &by]).done();
    group.forget(2);
    assert_eq!(group.get("k49"), "value ".repeat(20));
    assert!(repair(&["--cut", "--forget-acknowledged"]).done().stdout().contains("cut "));
    repair(&[]).done();
    group.end(vec![]);
}

/// Mounts a small disk for one member in a namespace of its own.
const ON_A_SMALL_DISK: &str = r#"mount -t tmpfs -o size=6m gristmill-test "$0" && exec "$@""#;

#[test]
fn member_whose_disk_is_full_steps_down_and_nothing_acknowledged_is_lost() {
    let place = Place::new();
    let mut group = place.group(3);
    let small = group.leader();
    let works = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success());
    if !works {
        eprintln!("skipped: this user may not mount a tmpfs in a namespace of its own");
        return;
    }
    group.kill_all();
    // Founded anew, one of them on a small disk.
    for id in group.ids() {
        fs::remove_dir_all(group.data_dir(id)).unwrap();
    }
    fs::create_dir_all(group.data_dir(small)).unwrap();
    let plain = group.command(small);
    let mut command = place.command("unshare");
    command.args(["-m", "sh", "-c", ON_A_SMALL_DISK]).arg(group.data_dir(small));
    command.arg(plain.get_program()).args(plain.get_args());
    group.restart_as(small, command);
    group.restart_all();
    group.lead(small);
    let value = "x".repeat(100_000);
    let file = place.input("value.txt", &value);
    let mut acknowledged = Vec::new();
    for number in 0..120 {
        let key = format!("k{number}");
        let put = group.ask(["kv", "put", &key, "--from", file.to_str().unwrap()]);
        if put.is_success() {
            acknowledged.push(key);
        }
    }
    assert!(acknowledged.len() > 60, "the group did not go on without the full one: {}", acknowledged.len());
    assert_ne!(group.leader(), small);
    let said = group.process(small).stderr().to_lowercase();
    assert!(said.contains("no space left"), "{said}");
    for key in acknowledged {
        assert_eq!(group.get(&key), value, "{key}");
    }
    group.kill_all();
}
