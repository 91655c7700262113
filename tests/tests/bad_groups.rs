//! Groups that are set up wrongly: a clear error or no effect.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "what helps a test is as strict as the test")]

use std::fs;
use std::process::Command;

use gristmill_tests::{Ended, Group, Place, Worker, free_address, gristmill, permit, until};

/// Runs the coordinator that a command starts to its end, which must come by itself.
fn run(place: &Place, command: Command) -> Ended {
    place.start("coordinator", command).wait()
}

/// The command of a member, with other words in the place of some of its options.
fn with(place: &Place, group: &Group<'_>, id: u64, changes: &[(&str, &str)]) -> Command {
    let mut words: Vec<_> = group.command(id).get_args().map(ToOwned::to_owned).collect();
    for (option, value) in changes {
        let at = words.iter().position(|word| word == option).unwrap();
        words[at + 1] = value.into();
    }
    let mut command = place.command(gristmill());
    command.args(words);
    command
}

#[test]
fn unknown_ids_are_refused_and_change_nothing() {
    let place = Place::new();
    let group = place.group(3);
    group.leader();
    group.ask(["job", "j99"]).refused().says(&["j99"]);
    group.ask(["cancel", "j99"]).refused().says(&["j99"]);
    group.ask(["explain", "j99.m1"]).refused().says(&["j99"]);
    group.ask(["drain", "w99"]).refused().says(&["w99"]);
    group.ask(["kv", "get", "nothing"]).failed().says(&["nothing"]);
    group.end(vec![]);
}

#[test]
fn second_process_in_a_data_directory_is_refused() {
    let place = Place::new();
    let group = place.group(3);
    group.leader();
    run(&place, with(&place, &group, 2, &[("--listen", &free_address())]))
        .refused()
        .says(&["another coordinator is using", "member-2"]);
    group.put("k", "v").done();
    group.end(vec![]);
}

#[test]
fn member_that_listens_elsewhere_than_the_others_believe_is_told_so() {
    let place = Place::new();
    let mut group = place.group(3);
    group.leader();
    group.kill(1);
    let of_another = group.address_of(2).to_owned();
    group.kill(2);
    run(&place, with(&place, &group, 1, &[("--listen", &of_another)])).refused().says(&[
        &of_another,
        "has member 2",
        "this is member 1",
    ]);
    let elsewhere = free_address();
    let command = with(&place, &group, 1, &[("--listen", &elsewhere)]);
    group.restart_as(1, command);
    let said = group.process(1).stderr().to_owned();
    let warning = format!(
        "listens at {elsewhere}, but by --peers the others look for member 1 at {}",
        group.address_of(1)
    );
    assert_eq!(said.matches(&warning).count(), 1, "{said}");
    group.restart(2);
    let said = group.process(2).stderr().to_owned();
    assert!(!said.contains("listens at"), "{said}");
    // It may lead, but nobody finds it.
    group.kill(1);
    group.restart(1);
    group.put("k", "v").done();
    group.end(vec![]);
}

#[test]
fn second_member_with_the_same_id_has_no_effect() {
    let place = Place::new();
    let group = place.steady_group(3);
    let leader = group.leader();
    group.put("k", "before").done();
    let elsewhere = place.folder("data").join("impostor");
    let command = with(
        &place,
        &group,
        leader,
        &[("--listen", &free_address()), ("--data-dir", elsewhere.to_str().unwrap())],
    );
    let impostor = place.start("impostor", command);
    until("the impostor to say why it is of no use", || {
        let told = impostor.stderr();
        told.contains("will have nothing to do with this one: member")
            .then(|| assert!(told.contains("another process runs with --id")))
    });
    for number in 0..20 {
        group.put("k", &number.to_string()).done();
    }
    assert_eq!(group.leader(), leader, "an impostor has made the leader go");
    assert_eq!(group.get("k"), "19");
    impostor.kill();
    group.end(vec![]);
}

#[test]
fn data_directory_of_another_member_is_refused() {
    let place = Place::new();
    let mut group = place.group(3);
    group.leader();
    group.kill_all();
    let of_two = group.data_dir(2).to_str().unwrap().to_owned();
    run(&place, with(&place, &group, 1, &[("--data-dir", &of_two)])).refused().says(&["member-2"]);
    group.restart_all();
    group.leader();
    group.end(vec![]);
}

