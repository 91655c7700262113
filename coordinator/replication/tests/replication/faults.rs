//! What a data directory may have become: each is healed, or refused with its name, and nothing acknowledged is ever silently lost.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use gristmill_replication::repair::Acknowledged;
use gristmill_replication::testing::FaultyNetwork;
use gristmill_replication::{Config, Node, Role, StartError, Store, repair};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::Config as ProptestConfig;
use tempfile::TempDir;

use crate::ledger::Ledger;

/// A group of one in a directory.
struct One {
    directory: TempDir,
}

impl One {
    /// A directory with so many commands in it.
    async fn with(commands: usize, configure: impl Fn(&mut Config)) -> Self {
        let one = Self { directory: TempDir::new().unwrap() };
        let mut config = one.config();
        configure(&mut config);
        let node = start(config).await.unwrap();
        let term = term(&node).await;
        for number in 0..commands {
            node.propose(term, command(number)).await.unwrap();
        }
        node.shutdown().await;
        one
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn config(&self) -> Config {
        config(self.path())
    }

    /// The files of the log.
    fn log_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path().join("log")).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "wal"));
        files.sort();
        files
    }

    /// How many commands a node finds there, or why it does not start.
    async fn found(&self) -> Result<usize, StartError> {
        let shown = repair::inspect(self.path());
        let started = start(self.config()).await;
        // Who looks before sees what the start will say, and nothing else; behind an end that heals there may be more.
        if let Ok(report) = shown
            && report.damage.iter().all(|damage| !damage.heals)
        {
            let refused = started.as_ref().err();
            assert_eq!(report.damage.is_empty(), refused.is_none(), "{:?}, {refused:?}", report.damage);
        }
        let node = started?;
        term(&node).await;
        let commands = node.machine().commands();
        node.shutdown().await;
        assert!(commands.iter().enumerate().all(|(number, found)| *found == command(number)));
        Ok(commands.len())
    }
}

fn command(number: usize) -> String {
    format!("command {number} {}", "x".repeat(number % 50))
}

fn config(path: &Path) -> Config {
    Config::new(1, [(1, "here".to_owned())].into(), Store::Directory(path.into()))
}

async fn start(config: Config) -> Result<Node<Ledger>, StartError> {
    let network = FaultyNetwork::new(1).wire(config.id);
    Node::start(config, network, Ledger::default()).await
}

async fn term(node: &Node<Ledger>) -> u64 {
    let mut role = node.leadership();
    let leading = role.wait_for(|role| !matches!(role, Role::Following { .. })).await.unwrap().clone();
    match leading {
        Role::Leading { term } => term,
        other => panic!("{other:?}"),
    }
}

/// Copies a directory, so that one can be damaged many times.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A directory with a snapshot, several files of log, and entries behind the snapshot; and how many commands are in it.
fn template() -> &'static (One, usize) {
    static TEMPLATE: std::sync::OnceLock<(One, usize)> = std::sync::OnceLock::new();
    TEMPLATE.get_or_init(|| {
        // On a thread of its own: a test's runtime may be running on this one.
        std::thread::spawn(|| runtime().block_on(make_template())).join().unwrap()
    })
}

