//! What a slot is given, and what it is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gristmill_model::Outcome;

use crate::world::{MEMORY_BYTES, World, children_of, plugin};

fn lines<'a>(log: &'a str, kind: &str) -> Vec<&'a str> {
    log.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' ')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_sees_a_clean_environment_bounded_memory_and_a_private_directory() {
    let world = World::new(1);
    let log = world.log_of(world.map(0, "look")).await;
    let environment = lines(&log, "env");
    let handed_on = ["LANG=", "LC_ALL=", "LC_CTYPE=", "TZ=", "GRISTMILL_SIMD="];
    let mut own: Vec<_> =
        environment.into_iter().filter(|v| !handed_on.iter().any(|h| v.starts_with(h))).collect();
    own.sort_unstable();
    let [backtrace, tmpdir] = own[..] else { panic!("{own:?}") };
    assert_eq!(backtrace, "RUST_BACKTRACE=0");
    let home = tmpdir.strip_prefix("TMPDIR=").unwrap();
    assert!(home.starts_with(&format!("{}/agent-", world.work_dir().display())));
    assert_eq!(lines(&log, "cwd"), [home]);
    assert_eq!(lines(&log, "data"), [(4 * MEMORY_BYTES + (512 << 20)).to_string()]);
    assert_eq!(lines(&log, "core"), ["0"]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_inherits_no_descriptor_and_hands_none_on() {
    let world = World::new(1);
    let log = world.log_of(world.map(0, "look")).await;
    let all = lines(&log, "fd");
    let (stays, closes): (Vec<_>, Vec<_>) = all.into_iter().partition(|fd| fd.contains(" stays "));
    assert_eq!(stays[0], "0 stays /dev/null");
    assert!(stays[1].starts_with("1 stays pipe:") && stays[2].starts_with("2 stays pipe:"), "{stays:?}");
    assert_eq!(stays.len(), 3, "{stays:?}");
    // Beside files of its own attempt there is the control channel, under two numbers.
    let sockets: Vec<_> = closes.iter().filter(|fd| fd.contains("socket:")).collect();
    let names: BTreeSet<_> = sockets.iter().map(|fd| fd.rsplit(' ').next()).collect();
    assert_eq!((sockets.len(), names.len()), (2, 1), "{closes:?}");
    let work_dir = world.dir.path().display().to_string();
    for fd in closes.iter().filter(|fd| !fd.contains("socket:")) {
        assert!(fd.contains(&work_dir), "{fd}");
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_used_again_for_the_same_plugin_and_memory_only() {
    let world = World::new(1);
    let first = world.log_of(world.map(0, "pid")).await;
    assert_eq!(world.log_of(world.map(1, "pid")).await, first);
    let mut more_memory = world.map(2, "pid");
    more_memory.memory_bytes *= 2;
    let second = world.log_of(more_memory).await;
    assert_ne!(second, first);
    let (library, info) = plugin("other");
    world.coordinator.add_blob(info.sha256, library.to_vec());
    let mut other = world.map(3, "pid");
    other.plugin = info.into();
    let third = world.log_of(other).await;
    assert!(third.ends_with("other\n"), "{third}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_died_before_its_first_attempt_is_not_given_another_plugin() {
    let world = World::new(1);
    let give = |index: u32, marker: &str| {
        let (library, info) = plugin(marker);
        world.coordinator.add_blob(info.sha256, library.to_vec());
        let mut map = world.map(index, "pid");
        map.plugin = info.into();
        world.coordinator.give(map.clone());
        map.attempt
    };
    // One that is killed before it has said that it is ready gives its attempt back: then again.
    let mut tries = 0..;
    loop {
        let number = tries.next().unwrap();
        let work_dir = world.work_dir();
        world.coordinator.before_the_next_blob(move || kill_the_slot_in(&work_dir));
        let first = give(number, &format!("first {number}"));
        match world.coordinator.report(first).await.outcome {
            Outcome::Cancelled => {}
            Outcome::Mapped(_) => break,
            other => panic!("{other:?}"),
        }
    }
    let other = give(tries.next().unwrap(), "other");
    let report = world.coordinator.report(other).await;
    let log = String::from_utf8(report.log.0).unwrap();
    assert!(log.ends_with("other\n"), "{log}");
    world.finish().await;
}

/// Kills the only slot whose directory is below `work_dir`, and waits until another has taken its place.
fn kill_the_slot_in(work_dir: &Path) {
    let slots = || -> Vec<u32> {
        let lives_here =
            |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(work_dir));
        children_of(std::process::id()).into_iter().filter(lives_here).collect()
    };
    let killed = loop {
        if let [pid] = slots()[..] {
            break pid;
        }
    };
    let pid = rustix::process::Pid::from_raw(killed.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    while !matches!(slots()[..], [next] if next != killed) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_goes_elsewhere_does_not_take_the_next_one_along() {
    let world = World::new(1);
    world.log_of(world.map(0, "wander")).await;
    let log = world.log_of(world.map(1, "look")).await;
    assert!(lines(&log, "cwd")[0].contains("agent-"), "{log}");
    world.finish().await;
}
