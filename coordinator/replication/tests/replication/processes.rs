//! A real process on a real disk: killed at any moment, or without room to write.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use gristmill_replication::testing::FaultyNetwork;
use gristmill_replication::{Config, Node, Role, Store, repair};
use tempfile::TempDir;

use crate::ledger::Ledger;
use crate::world::rounds;

const PROGRAM: &str = env!("CARGO_BIN_EXE_gristmill-replication-for-tests");

/// The commands that a node finds in a directory.
async fn commands(directory: &Path) -> BTreeSet<String> {
    let config = Config::new(1, [(1, "here".to_owned())].into(), Store::Directory(directory.into()));
    let node = Node::start(config, FaultyNetwork::new(1).wire(1), Ledger::default()).await.unwrap();
    let mut role = node.leadership();
    role.wait_for(|role| matches!(role, Role::Leading { .. })).await.unwrap();
    let commands = node.machine().commands();
    let found: BTreeSet<_> = commands.iter().cloned().collect();
    assert_eq!(found.len(), commands.len(), "something was applied twice");
    node.shutdown().await;
    found
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let directory = TempDir::new().unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds(8) {
        let mut command = Command::new(PROGRAM);
        command.arg(directory.path()).arg(format!("r{round}")).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // By a different number of commands each time: in the middle of a write, of a new file, of a snapshot.
        let wanted = 200 + usize::try_from(round).unwrap() * 173;
        acknowledged.extend(lines.by_ref().take(wanted).map(Result::unwrap));
        process.kill().unwrap();
        process.wait().unwrap();
        acknowledged.extend(lines.map(Result::unwrap));
        let found = commands(directory.path()).await;
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
    }
    assert_eq!(repair::inspect(directory.path()).unwrap().damage, []);
    assert!(repair::inspect(directory.path()).unwrap().snapshot.is_some(), "no snapshot was ever taken");
}

/// Mounts a disk of 600 KiB, runs the process there until it fails, and copies what is on the disk.
const ON_A_SMALL_DISK: &str = r#"
mount -t tmpfs -o size=600k,mode=0700 gristmill-test "$DISK" || exit 99
"$@"
status=$?
cp -r "$DISK/data" "$COPY" || exit 98
exit $status
"#;

#[tokio::test]
async fn a_full_disk_stops_the_node_and_loses_nothing_that_was_acknowledged() {
    let place = TempDir::new().unwrap();
    let (disk, copy) = (place.path().join("disk"), place.path().join("copy"));
    std::fs::create_dir(&disk).unwrap();
    let Some(namespace) = ["-rm", "-m"].into_iter().find(|namespace| may_mount(namespace, &disk)) else {
        println!("skipped: this user may mount a tmpfs neither in a user namespace nor as root");
        return;
    };
    let mut command = Command::new("unshare");
    command.args([namespace, "sh", "-c", ON_A_SMALL_DISK, "sh", PROGRAM]).arg(disk.join("data")).arg("full");
    command.env("DISK", &disk).env("COPY", &copy);
    let ended = command.output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{told}");
    let [line] = told.lines().collect::<Vec<_>>()[..] else { panic!("one line: {told}") };
    assert!(line.contains("No space left on device") && line.contains("make room on the disk"), "{line}");
    let acknowledged: BTreeSet<_> =
        String::from_utf8_lossy(&ended.stdout).lines().map(str::to_owned).collect();
    assert!(acknowledged.len() > 1000);
    let found = commands(&copy).await;
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

fn may_mount(namespace: &str, path: &Path) -> bool {
    let mut command = Command::new("unshare");
    command.args([namespace, "mount", "-t", "tmpfs", "gristmill-test"]).arg(path);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[test]
fn a_directory_without_permission_is_refused_by_name() {
    let place = TempDir::new().unwrap();
    let directory = place.path().join("closed");
    std::fs::create_dir(&directory).unwrap();
    let program = place.path().join("program");
    std::fs::copy(PROGRAM, &program).unwrap();
    set_mode(place.path(), 0o755);
    set_mode(&directory, 0o000);
    let mut command = Command::new(program);
    command.arg(&directory).arg("name");
    // Root may do everything, and so becomes nobody.
    if std::fs::read_dir(&directory).is_ok() {
        command.uid(65_534);
    }
    let ended = command.output().unwrap();
    set_mode(&directory, 0o755);
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{told}");
    assert!(told.contains(directory.to_str().unwrap()) && told.contains("Permission denied"), "{told}");
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
