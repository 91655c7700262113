//! A worker of a group of coordinators: the leader changes, dies, hangs or is missing, and the worker is the same all the while.

use std::process::Command;

use gristmill_model::Outcome;
use gristmill_protocol::{Endpoint, Listener, listen};
use gristmill_worker::{Exit, WorkerConfig};

use crate::coordinator::{Coordinator, Serving, Standing};
use crate::world::{World, is_alive, until};

/// Two members of a group, and a worker with two slots; the first leads.
struct Group {
    world: World,
    first: Coordinator,
    second: Coordinator,
    addresses: [String; 2],
    serving: [Option<Serving>; 2],
}

impl Group {
    async fn start() -> Self {
        let mut world = World::without_worker();
        let (first, second) = (world.coordinator.fellow(), world.coordinator.fellow());
        let tcp = [listen(local()).await.unwrap(), listen(local()).await.unwrap()];
        let addresses = [tcp[0].local_addr().unwrap(), tcp[1].local_addr().unwrap()];
        second.becomes(Standing::Follows(Some(addresses[0].to_string())));
        let [one, two] = tcp;
        let serving = [Some(first.serve(Listener::Tcp(one))), Some(second.serve(Listener::Tcp(two)))];
        let endpoint = Endpoint::tcp(&addresses).unwrap();
        world.start(WorkerConfig { slots: 2, endpoint, ..world.config() });
        Self { world, first, second, addresses: addresses.map(|address| address.to_string()), serving }
    }

    /// The second takes over; the first knows.
    fn hand_over(&self) {
        self.first.becomes(Standing::Follows(Some(self.addresses[1].clone())));
        self.second.becomes(Standing::Leads);
    }

    fn nobody_leads(&self) {
        self.first.becomes(Standing::Follows(None));
        self.second.becomes(Standing::Follows(None));
    }
}

fn local() -> std::net::SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_finds_the_same_worker_with_the_same_attempts() {
    let group = Group::start().await;
    let world = &group.world;
    let running = world.map(0, "loop");
    world.coordinator.give(running.clone());
    let pid = world.left_at(0).await.parse().unwrap();
    group.hand_over();
    world.log_of(world.map(1, "")).await;
    world.coordinator.progress(running.attempt, 1).await;
    assert!(is_alive(pid));
    assert_eq!(world.coordinator.hellos().len(), 1, "it need not join again");
    let incarnation = world.coordinator.hellos()[0].incarnation;
    assert_eq!(world.coordinator.incarnation_given(world.map(1, "").attempt), Some(incarnation));
    world.coordinator.cancel(running.attempt);
    assert_eq!(world.coordinator.report(running.attempt).await.outcome, Outcome::Cancelled);
    assert_eq!(world.coordinator.reports(running.attempt), 1);
    group.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_dies_is_left_for_the_next() {
    let mut group = Group::start().await;
    group.world.log_of(group.world.map(0, "")).await;
    group.serving[0] = None;
    group.second.becomes(Standing::Leads);
    group.world.log_of(group.world.map(1, "")).await;
    assert_eq!(group.world.coordinator.hellos().len(), 1);
    group.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_hangs_is_left_for_the_next() {
    let group = Group::start().await;
    group.world.log_of(group.world.map(0, "")).await;
    group.first.becomes(Standing::Hangs);
    group.second.becomes(Standing::Leads);
    group.world.log_of(group.world.map(1, "")).await;
    group.world.log_of(group.world.map(2, "")).await;
    assert_eq!(group.world.coordinator.hellos().len(), 1);
    group.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_while_nobody_leads_is_reported_to_the_next_leader_once() {
    let group = Group::start().await;
    let world = &group.world;
    let map = world.map(0, "loop");
    world.coordinator.give(map.clone());
    let pid = world.left_at(0).await;
    group.nobody_leads();
    let (polls, _) = world.coordinator.refused();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    // The report itself was refused at least once.
    until(|| world.coordinator.refused().0 >= polls + 3).await;
    assert_eq!(world.coordinator.reports(map.attempt), 0);
    group.second.becomes(Standing::Leads);
    let outcome = world.coordinator.report(map.attempt).await.outcome;
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    world.log_of(world.map(1, "")).await;
    world.coordinator.heartbeats(5).await;
    assert_eq!(world.coordinator.reports(map.attempt), 1);
    group.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_leader_does_not_ask_again_and_again() {
    let group = Group::start().await;
    group.world.log_of(group.world.map(0, "")).await;
    group.nobody_leads();
    let before = group.world.coordinator.refused();
    until(|| group.world.coordinator.refused().1 >= before.1 + 50).await;
    // A heartbeat every 10 ms, and polls with growing pauses.
    let polls = group.world.coordinator.refused().0 - before.0;
    assert!((1..50).contains(&polls), "{polls} polls beside 50 heartbeats");
    group.hand_over();
    group.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_leader_that_does_not_know_the_worker_makes_it_start_over() {
    let group = Group::start().await;
    let world = &group.world;
    world.coordinator.give(world.map(0, "loop"));
    let pid = world.left_at(0).await.parse().unwrap();
    group.nobody_leads();
    world.coordinator.give_up_workers();
    until(|| world.coordinator.refused().1 >= 10).await;
    assert!(is_alive(pid), "nobody who may has said that it is taken away");
    group.hand_over();
    world.coordinator.registered(2).await;
    until(|| !is_alive(pid)).await;
    let hellos = world.coordinator.hellos();
    assert_ne!(hellos[0].incarnation, hellos[1].incarnation);
    group.world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_may_leave_ends_with_success_and_says_goodbye() {
    let mut world = World::new(1);
    world.log_of(world.map(0, "")).await;
    world.coordinator.drain();
    assert_eq!(world.end().await.unwrap(), Exit::Drained);
    assert_eq!(world.coordinator.goodbyes().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_may_leave_ends_first_what_it_has_begun() {
    let mut world = World::new(1);
    let map = world.map(0, "loop");
    world.coordinator.give(map.clone());
    world.left_at(0).await;
    world.coordinator.drain();
    world.coordinator.heartbeats(5).await;
    world.coordinator.cancel(map.attempt);
    assert_eq!(world.coordinator.report(map.attempt).await.outcome, Outcome::Cancelled);
    assert_eq!(world.end().await.unwrap(), Exit::Drained);
}
