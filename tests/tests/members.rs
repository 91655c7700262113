//! Members of a group come, go and change while jobs run, and workers are drained.
#![expect(clippy::unwrap_used, reason = "what helps a test is as strict as the test")]

use std::path::Path;

use gristmill_model::MemberChange;
use gristmill_protocol::{Client, Endpoint};
use gristmill_tests::{
    DEADLINE, Ended, Gate, Group, Job, Output, Place, Random, TROUBLE, assert_undisturbed, free_address,
    gristmill, until,
};
use serde_json::Value;
use tokio::runtime::Builder;

/// A job of four maps and two reduces, each of which meets the word `trouble`.
fn job(place: &Place) -> Job<'_> {
    let text = |seed| [Random::new(seed).text(20_000), TROUBLE.to_vec()].concat();
    let inputs = [1, 2, 3, 4].map(|seed| place.input(format!("{seed}.txt"), text(seed)));
    place.job("misbehave").reduces(2).split_size("1MiB").inputs(inputs)
}

fn assert_like_sequential(job: &Job<'_>, output: &Path) {
    let expected = job.sequential().done().output();
    let output = Output::committed(output);
    assert!(output.parts() == expected.parts(), "{output:?} instead of {expected:?}");
}

fn members(group: &Group<'_>) -> Vec<Value> {
    let told = group.ask(["members", "--json"]).done().json();
    told["members"].as_array().unwrap().clone()
}

fn voters(group: &Group<'_>) -> Vec<u64> {
    members(group)
        .iter()
        .filter(|member| member["votes"] == true)
        .map(|m| m["id"].as_u64().unwrap())
        .collect()
}

fn change(group: &Group<'_>, words: &[&str]) -> Ended {
    group.ask([&["members"], words].concat())
}

/// Holds a job in its maps, changes the members, and wants the job to go on as if nothing had happened.
fn job_goes_on_while(befall: impl FnOnce(&mut Group<'_>)) {
    let place = Place::new();
    let gate = Gate::new(&place);
    let mut group = place.steady_group(3);
    let workers = group.workers(2, 1);
    let (id, output) = gate.holds(job(&place), "map").hand_in(&group);
    gate.until_waiting(2);
    befall(&mut group);
    gate.open();
    let status = group.until_done(&id);
    assert_undisturbed(&status);
    assert_like_sequential(&job(&place), &output);
    group.end(workers);
}

#[test]
fn members_are_listed_with_their_leader() {
    let place = Place::new();
    let group = place.steady_group(3);
    let leader = group.leader();
    let told = group.ask(["members", "--json"]).done().json();
    assert_eq!(told["leader"], leader, "{told}");
    assert_eq!(voters(&group), [1, 2, 3]);
    for member in members(&group) {
        assert_eq!(member["address"], group.address_of(member["id"].as_u64().unwrap()), "{member}");
        assert_eq!(member["leads"], member["id"] == leader, "{member}");
    }
    let text = group.ask(["members"]).done().stdout();
    assert_eq!(text.lines().filter(|line| line.contains(" leader=yes ")).count(), 1, "{text}");
    group.end(vec![]);
}

#[test]
fn dead_member_is_silent_until_it_is_back() {
    let place = Place::new();
    let mut group = place.steady_group(3);
    let (leader, dead) = group.leader_and_follower();
    let silent = |group: &Group<'_>, id: u64| {
        let told = members(group).into_iter().find(|member| member["id"] == id).unwrap();
        told["silent_seconds"].as_f64().unwrap()
    };
    group.kill(dead);
    // Longer than any that lives is ever silent, and longer each time.
    let first = until("it to be silent", || Some(silent(&group, dead)).filter(|silent| *silent > 3.0));
    until("it to be silent for longer", || (silent(&group, dead) > first).then_some(()));
    let text = group.ask(["members"]).done().stdout();
    let line = text.lines().find(|line| line.starts_with(&format!("{dead} "))).unwrap();
    let told: f64 = line.rsplit_once(" silent=").unwrap().1.parse().unwrap();
    assert!(told > first, "{text}");
    assert_eq!(silent(&group, leader).to_string(), "0", "it hears itself");
    group.restart(dead);
    until("it to be heard of", || (silent(&group, dead) < first).then_some(()));
    group.end(vec![]);
}

#[test]
fn group_grows_to_five_and_then_lives_without_two_while_a_job_runs() {
    job_goes_on_while(|group| {
        for id in [4, 5] {
            group.start_joining(id);
            let joins = format!("{id}={}", group.address_of(id));
            change(group, &["add", &joins]).done();
        }
        assert_eq!(voters(group), [1, 2, 3, 4, 5]);
        for _ in 0..2 {
            let leader = group.leader();
            group.kill(leader);
        }
        let leader = group.leader();
        assert!(group.is_started(leader));
        group.restart_all();
    });
}

