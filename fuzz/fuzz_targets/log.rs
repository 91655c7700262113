//! The files of a log, as they might be found: any bytes as its only file, or behind what a node has written. They are looked through,
//! healed or refused; and a node starts from what is not refused.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gristmill_replication::repair::inspect;
use gristmill_replication::testing::{Counter, FaultyNetwork};
use gristmill_replication::{Config, Node, Role, StartError, Store};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

fuzz_target!(|case: &[u8]| {
    let Some((&[behind, low, high], bytes)) = case.split_first_chunk() else { return };
    let (behind, keep) = (behind % 2 == 1, u16::from_le_bytes([low, high]));
    let place = TempDir::new().unwrap();
    let log = place.path().join("log");
    let template = template();
    fs::create_dir(&log).unwrap();
    for name in ["lock", "identity"] {
        fs::copy(template.join(name), place.path().join(name)).unwrap();
    }
    let [file] = &files(&template.join("log"))[..] else { panic!("one file of log") };
    let mut content = fs::read(file).unwrap();
    content.truncate(if behind { usize::from(keep) } else { 0 });
    content.extend(bytes);
    fs::write(log.join(file.file_name().unwrap()), content).unwrap();
    let report = inspect(place.path()).unwrap();
    let sound = report.damage.iter().all(|damage| damage.heals);
    match (runtime().block_on(run(place.path())), sound) {
        (Ok(()), true) | (Err(StartError::Damaged { .. }), false) => {}
        // All of it was unfinished, or it holds what the engine will not begin from.
        (Err(StartError::LogLost { .. } | StartError::Engine(_) | StartError::SnapshotLost { .. }), true) => {
        }
        // raft-log refuses what its own checks find wrong, such as a commit beyond the end.
        (Err(StartError::Io { .. }), true) => {}
        (outcome, _) => panic!("{outcome:?} after {report:?}"),
    }
});

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn run(path: &Path) -> Result<(), StartError> {
    let config = Config::new(1, [(1, "here".to_owned())].into(), Store::Directory(path.into()));
    let node = Node::start(config, FaultyNetwork::new(1).wire(1), Counter::default()).await?;
    node.shutdown().await;
    Ok(())
}

fn files(log: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "wal")).collect()
}

/// A directory in which a node has worked.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    let made = TEMPLATE.get_or_init(|| {
        let place = TempDir::new().unwrap();
        let store = Store::Directory(place.path().into());
        let config = Config::new(1, [(1, "here".to_owned())].into(), store);
        runtime().block_on(async {
            let node = Node::start(config, FaultyNetwork::new(1).wire(1), Counter::default()).await.unwrap();
            let mut role = node.leadership();
            let leading = role.wait_for(|role| matches!(role, Role::Leading { .. })).await.unwrap().clone();
            let Role::Leading { term } = leading else { panic!("{leading:?}") };
            for number in 0..20 {
                node.propose(term, number).await.unwrap();
            }
            node.shutdown().await;
        });
        place
    });
    made.path()
}
