//! Simulated workers and clients.

use std::error::Error;
use std::time::{Duration, Instant};

use gristmill_model::{
    Assignment, AttemptStats, Incarnation, InputFile, InputMode, JobOptions, JobRequest, MapResult, Outcome,
    PartitionSize, PathBytes, PluginInfo, Report, RequestKey, Work,
};
use gristmill_protocol::limits::REPORTS_MAX;
use gristmill_protocol::{PROTOCOL_VERSION, PollRequest, WorkerHello, WorkerLink};

use crate::disk::median;
use crate::place::Place;

const PLUGIN: &[u8] = b"not really a library";
const POLL_MS: u64 = 5_000;

/// Runs the maps of a job on simulated workers: how many transitions (given, won) in how much time.
pub(crate) async fn transitions(
    place: &Place,
    workers: usize,
    slots: u32,
    tasks: u32,
) -> Result<(u32, Duration), Box<dyn Error>> {
    let client = place.client();
    client.upload_blob(PLUGIN).await?;
    let job = client.submit(request(place, tasks)).await?;
    let begun = Instant::now();
    let mut running = Vec::new();
    for number in 0..workers as u64 {
        let endpoint = place.endpoint.clone();
        running.push(tokio::spawn(async move {
            work(WorkerLink::new(endpoint, Duration::from_secs(5)), number, slots).await
        }));
    }
    let mut won = 0;
    for worker in running {
        won += worker.await?;
    }
    let took = begun.elapsed();
    client.cancel(job).await?;
    Ok((2 * won, took))
}

/// Until there are no more maps; how many it has mapped.
async fn work(link: WorkerLink, number: u64, slots: u32) -> u32 {
    let incarnation = Incarnation((number + 1) << 20 | u64::from(std::process::id()));
    let hello = WorkerHello {
        protocol: PROTOCOL_VERSION,
        name: format!("bench-{number}"),
        incarnation,
        slots,
        machine: "bench".to_owned(),
        running: Vec::new(),
    };
    let worker = link.register(hello).await.expect("a worker is registered").worker;
    let (mut reports, mut mapped) = (Vec::new(), 0);
    loop {
        let sent: Vec<Report> = std::mem::take(&mut reports);
        mapped += sent.len() as u32;
        let request = PollRequest {
            worker,
            incarnation,
            free_slots: slots,
            ahead: slots,
            held: 0,
            reports: sent,
            wait_ms: POLL_MS,
        };
        let reply = link.poll(request).await.expect("a poll is answered");
        if reply.assignments.iter().any(|given| !matches!(given.work, Work::Map(_))) {
            return mapped;
        }
        reports.extend(reply.assignments.iter().take(REPORTS_MAX).map(map));
        if reports.is_empty() && mapped > 0 {
            return mapped;
        }
    }
}

fn map(given: &Assignment) -> Report {
    let outcome = Outcome::Mapped(MapResult {
        path: PathBytes::from(format!("/runs/{}", given.attempt).as_str()),
        bytes: 10,
        digest: 7,
        partitions: vec![PartitionSize { bytes: 5, pairs: 1 }; given.reduces as usize],
        stats: AttemptStats::default(),
    });
    Report { attempt: given.attempt, outcome, log: Default::default() }
}

/// The median of one write to the store at a time.
pub(crate) async fn one_call(place: &Place, calls: usize) -> Result<Duration, Box<dyn Error>> {
    let kv = place.client().kv();
    let mut taken = Vec::with_capacity(calls);
    for _ in 0..calls {
        let begun = Instant::now();
        kv.put(b"key", &[7; 100]).await?;
        taken.push(begun.elapsed());
    }
    Ok(median(taken))
}

fn request(place: &Place, tasks: u32) -> JobRequest {
    JobRequest {
        key: RequestKey::default(),
        plugin: PluginInfo {
            sha256: gristmill_protocol::sha256(PLUGIN),
            bytes: PLUGIN.len() as u64,
            name: "bench".to_owned(),
            version: "1".to_owned(),
            input_mode: InputMode::Text,
            map_only: false,
            combines: true,
            total_order: false,
        },
        params: Default::default(),
        inputs: vec![InputFile {
            name: "a.txt".into(),
            path: "/in/a.txt".into(),
            bytes: u64::from(tasks) * 100,
            modified_ns: 0,
            splittable: true,
        }],
        output: place.directory.path().join("out").as_path().into(),
        options: JobOptions {
            reduces: Some(1),
            split_bytes: Some(100),
            task_timeout_ms: 3_600_000,
            ..JobOptions::default()
        },
    }
}