#[test]
fn members_join_a_coordinator_by_itself_and_its_job_outlives_it() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let mut group = Group::start_alone(&place);
    group.start_joining(2);
    group.start_joining(3);
    let first = group.worker(1);
    let (id, output) = gate.holds(job(&place), "map").hand_in(&group);
    gate.until_waiting(1);
    assert_eq!(voters(&group), [1]);
    for id in [2, 3] {
        change(&group, &["add", &format!("{id}={}", group.address_of(id))]).done();
    }
    assert_eq!(voters(&group), [1, 2, 3]);
    group.kill(1);
    assert_ne!(group.leader(), 1);
    // It has the plugin from the newcomers: nobody else is left who could give it.
    let second = group.worker(1);
    gate.until_waiting(2);
    gate.open();
    let status = group.until_done(&id);
    assert_undisturbed(&status);
    assert_like_sequential(&job(&place), &output);
    group.restart_all();
    group.lead(1);
    group.end(vec![first, second]);
}

#[test]
fn coordinator_by_itself_may_listen_elsewhere_until_others_join() {
    let place = Place::new();
    let mut group = Group::start_alone(&place);
    group.ask(["kv", "put", "k", "v"]).done();
    group.kill(1);
    group.move_alone();
    group.restart(1);
    assert_eq!(members(&group)[0]["address"], group.address_of(1));
    assert_eq!(group.ask(["kv", "get", "k"]).done().stdout(), "v");
    group.start_joining(2);
    change(&group, &["add", &format!("2={}", group.address_of(2))]).done();
    group.kill(1);
    let known = group.address_of(1).to_owned();
    let mut moved = place.command(gristmill());
    moved.args(["coordinator", "--listen", &free_address(), "--data-dir"]).arg(group.data_dir(1));
    place.start("coordinator", moved).wait().refused().says(&["the others of its group reach at", &known]);
    group.restart(1);
    group.leader();
    assert_eq!(group.ask(["kv", "get", "k"]).done().stdout(), "v");
    group.end(vec![]);
}

#[test]
fn leader_and_follower_are_removed_while_a_job_runs() {
    job_goes_on_while(|group| {
        for id in [4, 5] {
            group.start_joining(id);
            let joins = format!("{id}={}", group.address_of(id));
            change(group, &["add", &joins]).done();
        }
        let (leader, follower) = group.leader_and_follower();
        change(group, &["remove", &follower.to_string()]).done();
        change(group, &["remove", &leader.to_string()]).done();
        for id in [leader, follower] {
            // Its time is over, and it is told no more: nobody need wait for it.
            if let Some(process) = group.forget(id) {
                process.kill();
            }
        }
        let left: Vec<u64> = group.ids();
        assert_eq!(voters(group), left);
        assert!(left.contains(&group.leader()));
    });
}

#[test]
fn member_that_was_removed_says_so_and_sends_callers_to_the_others() {
    let place = Place::new();
    let mut group = place.steady_group(3);
    group.ask(["kv", "put", "k", "v"]).done();
    let (leader, follower) = group.leader_and_follower();
    for removed in [follower, leader] {
        change(&group, &["remove", &removed.to_string()]).done();
        let says = || group.process(removed).stderr().matches("is no member of its group").count();
        until("it to say so", || (says() > 0).then_some(()));
        assert_eq!(group.only(removed).ask(["kv", "get", "k"]).done().stdout(), "v");
        assert_eq!(says(), 1, "{}", group.process(removed).stderr());
    }
    let [last] = voters(&group)[..] else { panic!("one is left") };
    let address = group.address_of(last).to_owned();
    group.kill(last);
    let told = group.only(follower).ask(["kv", "get", "k"]).found_no_coordinator();
    told.says(&["is no member of its group", group.address_of(follower), &address, "--coordinator"]);
    group.restart(last);
    // They end like any other.
    group.end(vec![]);
}

#[test]
fn dead_member_is_replaced_by_a_new_one_while_a_job_runs() {
    job_goes_on_while(|group| {
        let dead = group.follower();
        group.kill(dead);
        group.start_joining(4);
        let joins = format!("4={}", group.address_of(4));
        change(group, &["replace", &dead.to_string(), &joins]).done();
        group.forget(dead);
        let left = group.ids();
        assert_eq!(voters(group), left);
        // The newcomer counts: with it the group can lose another one.
        let leader = group.leader();
        group.kill(leader);
        group.leader();
        group.restart_all();
    });
}

