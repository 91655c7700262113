//! The key/value store from a shell and in trouble: what the classic labs ask of one, over real processes.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "what helps a test is as strict as the test")]

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gristmill_protocol::{Client, Endpoint, KvClient, PROTOCOL_VERSION};
use gristmill_tests::{
    Group, Mischief, Place, Random, Signal, free_address, gristmill, play_all, resident_bytes, until,
};
use tokio::runtime::Runtime;

fn store(address: &str, patience: Duration) -> KvClient {
    Client::new(Endpoint::parse(address).unwrap(), patience).kv()
}

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn shell_commands_do_what_they_say() {
    let place = Place::new();
    let group = place.group(3);
    let kv = |words: &[&str]| group.ask([&["kv"], words].concat());
    let value = |ended: gristmill_tests::Ended, key: &str| ended.done().json()[key].as_u64().unwrap();
    assert_eq!(value(kv(&["put", "a/1", "one", "--json"]), "version"), 1);
    assert_eq!(kv(&["get", "a/1"]).done().stdout(), "one");
    assert_eq!(value(kv(&["append", "a/1", " more", "--json"]), "version"), 2);
    assert_eq!(kv(&["get", "a/1"]).done().stdout(), "one more");
    kv(&["cas", "a/1", "1", "never"]).failed().says(&["version 2"]);
    assert_eq!(value(kv(&["cas", "a/1", "2", "swapped", "--json"]), "version"), 3);
    kv(&["cas", "a/2", "1", "never"]).failed().says(&["a/2"]);
    assert_eq!(value(kv(&["cas", "a/2", "0", "made", "--json"]), "version"), 1);
    kv(&["put", "b", "-"]).done();
    let listed = kv(&["list", "a/", "--json"]).done().json();
    assert_eq!(listed["entries"].as_array().unwrap().len(), 2, "{listed}");
    let changes = kv(&["watch", "a/", "--from-revision", "1", "--count", "4"]).done().stdout();
    assert_eq!(changes.lines().count(), 4, "{changes}");
    kv(&["delete", "a/1", "--version", "7"]).failed().says(&["version 3"]);
    assert_eq!(kv(&["delete", "a/1"]).done().lines()["existed"], "yes");
    assert_eq!(kv(&["delete", "a/1"]).done().lines()["existed"], "no");
    kv(&["get", "a/1"]).failed().says(&["a/1"]);
    group.end(vec![]);
}

#[test]
fn keys_and_values_beyond_the_limits_are_refused() {
    let place = Place::new();
    let group = place.group(1);
    let key = "k".repeat(1025);
    group.ask(["kv", "put", &key, "v"]).refused().says(&["1024"]);
    group.ask(["kv", "put", "", "v"]).refused().says(&["empty"]);
    let file = place.input("value", vec![b'v'; (1 << 20) + 1]);
    group.ask(["kv", "put", "k", "--from", file.to_str().unwrap()]).refused();
    let file = place.input("value", vec![b'v'; 1 << 20]);
    group.ask(["kv", "put", "k", "--from", file.to_str().unwrap()]).done();
    group.ask(["kv", "append", "k", "v"]).refused().says(&["1048576"]);
    group.end(vec![]);
}

/// Each stays connected, and has asked for four pages of four values of the largest size.
#[test]
fn server_keeps_nothing_of_what_its_clients_have_read() {
    const CLIENTS: usize = 200;
    const VALUE_BYTES: usize = 1 << 20;
    let place = Place::new();
    let group = place.group(1);
    let runtime = Runtime::new().unwrap();
    let read = async || {
        let kv = store(group.address(), PATIENCE);
        kv.put(b"small", b"v").await.unwrap();
        assert_eq!(kv.get(b"large/1").await.unwrap().unwrap().value.0.len(), VALUE_BYTES);
        assert_eq!(kv.list(b"large/").await.unwrap().len(), 4);
        kv
    };
    let (first, before) = runtime.block_on(async {
        let kv = store(group.address(), PATIENCE);
        for key in 1..=4 {
            kv.put(format!("large/{key}").as_bytes(), &vec![b'v'; VALUE_BYTES]).await.unwrap();
        }
        (read().await, resident_bytes(group.process(1).id()))
    });
    let mut clients = vec![first];
    runtime.block_on(async {
        for _ in 0..CLIENTS {
            clients.push(read().await);
        }
    });
    let grown = resident_bytes(group.process(1).id()).saturating_sub(before) >> 20;
    assert!(grown < 100, "{CLIENTS} clients that have read 5 MiB each are remembered with {grown} MiB");
    group.end(vec![]);
}

