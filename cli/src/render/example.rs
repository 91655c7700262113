//! A job for the tests of this folder.

use gristmill_model::{
    AttemptStats, AttemptTally, JobId, JobPhase, JobStatus, PathBytes, StageStatus, TaskId, Timestamp,
};

pub(super) fn done() -> JobStatus {
    let id = JobId(7);
    JobStatus {
        id,
        app: "wc".to_owned(),
        output: PathBytes::from("/data/out\n2"),
        phase: JobPhase::Done,
        revision: 99,
        submitted: Timestamp::from_ms(1_000),
        ended: Some(Timestamp::from_ms(2_214)),
        sample: StageStatus::default(),
        map: StageStatus { total: 13, done: 13, running: 0, bytes_total: 6_578_234, bytes_done: 6_578_234 },
        reduce: StageStatus { total: 4, done: 4, running: 0, bytes_total: 1 << 20, bytes_done: 1 << 20 },
        attempts: AttemptTally { won: 17, failed: 1, worker_lost: 2, backups: 1, ..AttemptTally::default() },
        map_stats: AttemptStats {
            bytes_in: 6_578_234,
            records_in: 120_345,
            pairs_out: 90_210,
            bytes_out: 1 << 20,
            spills: 2,
            peak_bytes: 32 << 20,
            ..AttemptStats::default()
        },
        reduce_stats: AttemptStats {
            calls: 22_107,
            records_out: 22_107,
            bytes_out: 256 << 10,
            peak_bytes: 8 << 20,
            ..AttemptStats::default()
        },
        counters: [("bad lines\t!".to_owned(), 3)].into(),
        slowest: Some((TaskId::map(id, 12).attempt(1), 420)),
        biggest_partition: Some((3, 300_000)),
        warnings: vec!["the app is not deterministic".to_owned()],
    }
}