#[test]
fn leadership_is_handed_over_while_a_job_runs() {
    job_goes_on_while(|group| {
        for _ in 0..3 {
            let heir = group.follower();
            change(group, &["lead", &heir.to_string()]).done();
            until("the heir to lead", || (group.leader_if_any() == Some(heir)).then_some(()));
        }
    });
}

/// What was undone meanwhile stays undone.
#[test]
fn change_that_comes_late_a_second_time_is_not_made_again() {
    let place = Place::new();
    let mut group = place.steady_group(3);
    let (leader, heir) = group.leader_and_follower();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(Endpoint::parse(group.address()).unwrap(), DEADLINE);
    let seen = || runtime.block_on(client.members()).unwrap().version;
    let make = |seen, change: &MemberChange| {
        let made = runtime.block_on(client.change_members_of(seen, change));
        made.map(drop).map_err(|error| error.to_string())
    };
    let of_three = seen();
    let lead = MemberChange::Lead { id: heir };
    make(of_three, &lead).unwrap();
    group.lead(leader);
    let refused = make(of_three, &lead).unwrap_err();
    assert!(refused.contains("has changed since"), "{refused}");
    assert_eq!(group.leader(), leader);

    group.start_joining(4);
    let add = MemberChange::Add { id: 4, address: group.address_of(4).to_owned() };
    make(of_three, &add).unwrap();
    let of_four = seen();
    make(of_three, &add).unwrap();
    assert_eq!(seen(), of_four, "it is there already");
    change(&group, &["remove", "4"]).done();
    let refused = make(of_three, &add).unwrap_err();
    assert!(refused.contains("has changed since"), "{refused}");
    make(of_four, &MemberChange::Remove { id: 4 }).unwrap();
    assert_eq!(voters(&group), [1, 2, 3]);
    if let Some(process) = group.forget(4) {
        process.kill();
    }
    group.end(vec![]);
}

#[test]
fn changes_that_make_no_sense_are_refused_and_change_nothing() {
    let place = Place::new();
    let group = place.group(3);
    group.leader();
    let before = voters(&group);
    let somewhere = free_address();
    change(&group, &["remove", "9"]).refused().says(&["9"]);
    change(&group, &["lead", "9"]).refused().says(&["9"]);
    change(&group, &["replace", "9", &format!("4={somewhere}")]).refused().says(&["9"]);
    change(&group, &["replace", "2", &format!("2={}", group.address_of(2))])
        .refused()
        .says(&["votes already"]);
    change(&group, &["add", &format!("2={somewhere}")]).refused().says(&["2"]);
    change(&group, &["add", &format!("4={}", group.address_of(1))]).refused().says(&[group.address_of(1)]);
    change(&group, &["add", "4"]).refused();
    assert_eq!(voters(&group), before);
    assert_eq!(members(&group).len(), 3);
    group.end(vec![]);
}

#[test]
fn drained_worker_ends_what_it_runs_gets_no_more_and_leaves() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let group = place.group(3);
    let (drained, stays) = (group.worker(1), group.worker(1));
    let (id, output) = gate.holds(job(&place), "map").hand_in(&group);
    gate.until_waiting(2);
    let listed = group.ask(["workers"]).done().stdout();
    let name = format!("-{} ", drained.process.id());
    let worker =
        listed.lines().find(|line| line.contains(&name)).unwrap().split_once(' ').unwrap().0.to_owned();
    group.ask(["drain", &worker]).done();
    gate.open();
    let status = group.until_done(&id);
    assert_undisturbed(&status);
    assert_like_sequential(&job(&place), &output);
    drained.process.wait().done();
    assert_eq!(group.ask(["workers"]).done().stdout().lines().count(), 1);
    group.ask(["drain", &worker]).done();
    group.ask(["drain", "w99"]).refused().says(&["no worker w99"]);
    group.end(vec![stays]);
}

#[test]
fn worker_stays_drained_under_a_new_leader() {
    let place = Place::new();
    let gate = Gate::new(&place);
    let mut group = place.group(3);
    let drained = group.worker(1);
    let (id, output) = gate.holds(job(&place), "map").hand_in(&group);
    gate.until_waiting(1);
    let listed = group.ask(["workers"]).done().stdout();
    let worker = listed.split_once(' ').unwrap().0.to_owned();
    group.ask(["drain", &worker]).done();
    let leader = group.leader();
    group.kill(leader);
    group.leader();
    let stays = group.worker(1);
    gate.open();
    let status = group.until_done(&id);
    assert_undisturbed(&status);
    assert_like_sequential(&job(&place), &output);
    drained.process.wait().done();
    group.restart_all();
    group.end(vec![stays]);
}