#[test]
fn member_that_has_lost_its_directory_is_refused_also_after_a_restart_of_all_others() {
    let place = Place::new();
    let mut group = place.group(3);
    group.lead(1);
    group.put("k", "v").done();
    group.kill_all();
    fs::remove_dir_all(group.data_dir(3)).unwrap();
    group.restart_all();
    // Once it has heard of a leader it sends nothing any more, so it may be that only one of them ever has to do with it.
    until("a member to say that it refuses it", || {
        let says = |id| group.process(id).stderr().contains("refused member 3 with another store");
        (says(1) || says(2)).then_some(())
    });
    assert_eq!(group.get("k"), "v");
    group.start_joining(4);
    let by = format!("4={}", group.address_of(4));
    group.ask(["members", "replace", "3", &by]).done();
    group.forget(3).unwrap().kill();
    assert_eq!(group.get("k"), "v");
    group.end(vec![]);
}

#[test]
fn member_of_a_group_that_has_changed_is_held_to_what_the_others_know() {
    let place = Place::new();
    let mut group = place.group(3);
    group.leader();
    let founded = group.command(1);
    group.start_joining(4);
    let joins = format!("4={}", group.address_of(4));
    group.ask(["members", "add", &joins]).done();
    group.ask(["members", "remove", "3"]).done();
    group.forget(3).unwrap().kill();
    // So that it knows of all that.
    group.lead(1);

    // A founder by the list of old: once it is said that the list counts no more.
    group.kill(1);
    group.restart_as(1, founded);
    let now = format!("1={},2={},4={}", group.address_of(1), group.address_of(2), group.address_of(4));
    let said = group.process(1).stderr().to_owned();
    assert_eq!(said.matches("--peers counts no more").count(), 1, "{said}");
    assert!(said.contains(&now) && !said.contains("listens at"), "{said}");

    // One that is to be somewhere else by its list would be called by nobody.
    group.kill(1);
    let elsewhere = free_address();
    let peers = group.peers().replace(group.address_of(1), &elsewhere);
    run(&place, with(&place, &group, 1, &[("--listen", &elsewhere), ("--peers", &peers)])).refused().says(&[
        "the others of its group reach at",
        group.address_of(1),
        &elsewhere,
    ]);
    group.restart(1);

    // One that joined is in no list: only the group knows where it is.
    group.kill(4);
    group.kill(2);
    let of_another = group.address_of(2).to_owned();
    run(&place, with(&place, &group, 4, &[("--listen", &of_another)]))
        .refused()
        .says(&[&of_another, "has member 2 at"]);
    let command = with(&place, &group, 4, &[("--listen", &elsewhere)]);
    group.restart_as(4, command);
    let warning = format!(
        "listens at {elsewhere}, but by the members of the group the others look for member 4 at {}",
        group.address_of(4)
    );
    let said = group.process(4).stderr().to_owned();
    assert!(said.contains(&warning) && !said.contains("--peers counts no more"), "{said}");
    group.kill(4);
    group.restart_all();
    group.put("k", "v").done();
    group.end(vec![]);
}

#[test]
fn new_member_with_another_directory_under_a_known_id_is_refused_and_it_is_said_why() {
    let place = Place::new();
    let mut group = place.group(3);
    group.leader();
    group.start_joining(4);
    let joins = format!("4={}", group.address_of(4));
    let add = ["members", "add", &joins];
    group.ask(add).done();
    group.ask(["members", "remove", "4"]).done();
    group.kill(4);
    fs::remove_dir_all(group.data_dir(4)).unwrap();
    group.restart(4);
    let why = "refused member 4 with another store";
    group.ask(add).failed().says(&["member 4 has not caught up", why, "members remove 4"]);
    // It says nothing by itself, so it is whoever leads that has met it.
    let told = [1, 2, 3].map(|id| group.process(id).stderr().matches(why).count());
    assert!(told.iter().any(|times| *times > 0) && told.iter().all(|times| *times < 2), "{told:?}");
    assert!(group.ask(["members"]).done().stdout().contains(" role=learner "));
    group.ask(["members", "remove", "4"]).done();
    group.end(vec![]);
}

#[test]
fn new_member_at_whose_address_nobody_is_stays_a_learner_and_it_is_said_why() {
    let place = Place::new();
    let mut group = place.group(1);
    let nowhere = free_address();
    let joins = format!("2={nowhere}");
    group.ask(["members", "add", &joins]).failed().says(&[
        "member 2 has not caught up",
        &format!("cannot be reached: connect to {nowhere}: Connection refused"),
        "members remove 2",
    ]);
    group.ask(["members", "remove", "2"]).done();
    group.start_joining(3);
    let joins = format!("3={}", group.address_of(3));
    group.ask(["members", "add", &joins]).done();
    group.end(vec![]);
}

