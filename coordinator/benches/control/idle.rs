//! What a group of three costs while a thousand workers have nothing to do.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gristmill_model::Incarnation;
use gristmill_protocol::{
    CallError, Client, Endpoint, Heartbeat, PROTOCOL_VERSION, PollRequest, Registered, WorkerHello,
    WorkerLink,
};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

/// Clock ticks a second in /proc, on every Linux there is.
const TICKS: f64 = 100.0;
const POLL_MS: u64 = 20_000;

/// Processes that end with the value.
struct Group(Vec<Child>);

impl Drop for Group {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The share of a core that the three processes together take; `None` without the program.
pub(crate) async fn share(workers: u64, time: Duration) -> Result<Option<f64>, Box<dyn Error>> {
    let Some(program) = program() else { return Ok(None) };
    let directory = tempfile::tempdir()?;
    let addresses = free_addresses(3)?;
    let peers: Vec<String> =
        (1..).zip(&addresses).map(|(id, address): (u64, _)| format!("{id}={address}")).collect();
    let mut group = Group(Vec::new());
    for (id, address) in (1..).zip(&addresses) {
        let data = directory.path().join(format!("{id}"));
        let mut child = Command::new(&program)
            .args([
                "coordinator",
                "--listen",
                &address.to_string(),
                "--id",
                &format!("{id}"),
                "--peers",
                &peers.join(","),
            ])
            .arg("--data-dir")
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take();
        group.0.push(child);
        let _ = stdout.map(BufReader::new).map(|mut out| out.read_line(&mut String::new())).transpose()?;
    }
    let endpoint = Endpoint::tcp(&addresses)?;
    Client::new(endpoint.clone(), Duration::from_secs(20)).info().await?;
    let mut idling = JoinSet::new();
    for number in 1..=workers {
        let link = WorkerLink::new(endpoint.clone(), Duration::from_secs(20));
        let registered = join(&link, number).await?;
        idling.spawn(idle(link, Incarnation(number), registered));
    }
    while Client::new(endpoint.clone(), Duration::from_secs(20)).workers().await?.len() < workers as usize {
        sleep(Duration::from_millis(100)).await;
    }
    // Beyond the first heartbeats and polls.
    sleep(Duration::from_secs(5)).await;
    let (before, begun) = (used(&group)?, Instant::now());
    sleep(time).await;
    Ok(Some((used(&group)? - before) / begun.elapsed().as_secs_f64()))
}

async fn join(link: &WorkerLink, number: u64) -> Result<Registered, CallError> {
    let hello = WorkerHello {
        protocol: PROTOCOL_VERSION,
        name: format!("idle-{number}"),
        incarnation: Incarnation(number),
        slots: 1,
        machine: format!("machine-{number}"),
        running: Vec::new(),
    };
    link.register(hello).await
}

async fn idle(link: WorkerLink, incarnation: Incarnation, registered: Registered) {
    let worker = registered.worker;
    let polls = async {
        loop {
            let poll = PollRequest {
                worker,
                incarnation,
                free_slots: 1,
                ahead: 0,
                held: 0,
                reports: Vec::new(),
                wait_ms: POLL_MS,
            };
            if link.poll(poll).await.is_err() {
                sleep(Duration::from_secs(1)).await;
            }
        }
    };
    let heartbeats = async {
        let mut beat = interval(Duration::from_millis(registered.idle_heartbeat_ms));
        loop {
            beat.tick().await;
            let _ = link.heartbeat(Heartbeat { worker, incarnation, running: Vec::new() }).await;
        }
    };
    tokio::join!(polls, heartbeats);
}

fn program() -> Option<PathBuf> {
    let mut path = std::env::current_exe().ok()?;
    // target/release/deps/control-… → target/release/gristmill
    path.pop();
    path.pop();
    path.push("gristmill");
    path.is_file().then_some(path)
}

fn free_addresses(count: usize) -> std::io::Result<Vec<SocketAddr>> {
    let held = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    held.iter().map(TcpListener::local_addr).collect()
}

/// Seconds of processor time of all processes.
fn used(group: &Group) -> std::io::Result<f64> {
    let mut ticks = 0;
    for child in &group.0 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
        // Behind the name, which may hold anything: utime and stime are the 12th and 13th field.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        ticks += fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(ticks as f64 / TICKS)
}
