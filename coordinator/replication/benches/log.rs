//! What it costs to make an entry certain: alone and together, one node and three, on the disk and in memory.
//!
//! `cargo bench -p gristmill-replication` prints a line for each. All nodes and all proposers share one process and one disk.
#![expect(clippy::unwrap_used, reason = "a bench stops where it fails")]
#![expect(clippy::print_stdout, reason = "its result")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gristmill_replication::testing::FaultyNetwork;
use gristmill_replication::{Config, Machine, Node, ReadError, Role, Store};
use tempfile::TempDir;

/// About what a batch of a few facts takes.
const ENTRY_BYTES: usize = 200;
const TIME: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Count(u64);

impl Machine for Count {
    type Entry = Vec<u8>;
    type Outcome = u64;
    type Frozen = u64;

    fn apply(&mut self, _: u64, _: Vec<u8>) -> u64 {
        self.0 += 1;
        self.0
    }

    fn freeze(&self) -> u64 {
        self.0
    }

    fn write(frozen: &u64, out: &mut dyn Write) -> std::io::Result<()> {
        out.write_all(&frozen.to_le_bytes())
    }

    fn read(input: &mut dyn Read) -> Result<Self, ReadError> {
        let mut bytes = [0; 8];
        input.read_exact(&mut bytes)?;
        Ok(Self(u64::from_le_bytes(bytes)))
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let place = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    raw(place.path());
    for nodes in [1, 3] {
        for proposers in [1, 100] {
            let directory = place.path().join(format!("{nodes}-{proposers}"));
            let store = |id: u64| Store::Directory(directory.join(id.to_string()));
            runtime.block_on(measure("disk", nodes, proposers, store));
        }
    }
    // Again, so that a disk that has become slower meanwhile does not look like a slow log.
    raw(place.path());
    for nodes in [1, 3] {
        for proposers in [1, 100] {
            runtime.block_on(measure("memory", nodes, proposers, |_| Store::memory()));
        }
    }
}

/// The least that one durable entry can cost here.
fn raw(place: &Path) {
    let mut file = File::create(place.join("raw")).unwrap();
    let mut times = Vec::new();
    let end = Instant::now() + TIME;
    while Instant::now() < end {
        let begun = Instant::now();
        file.write_all(&[7; ENTRY_BYTES]).unwrap();
        file.sync_data().unwrap();
        times.push(begun.elapsed());
    }
    tell("raw append and fdatasync", &mut times);
}

async fn measure(kind: &str, nodes: u64, proposers: usize, store: impl Fn(u64) -> Store) {
    let network = FaultyNetwork::new(1);
    let members: BTreeMap<_, _> = (1..=nodes).map(|id| (id, format!("node-{id}"))).collect();
    let mut group = Vec::new();
    for id in 1..=nodes {
        let config = Config::new(id, members.clone(), store(id));
        let node = Node::start(config, network.wire(id), Count::default()).await.unwrap();
        network.attach(&node);
        group.push(node);
    }
    let (leader, term) = leader(&group).await;
    let stop = Arc::new(AtomicBool::new(false));
    let proposing: Vec<_> = (0..proposers)
        .map(|_| {
            let (node, stop) = (leader.clone(), stop.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    node.propose(term, vec![7; ENTRY_BYTES]).await.unwrap();
                    times.push(begun.elapsed());
                }
                times
            })
        })
        .collect();
    tokio::time::sleep(TIME).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for proposing in proposing {
        times.extend(proposing.await.unwrap());
    }
    tell(&format!("{kind}, nodes {nodes}, proposers {proposers}"), &mut times);
    for node in group {
        node.shutdown().await;
    }
}

async fn leader(group: &[Node<Count>]) -> (Node<Count>, u64) {
    loop {
        for node in group {
            if let Role::Leading { term } = *node.leadership().borrow() {
                return (node.clone(), term);
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn tell(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |per_cent: usize| times[(times.len() - 1) * per_cent / 100].as_micros();
    let rate = times.len() as f64 / TIME.as_secs_f64();
    println!("{what}: {rate:.0} a second, p50 {} us, p99 {} us", at(50), at(99));
}