async fn make_template() -> (One, usize) {
    let configure = |config: &mut Config| {
        config.snapshot_log_bytes = 10_000;
        config.kept_entries = 100;
        config.log_file_bytes = 4_000;
    };
    let one = One::with(300, configure).await;
    let mut commands = 300;
    // Snapshots are taken on the side: one may not have been done.
    while repair::inspect(one.path()).unwrap().purged.is_none() {
        let mut config = one.config();
        configure(&mut config);
        let node = start(config).await.unwrap();
        let term = term(&node).await;
        for _ in 0..50 {
            node.propose(term, command(commands)).await.unwrap();
            commands += 1;
        }
        node.shutdown().await;
    }
    (one, commands)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn copied() -> One {
    let one = One { directory: TempDir::new().unwrap() };
    copy(template().0.path(), one.path());
    one
}

fn all_files(one: &One) -> Vec<PathBuf> {
    let mut files = one.log_files();
    files.push(one.path().join("identity"));
    files.push(one.path().join("snapshot"));
    files
}

#[test]
fn the_template_has_everything_that_can_be_damaged() {
    let one = copied();
    assert!(one.log_files().len() >= 3, "{:?}", one.log_files());
    let report = repair::inspect(one.path()).unwrap();
    assert_eq!(report.damage, []);
    assert_eq!(report.node, Some(1));
    assert!(report.snapshot.is_some() && report.purged.is_some());
    assert!(report.entries >= 50);
    assert_eq!(runtime().block_on(one.found()).unwrap(), template().1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(48), ..ProptestConfig::default() })]

    /// A flipped bit anywhere is refused, with the file's name, unless it is where nothing that matters stands.
    #[test]
    fn a_flipped_bit_is_refused((file, at, bit) in (any::<u8>(), any::<u64>(), 0..8u8)) {
        let one = copied();
        let files = all_files(&one);
        let path = &files[usize::from(file) % files.len()];
        let target = File::options().read(true).write(true).open(path).unwrap();
        let at = at % target.metadata().unwrap().len();
        let mut byte = [0];
        target.read_exact_at(&mut byte, at).unwrap();
        target.write_all_at(&[byte[0] ^ (1 << bit)], at).unwrap();
        let before = template().1;
        match runtime().block_on(one.found()) {
            // In the last record of all, a length that reaches beyond the end cannot be told from a write that was cut off:
            // what is lost then is that record alone.
            Ok(found) => {
                prop_assert!(files.len() >= 2 && Some(path) == one.log_files().last());
                prop_assert!(found + 1 >= before, "{found} of {before} commands");
            }
            Err(StartError::Damaged { path: named, .. } | StartError::Newer { path: named, .. }) => {
                prop_assert_eq!(&named, path);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    /// A file that was cut anywhere is refused; the last of the log is healed, and has lost nothing but its end.
    #[test]
    fn a_cut_file_is_refused_or_healed((file, at) in (any::<u8>(), any::<u64>())) {
        let one = copied();
        let files = all_files(&one);
        let path = &files[usize::from(file) % files.len()];
        let target = File::options().write(true).open(path).unwrap();
        let at = at % target.metadata().unwrap().len();
        target.set_len(at).unwrap();
        match runtime().block_on(one.found()) {
            Ok(_) => prop_assert!(path.parent().unwrap().ends_with("log")),
            Err(StartError::Damaged { .. }) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    /// Any bytes behind the end, of zeros or of anything.
    #[test]
    fn garbage_behind_the_log_is_healed_or_refused(garbage in garbage()) {
        let one = copied();
        let last = one.log_files().pop().unwrap();
        let file = File::options().append(true).open(&last).unwrap();
        std::io::Write::write_all(&mut &file, &garbage).unwrap();
        let only_zeros = garbage.iter().all(|byte| *byte == 0);
        match runtime().block_on(one.found()) {
            Ok(found) => prop_assert_eq!(found, template().1),
            Err(StartError::Damaged { path, .. }) => {
                prop_assert!(!only_zeros);
                prop_assert_eq!(path, last);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

fn garbage() -> impl Strategy<Value = Vec<u8>> {
    use proptest::prelude::prop_oneof;
    let anything = proptest::collection::vec(any::<u8>(), 1..200);
    let zeros = (1..5000usize).prop_map(|len| vec![0; len]);
    // The beginning of a record, then nothing: pages that never reached the disk.
    let half =
        (4..400usize).prop_map(|len| [vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9], vec![0; len]].concat());
    prop_oneof![anything, zeros, half]
}

fn cases(usually: u32) -> u32 {
    u32::try_from(crate::world::rounds(u64::from(usually))).unwrap()
}

#[tokio::test]
async fn the_unfinished_end_of_a_crash_is_healed_at_every_length() {
    let one = One::with(20, |_| {}).await;
    let last = one.log_files().pop().unwrap();
    let whole = fs::read(&last).unwrap();
    let mut found = Vec::new();
    for cut in 0..120 {
        fs::write(&last, &whole[..whole.len() - cut]).unwrap();
        found.push(one.found().await.unwrap());
        // The node that looked has written a vote: back to what was there.
        one.log_files().iter().for_each(|file| fs::remove_file(file).unwrap());
        fs::write(&last, &whole).unwrap();
    }
    assert_eq!(found[0], 20);
    assert!(found.is_sorted_by(|before, after| before >= after), "{found:?}");
    assert!(found.last().unwrap() < &20, "nothing was cut");
}

#[tokio::test]
async fn damage_in_the_middle_is_told_with_its_place_and_can_be_cut_off() {
    let one = One::with(100, |_| {}).await;
    let [file] = &one.log_files()[..] else { panic!("one file") };
    let middle = fs::metadata(file).unwrap().len() / 2;
    File::options().write(true).open(file).unwrap().write_all_at(b"?", middle).unwrap();
    let refused = one.found().await.unwrap_err();
    let StartError::Damaged { path, offset, .. } = &refused else { panic!("{refused}") };
    assert_eq!(path, file);
    assert!(*offset <= middle && middle < *offset + 200);
    assert!(refused.to_string().contains("`gristmill repair`"));
    let report = repair::inspect(one.path()).unwrap();
    let [damage] = &report.damage[..] else { panic!("{report:?}") };
    assert_eq!((damage.offset, damage.heals), (*offset, false));
    assert!(report.entries > 40 && report.entries < 60);
    let cut = repair::cut(one.path(), Acknowledged::Keep).unwrap();
    let [(kept_in, bytes)] = &cut.kept_in[..] else { panic!("{cut:?}") };
    assert_eq!(fs::metadata(kept_in).unwrap().len(), *bytes);
    assert_eq!(repair::inspect(one.path()).unwrap().damage, []);
    let found = one.found().await.unwrap();
    assert!(found > 40 && found < 60, "{found}");
}

#[tokio::test]
async fn a_damaged_length_in_the_middle_is_no_end() {
    let one = One::with(100, |_| {}).await;
    let [file] = &one.log_files()[..] else { panic!("one file") };
    let bytes = fs::read(file).unwrap();
    // The length of an entry's payload, behind its type, term and index: reaching far beyond the end of the file.
    let text = b"command 50 ";
    let place = bytes.windows(text.len()).position(|window| window == text).unwrap();
    let length = place as u64 - 2 - 4;
    File::options().write(true).open(file).unwrap().write_all_at(&[0x7f], length).unwrap();
    let refused = one.found().await.unwrap_err();
    assert!(matches!(refused, StartError::Damaged { .. }), "{refused}");
}

#[tokio::test]
async fn files_of_the_log_that_are_missing_are_missed() {
    let count = copied().log_files().len();
    for missing in 0..count {
        let one = copied();
        fs::remove_file(&one.log_files()[missing]).unwrap();
        match one.found().await {
            // The last holds only the newest: without it the log ends earlier, and nothing says that it did not.
            Ok(found) => assert!(missing + 1 == count && found < template().1),
            Err(error) => assert!(matches!(error, StartError::Damaged { .. }), "{missing}: {error}"),
        }
    }
    let one = copied();
    one.log_files().iter().for_each(|file| fs::remove_file(file).unwrap());
    let error = one.found().await.unwrap_err();
    assert!(matches!(error, StartError::LogLost { .. }), "{error}");
}

#[tokio::test]
async fn a_log_that_was_emptied_is_lost_and_nothing_is_touched() {
    let one = One::with(20, |_| {}).await;
    let [file] = &one.log_files()[..] else { panic!("one file") };
    File::create(file).unwrap();
    for _ in 0..2 {
        let error = one.found().await.unwrap_err();
        assert!(matches!(error, StartError::LogLost { .. }), "{error}");
        assert!(file.exists());
    }
}

#[tokio::test]
async fn a_lost_or_older_snapshot_is_refused() {
    let one = copied();
    fs::remove_file(one.path().join("snapshot")).unwrap();
    let error = one.found().await.unwrap_err();
    assert!(matches!(error, StartError::SnapshotLost { purged, .. } if purged > 0), "{error}");
    assert!(repair::inspect(one.path()).unwrap().snapshot.is_none());
}

#[tokio::test]
async fn a_damaged_snapshot_is_cut_off_only_where_the_log_has_it_all() {
    let hopeless = copied();
    fs::write(hopeless.path().join("snapshot"), b"GMSNAPSH\x01rubbish").unwrap();
    assert!(matches!(hopeless.found().await.unwrap_err(), StartError::Damaged { .. }));
    let error = repair::cut(hopeless.path(), Acknowledged::Keep).unwrap_err();
    assert!(matches!(error, repair::CutError::Hopeless { .. }), "{error}");
    let sound = One::with(60, |config| {
        config.snapshot_log_bytes = 500;
        config.kept_entries = 1_000;
    })
    .await;
    let snapshot = sound.path().join("snapshot");
    let len = fs::metadata(&snapshot).unwrap().len();
    File::options().write(true).open(&snapshot).unwrap().write_all_at(b"?", len / 2).unwrap();
    assert!(matches!(sound.found().await.unwrap_err(), StartError::Damaged { .. }));
    repair::cut(sound.path(), Acknowledged::Keep).unwrap();
    assert_eq!(sound.found().await.unwrap(), 60);
}

#[tokio::test]
async fn the_directory_of_another_node_or_group_is_refused() {
    let one = One::with(3, |_| {}).await;
    let mut other_id = one.config();
    other_id.id = 2;
    other_id.members = [(2, "here".to_owned())].into();
    let error = start(other_id).await.err().unwrap();
    assert!(matches!(error, StartError::OtherNode { found: 1, expected: 2, .. }), "{error}");
    let mut other_group = one.config();
    other_group.members.insert(2, "there".into());
    let error = start(other_group).await.err().unwrap();
    let StartError::OtherGroup { found, given, .. } = error else { panic!("{error}") };
    assert_eq!((found.as_str(), given.as_str()), ("1=here", "1=here,2=there"));
    assert_eq!(one.found().await.unwrap(), 3, "a refusal changes nothing");
}

#[tokio::test]
async fn a_newer_version_is_refused() {
    let one = copied();
    for name in ["identity", "snapshot"] {
        let path = one.path().join(name);
        let sound = fs::read(&path).unwrap();
        File::options().write(true).open(&path).unwrap().write_all_at(&[99], 8).unwrap();
        let error = one.found().await.unwrap_err();
        assert!(matches!(&error, StartError::Newer { found: 99, known: 1, .. }), "{error}");
        assert!(error.to_string().contains("start a newer gristmill"));
        fs::write(&path, sound).unwrap();
    }
}

#[tokio::test]
async fn an_identity_that_is_gone_is_missed() {
    let one = copied();
    fs::remove_file(one.path().join("identity")).unwrap();
    let error = one.found().await.unwrap_err();
    assert!(matches!(&error, StartError::Damaged { path, .. } if path.ends_with("identity")), "{error}");
}

#[tokio::test]
async fn a_directory_in_use_is_refused_and_free_after_the_end() {
    let one = One::with(1, |_| {}).await;
    let node = start(one.config()).await.unwrap();
    let error = start(one.config()).await.err().unwrap();
    assert!(matches!(error, StartError::InUse { .. }), "{error}");
    assert!(matches!(repair::inspect(one.path()), Err(StartError::InUse { .. })));
    node.shutdown().await;
    assert_eq!(one.found().await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_no_directory_is_refused_by_name() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = start(config(&file)).await.err().unwrap();
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    assert!(matches!(repair::inspect(&place.path().join("nowhere")), Err(StartError::Io { .. })));
    assert!(!place.path().join("nowhere").exists());
}

#[tokio::test]
async fn of_the_list_of_members_only_its_own_address_counts_once_the_group_has_changed() {
    let place = TempDir::new().unwrap();
    let network = FaultyNetwork::new(1);
    let founders: BTreeMap<_, _> = [(1, "one".to_owned()), (2, "two".to_owned())].into();
    let mut nodes = Vec::new();
    for id in [1, 2] {
        let store = Store::Directory(place.path().join(id.to_string()));
        let config = Config::new(id, founders.clone(), store);
        let node = Node::start(config, network.wire(id), Ledger::default()).await.unwrap();
        network.attach(&node);
        nodes.push(node);
    }
    let leading = async |node: &Node<Ledger>| {
        let mut role = node.leadership();
        role.wait_for(|role| matches!(role, Role::Leading { .. })).await.map(drop).unwrap();
    };
    let leader = tokio::select! {
        () = leading(&nodes[0]) => 0,
        () = leading(&nodes[1]) => 1,
    };
    let other = nodes[1 - leader].id();
    let patience = std::time::Duration::from_secs(60);
    nodes[leader].remove_member(other, patience).await.unwrap();
    let alone = nodes[leader].id();
    for node in &nodes {
        node.shutdown().await;
    }
    let store = Store::Directory(place.path().join(alone.to_string()));
    let config = |address: &str| Config::new(alone, [(alone, address.to_owned())].into(), store.clone());
    let moved = Node::start(config("moved"), network.wire(alone), Ledger::default()).await.err();
    assert!(matches!(moved, Some(StartError::Moved { .. })), "{moved:?}");
    let node = Node::start(config(&founders[&alone]), network.wire(alone), Ledger::default()).await.unwrap();
    assert_eq!(*node.known_members(), [(alone, founders[&alone].clone())].into());
    leading(&node).await;
    node.shutdown().await;
}