/// Measured, and not asserted: machines differ.
#[test]
fn thousand_writes_one_after_the_other() {
    let place = Place::new();
    let group = place.group(3);
    group.leader();
    let kv = store(group.address(), PATIENCE);
    let begun = Instant::now();
    Runtime::new().unwrap().block_on(async {
        for number in 1..=1000 {
            assert_eq!(kv.put(b"k", b"v").await.unwrap().version, number);
        }
    });
    eprintln!("a write of a group of three, one after the other: {:?}", begun.elapsed() / 1000);
    group.end(vec![]);
}

/// Each client swaps the version that it read for its own; what was won is counted by the version.
#[test]
fn swaps_that_were_won_are_as_many_as_versions() {
    let place = Place::new();
    let mut group = place.group(3);
    let address = Arc::new(group.address().to_owned());
    let runtime = Runtime::new().unwrap();
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let address = address.clone();
            runtime.spawn(async move {
                let kv = store(&address, PATIENCE);
                let mut won = 0;
                for _ in 0..100 {
                    let version = kv.get(b"k").await.unwrap().map_or(0, |entry| entry.version);
                    won += u64::from(kv.cas(b"k", version, b"mine").await.unwrap().is_ok());
                }
                won
            })
        })
        .collect();
    play_all(&mut group, &[Mischief::KillLeader, Mischief::StopLeader], 2, &mut Random::new(1));
    let won: u64 = clients.into_iter().map(|client| runtime.block_on(client).unwrap()).sum();
    let kv = store(&address, PATIENCE);
    let entry = runtime.block_on(kv.get(b"k")).unwrap().unwrap();
    assert_eq!(entry.version, won);
    group.end(vec![]);
}

