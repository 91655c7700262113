//! The numbers by which the leader decides. Only the leader reads them: replicas may hold different ones without disagreeing.

/// Tunable numbers of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A worker that is not heard of for so long is lost.
    pub lease_ms: u64,
    /// Runs of a machine without a live worker are given up after so long.
    pub machine_grace_ms: u64,
    /// How many ended jobs are remembered.
    pub history_jobs: usize,
    /// An ended job is forgotten after so long.
    pub history_age_ms: u64,
    /// The session of a client that is not heard of for so long is over.
    pub session_ms: u64,
    /// How many sessions there may be. When one more is opened, that of the client ends which was not heard of for the longest time.
    pub sessions_max: usize,
    /// How many attempts of one task may be given up for reasons other than its own fault (no progress, unreadable runs) before
    /// the job fails: a task that hangs every time must not run for ever.
    pub setbacks_max: u32,
    /// How often the commit of a job is tried.
    pub commit_tries_max: u32,
    /// So many tasks for each slot of the other workers must wait before a worker is given one that it cannot begin at once. With fewer, a
    /// slot elsewhere might soon have nothing to do while that task waits.
    pub ahead_reserve: u32,
    /// When to start backup attempts.
    pub backup: BackupSettings,
    /// When to avoid a worker.
    pub avoid: AvoidSettings,
}

/// When a running attempt is slow enough for a backup beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSettings {
    /// Whether there are backups at all.
    pub enabled: bool,
    /// Never before an attempt has run for so long.
    pub floor_ms: u64,
    /// Without a finished task of its stage to compare with: not before so long.
    pub lone_floor_ms: u64,
    /// How often the running attempts are looked over.
    pub check_ms: u64,
}

/// When a worker on which attempts keep failing is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvoidSettings {
    /// Failures within `window_ms` that make a worker suspect.
    pub failures: u32,
    /// Failures older than this are forgiven.
    pub window_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease_ms: 5_000,
            machine_grace_ms: 10_000,
            history_jobs: 200,
            history_age_ms: 7 * 24 * 3_600_000,
            session_ms: 600_000,
            sessions_max: 100_000,
            setbacks_max: 20,
            commit_tries_max: 3,
            ahead_reserve: 4,
            backup: BackupSettings { enabled: true, floor_ms: 2_000, lone_floor_ms: 10_000, check_ms: 500 },
            avoid: AvoidSettings { failures: 4, window_ms: 60_000 },
        }
    }
}
