//! No slot outlives its agent, however that ends.

use std::process::{Command, Stdio};

use gristmill_protocol::{Listener, listen};
use gristmill_worker::Exit;

use crate::world::{World, is_alive, until};

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
    let slots = children_of(agent.id());
    assert_eq!(slots.len(), 3);
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

fn children_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let parent_of = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    processes.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}
