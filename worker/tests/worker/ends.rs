//! No slot outlives its agent, however that ends.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use gristmill_protocol::{Listener, listen};
use gristmill_worker::{Exit, SlotCommand};

use crate::coordinator::DEADLINE;
use crate::world::{World, children_of, is_alive, slot_command, until};

#[tokio::test(flavor = "multi_thread")]
async fn slots_of_a_killed_agent_die_with_it_even_in_an_endless_loop() {
    let world = World::without_worker();
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let _serving = world.coordinator.serve(Listener::Tcp(listener));
    let mut agent = Command::new(env!("CARGO_BIN_EXE_gristmill-worker-for-tests"))
        .args(["agent", &address, world.work_dir().to_str().unwrap(), "3"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    for index in 0..2 {
        world.coordinator.give(world.map(index, "loop"));
    }
    let looping: Vec<u32> =
        [world.left_at(0).await, world.left_at(1).await].map(|pid| pid.parse().unwrap()).into();
    until(|| children_of(agent.id()).len() == 3).await;
    let slots = children_of(agent.id());
    assert!(looping.iter().all(|pid| slots.contains(pid)));
    agent.kill().unwrap();
    agent.wait().unwrap();
    until(|| !slots.iter().any(|pid| is_alive(*pid))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ends_leaves_no_slot() {
    let mut world = World::new(1);
    world.coordinator.give(world.map(0, "loop"));
    let pid = world.left_at(0).await.parse().unwrap();
    assert!(is_alive(pid));
    assert_eq!(world.stop().await.unwrap(), Exit::Shutdown);
    assert!(!is_alive(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_dropped_leaves_no_slot() {
    let world = World::without_worker();
    let worker = tokio::spawn(gristmill_worker::run(world.config(), std::future::pending()));
    world.coordinator.give(world.map(0, "loop"));
    let pid = world.left_at(0).await.parse().unwrap();
    worker.abort();
    assert!(worker.await.unwrap_err().is_cancelled());
    until(|| !is_alive(pid)).await;
}

#[test]
fn a_slot_whose_agent_hangs_up_ends() {
    let (agent, slot_end) = UnixStream::pair().unwrap();
    let mut slot = slot(OwnedFd::from(slot_end).into());
    drop(agent);
    assert_eq!(end_of(&mut slot).signal(), Some(9));
}

#[test]
fn a_slot_of_another_parent_ends() {
    let (mut agent, slot_end) = UnixStream::pair().unwrap();
    let mut slot = slot(OwnedFd::from(slot_end).into());
    // The length of a hello, its kind, and 1 as the agent's process id.
    agent.write_all(&[2, 0, 0, 0, 0, 1]).unwrap();
    assert_eq!(end_of(&mut slot).signal(), Some(9));
}

#[test]
fn a_slot_started_by_hand_says_what_it_is() {
    let output = slot(Stdio::null()).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stderr, b"slot: this is started by a worker, not by hand\n");
}

fn slot(stdin: Stdio) -> Child {
    let SlotCommand { program, args } = slot_command();
    Command::new(program).args(args).stdin(stdin).stderr(Stdio::piped()).process_group(0).spawn().unwrap()
}

fn end_of(slot: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = slot.try_wait().unwrap() {
            return status;
        }
        if begun.elapsed() > DEADLINE {
            slot.kill().unwrap();
            panic!("the slot did not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