#[test]
fn data_directory_of_another_group_is_refused() {
    let place = Place::new();
    let (mut ours, mut theirs) = (place.group(3), Group::start_in(&place, 3, "theirs"));
    ours.leader();
    theirs.leader();
    ours.kill_all();
    theirs.kill_all();
    let foreign = theirs.data_dir(1).to_str().unwrap().to_owned();
    run(&place, with(&place, &ours, 1, &[("--data-dir", &foreign)])).refused().says(&["founded by"]);
    ours.restart_all();
    ours.leader();
    ours.end(vec![]);
}

#[test]
fn peer_list_that_disagrees_is_refused() {
    let place = Place::new();
    let mut group = place.group(3);
    group.leader();
    group.kill(3);
    let other_list = group.peers().replace(group.address_of(1), &free_address());
    run(&place, with(&place, &group, 3, &[("--peers", &other_list)]))
        .refused()
        .says(&["founded by", group.address_of(1)]);
    group.restart(3);
    group.put("k", "v").done();
    group.end(vec![]);
}

#[test]
fn newcomer_with_another_list_has_no_effect_on_a_group() {
    let place = Place::new();
    let group = place.steady_group(3);
    let leader = group.leader();
    group.put("k", "v").done();
    // It takes itself for the fourth of four founders.
    let listed = free_address();
    let peers = format!("{},4={listed}", group.peers());
    let mut command = place.command(gristmill());
    command.args(["coordinator", "--id", "4", "--peers", &peers, "--listen", &listed, "--data-dir"]);
    command.arg(place.folder("data").join("stranger"));
    let stranger = place.start("stranger", command);
    until("the members to say that they refuse it", || {
        group.process(leader).stderr().contains("member 4 of another group").then_some(())
    });
    assert_eq!((group.leader(), group.get("k").as_str()), (leader, "v"));
    stranger.kill();
    group.end(vec![]);
}

#[test]
fn data_directory_of_a_newer_version_is_refused() {
    let place = Place::new();
    let mut group = place.group(1);
    group.leader();
    group.kill_all();
    let identity = group.data_dir(1).join("replica/identity");
    let mut bytes = fs::read(&identity).unwrap();
    // Its version, behind eight bytes by which it is known.
    bytes[8] += 1;
    fs::write(&identity, &bytes).unwrap();
    run(&place, group.command(1)).refused().says(&["version", "newer"]);
    bytes[8] -= 1;
    fs::write(&identity, &bytes).unwrap();
    group.restart_all();
    group.end(vec![]);
}

#[test]
fn directory_with_something_else_in_it_is_refused_and_left_alone() {
    let place = Place::new();
    let letters = place.folder("data").join("letters");
    fs::create_dir(&letters).unwrap();
    fs::write(letters.join("letter.txt"), "dear").unwrap();
    let mut command = place.command(gristmill());
    command.args(["coordinator", "--listen", &free_address(), "--data-dir"]).arg(&letters);
    run(&place, command).refused().says(&["letters", "holds \"letter.txt\"", "empty or new directory"]);
    assert_eq!(fs::read_dir(&letters).unwrap().count(), 1);
}

#[test]
fn data_directory_without_permission_is_refused() {
    let place = Place::new();
    let target = place.folder("data").join("sealed");
    fs::create_dir(&target).unwrap();
    permit(&target, 0o555);
    permit(place.root(), 0o755);
    let program = place.folder("in").join("gristmill");
    fs::copy(gristmill(), &program).unwrap();
    permit(&program, 0o755);
    let mut command = place.command("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
    command.args(["coordinator", "--listen", &free_address(), "--data-dir"]).arg(target.join("data"));
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: this test needs root, to become somebody whom permissions stop");
        return;
    }
    run(&place, command).refused().says(&["permission denied", "sealed"]);
}

#[test]
fn worker_of_one_group_is_of_no_use_to_another() {
    let place = Place::new();
    let (ours, theirs) = (place.group(1), Group::start_in(&place, 1, "theirs"));
    let worker = Worker::start(&place, theirs.address(), 1);
    theirs.until_workers(1);
    assert_eq!(ours.ask(["workers"]).done().stdout(), "");
    theirs.end(vec![worker]);
    ours.end(vec![]);
}