/// Several clients append to one key, while members are killed and stopped: each piece is there once, and those of a client in its order.
#[test]
fn each_append_is_there_once_and_in_its_client_s_order() {
    const APPENDS: u64 = 300;
    let place = Place::new();
    let mut group = place.group(5);
    let address = Arc::new(group.address().to_owned());
    let runtime = Runtime::new().unwrap();
    let clients: Vec<_> = (0..5)
        .map(|client| {
            let address = address.clone();
            runtime.spawn(async move {
                let kv = store(&address, PATIENCE);
                for number in 0..APPENDS {
                    kv.append(b"k", format!("{client}.{number};").as_bytes()).await.unwrap();
                    // Slow enough to be there for all the faults.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
        })
        .collect();
    let kinds = [Mischief::KillLeader, Mischief::KillAll, Mischief::StopLeader, Mischief::KillFollower];
    play_all(&mut group, &kinds, 4, &mut Random::new(2));
    clients.into_iter().for_each(|client| runtime.block_on(client).unwrap());
    let entry = runtime.block_on(store(&address, PATIENCE).get(b"k")).unwrap().unwrap();
    let text = String::from_utf8(entry.value.0).unwrap();
    let pieces: Vec<(u64, u64)> = text
        .split_terminator(';')
        .map(|piece| piece.split_once('.').unwrap())
        .map(|(client, number)| (client.parse().unwrap(), number.parse().unwrap()))
        .collect();
    for client in 0..5 {
        let own: Vec<u64> = pieces.iter().filter(|piece| piece.0 == client).map(|piece| piece.1).collect();
        assert!(own == (0..APPENDS).collect::<Vec<_>>(), "client {client}: {own:?}");
    }
    assert_eq!(entry.version, 5 * APPENDS);
    group.end(vec![]);
}

#[test]
fn majority_goes_on_and_a_minority_neither_answers_nor_executes() {
    let place = Place::new();
    let mut group = Group::start_with_wires(&place, 5);
    let runtime = Runtime::new().unwrap();
    let all = store(group.address(), PATIENCE);
    runtime.block_on(all.put(b"k", b"before")).unwrap();
    let leader = group.leader();
    let friend = group.follower();
    let majority: Vec<u64> = group.ids().into_iter().filter(|id| ![leader, friend].contains(id)).collect();
    group.wires().partition(&[&[leader, friend], &majority]);

    // Asked at once, while the old leader may still take itself for one.
    let minority = [leader, friend].map(|id| store(group.address_of(id), Duration::from_secs(3)));
    for kv in &minority {
        // Whoever asks a member of the minority may be sent on to the new leader, but must not be told what was before.
        let read = runtime.block_on(kv.get(b"other"));
        assert!(read.is_err(), "a minority has answered a read: {read:?}");
    }
    let patient = store(group.address_of(leader), PATIENCE);
    let hanging = runtime.spawn(async move { patient.put(b"late", b"value").await });
    let leads =
        until("the majority to have a leader", || majority.iter().copied().find(|&id| group.leads(id)));
    let major = store(group.address_of(leads), PATIENCE);
    runtime.block_on(major.put(b"k", b"meanwhile")).unwrap();
    for kv in &minority {
        let read = runtime.block_on(kv.get(b"k"));
        let stale =
            read.as_ref().is_ok_and(|entry| entry.as_ref().is_none_or(|entry| entry.value.0 == b"before"));
        assert!(!stale, "a minority has answered with what was before: {read:?}");
    }
    group.wires().mend();
    // What was asked of the minority is done once it is one no more.
    runtime.block_on(hanging).unwrap().unwrap();
    let entry = runtime.block_on(all.get(b"late")).unwrap().unwrap();
    assert_eq!((entry.value.0.as_slice(), entry.version), (b"value".as_slice(), 1));
    assert_eq!(runtime.block_on(all.get(b"k")).unwrap().unwrap().value.0, b"meanwhile");
    group.leader();
    group.restart_all();
    group.end(vec![]);
}

#[test]
fn all_that_was_written_survives_restarts_of_everybody() {
    let place = Place::new();
    let mut group = place.group(3);
    let runtime = Runtime::new().unwrap();
    for round in 0..3_u64 {
        let kv = store(group.address(), PATIENCE);
        runtime.block_on(async {
            for number in 0..200_u64 {
                kv.append(format!("k{number}").as_bytes(), format!("{round};").as_bytes()).await.unwrap();
            }
        });
        group.kill_all();
        group.restart_all();
        let kv = store(group.address(), PATIENCE);
        let entries = runtime.block_on(kv.list(b"k")).unwrap();
        let expected: String = (0..=round).map(|round| format!("{round};")).collect();
        assert_eq!(entries.len(), 200);
        assert!(
            entries.iter().all(|entry| entry.value.0 == expected.as_bytes() && entry.version == round + 1)
        );
    }
    group.end(vec![]);
}

#[test]
fn one_who_watches_sees_every_change_once_whoever_leads() {
    let place = Place::new();
    let mut group = place.group(3);
    let address = group.address().to_owned();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(store(&address, PATIENCE).put(b"w/0", b"first")).unwrap();
    let watched = address.clone();
    let watching = runtime.spawn(async move {
        let mut watch = store(&watched, PATIENCE).watch(b"w/", Some(1));
        let mut seen = Vec::new();
        while seen.len() < 121 {
            match watch.next().await {
                Ok(gristmill_model::KvEvents::Events { events, .. }) => {
                    seen.extend(events.into_iter().map(|event| (event.revision, event.key.0)));
                }
                Ok(compacted) => return Err(compacted),
                Err(error) => eprintln!("asks again: {error}"),
            }
        }
        Ok(seen)
    });
    let writing = runtime.spawn(async move {
        let kv = store(&address, PATIENCE);
        for number in 1..=120_u32 {
            kv.put(format!("w/{number}").as_bytes(), b"v").await.unwrap();
            kv.put(b"other", b"v").await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    play_all(&mut group, &[Mischief::KillLeader, Mischief::KillAll], 2, &mut Random::new(3));
    runtime.block_on(writing).unwrap();
    let seen = runtime.block_on(watching).unwrap().unwrap();
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0), "{seen:?}");
    let keys: Vec<_> = seen.into_iter().map(|(_, key)| String::from_utf8(key).unwrap()).collect();
    let expected: Vec<_> = (0..=120).map(|number| format!("w/{number}")).collect();
    assert_eq!(keys, expected);
    group.end(vec![]);
}

/// A lock is a key that only one can make, and only its maker deletes.
#[test]
fn lock_has_one_holder_at_a_time() {
    let place = Place::new();
    let mut group = place.group(3);
    let address = Arc::new(group.address().to_owned());
    let runtime = Runtime::new().unwrap();
    let is_held = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..10)
        .map(|client: u64| {
            let (address, is_held) = (address.clone(), is_held.clone());
            runtime.spawn(async move {
                let kv = store(&address, PATIENCE);
                let name = client.to_string().into_bytes();
                for _ in 0..10 {
                    let version = loop {
                        match kv.cas(b"lock", 0, &name).await.unwrap() {
                            Ok(written) => break written.version,
                            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                        }
                    };
                    assert!(!is_held.swap(true, Ordering::SeqCst), "two hold the lock");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    assert!(is_held.swap(false, Ordering::SeqCst), "somebody else has given the lock back");
                    kv.delete_version(b"lock", version).await.unwrap().unwrap();
                }
            })
        })
        .collect();
    play_all(
        &mut group,
        &[Mischief::KillLeader, Mischief::StopLeader, Mischief::KillAll],
        3,
        &mut Random::new(4),
    );
    clients.into_iter().for_each(|client| runtime.block_on(client).unwrap());
    group.end(vec![]);
}

/// Bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    entries
        .map(|entry| if entry.path().is_dir() { bytes_below(&entry.path()) } else { bytes(&entry.path()) })
        .sum()
}

/// So much is written meanwhile that the others have given up the log that would bring it up to date.
#[test]
fn member_that_was_away_for_long_catches_up_by_a_snapshot() {
    const WRITES: usize = 3_000;
    const BYTES: usize = 64 << 10;
    let place = Place::new();
    let mut group = place.group(3);
    let away = group.follower();
    group.kill(away);
    let leader = group.leader();
    let other = group.ids().into_iter().find(|&id| id != away && id != leader).unwrap();
    let runtime = Runtime::new().unwrap();
    let kv = store(group.address(), PATIENCE);
    runtime.block_on(async {
        for number in 0..WRITES {
            let value = vec![u8::try_from(number % 251).unwrap(); BYTES];
            kv.put(format!("k{}", number % 10).as_bytes(), &value).await.unwrap();
        }
    });
    let kept = bytes_below(&group.data_dir(leader).join("replica"));
    assert!(kept < (WRITES * BYTES) as u64, "the log is never given up: {kept} bytes for ten keys");
    group.restart(away);
    // With it the group can do without another one, as soon as it has all that counts.
    group.kill(other);
    let entries = runtime.block_on(kv.list(b"k")).unwrap();
    assert_eq!(entries.len(), 10);
    for (number, entry) in (WRITES - 10..).zip(&entries) {
        assert_eq!(
            (entry.value.0.len(), usize::from(entry.value.0[0])),
            (BYTES, number % 251),
            "{:?}",
            entry.key
        );
    }
    runtime.block_on(kv.put(b"k0", b"new")).unwrap();
    assert!(group.data_dir(away).join("replica/snapshot").exists(), "it has caught up without a snapshot");
    group.restart_all();
    group.end(vec![]);
}

#[test]
fn coordinator_whose_replica_was_removed_does_not_begin_anew() {
    let place = Place::new();
    let mut group = place.group(1);
    group.ask(["kv", "put", "k", "v"]).done();
    group.kill_all();
    let replica = group.data_dir(1).join("replica");
    let kept = place.folder("data").join("kept");
    fs::rename(&replica, &kept).unwrap();
    for remains in [&[][..], &["log"]] {
        for name in remains {
            fs::create_dir_all(replica.join(name)).unwrap();
        }
        place.start("coordinator", group.command(1)).wait().refused().says(&["replica", "--data-dir"]);
    }
    fs::remove_dir_all(&replica).unwrap();
    fs::rename(&kept, &replica).unwrap();
    group.restart_all();
    assert_eq!(group.ask(["kv", "get", "k"]).done().stdout(), "v");
    group.end(vec![]);
}

#[test]
fn connections_leave_the_log_its_files() {
    let place = Place::new();
    let address = free_address();
    // So few that as many callers as there are would take all of them.
    let mut command = place.command("sh");
    command.args(["-c", "ulimit -n 160; exec \"$0\" \"$@\""]).arg(gristmill());
    command.args(["coordinator", "--listen", &address, "--data-dir"]).arg(place.folder("data"));
    let coordinator = place.start("coordinator", command);
    let ask = |words: &[&str]| {
        let mut command = place.command(gristmill());
        command.args(words).args(["--coordinator", &address]);
        place.start("ask", command).wait()
    };
    until("the store to answer", || ask(&["kv", "list"]).is_success().then_some(()));
    let hello = [&b"\x89GRIST\r\n"[..], &PROTOCOL_VERSION.to_le_bytes(), &[4, 0, 0, 0]].concat();
    let call = |_| {
        let mut caller = TcpStream::connect(&address).unwrap();
        // Of those for which there is no room some find nobody who reads.
        let _ = caller.write_all(&hello);
        caller
    };
    let mut callers: Vec<TcpStream> = (0..200).map(call).collect();
    // Before they all have their answers, those that wait would take the places of those that leave.
    for caller in &mut callers {
        caller.set_read_timeout(Some(PATIENCE)).unwrap();
        let answer = caller.read(&mut [0; 64]);
        assert!(!matches!(&answer, Err(error) if error.kind() == ErrorKind::WouldBlock), "no answer");
    }
    callers.drain(..20);
    let value = place.input("value", vec![b'v'; 900_000]);
    // More than one file of the log holds.
    for _ in 0..25 {
        ask(&["kv", "put", "key", "--from", value.to_str().unwrap()]).done();
    }
    drop(callers);
    coordinator.signal(Signal::TERM);
    coordinator.wait();
}
