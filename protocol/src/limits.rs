//! Bounds on everything that crosses the wire.

use std::time::Duration;

/// Largest frame that either side accepts, in bytes.
pub const FRAME_BYTES_MAX: usize = 8 << 20;
/// Largest piece of a blob in one message, in bytes.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Largest blob (plugin or job request), in bytes.
pub const BLOB_BYTES_MAX: u64 = 1 << 30;
/// Segments in one page.
pub const SEGMENTS_PAGE: usize = 4096;
/// Jobs, or attempt logs, in one page.
pub const PAGE: usize = 64;
/// Assignments in one answer.
pub const ASSIGNMENTS_MAX: usize = 256;
/// Reports in one poll; the rest go with the next.
pub const REPORTS_MAX: usize = 64;
/// What is kept of the output of one attempt, in bytes: the first and the last half of it.
pub const LOG_BYTES_MAX: usize = 32 << 10;
/// Longest wait of a long poll.
pub const LONG_POLL_MAX: Duration = Duration::from_secs(20);
/// How long a call may take beyond what it waits for by design.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one side of a new connection may stay silent.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest deadline of a call that a coordinator accepts.
pub const DEADLINE_MAX: Duration = Duration::from_secs(600);
/// Requests of one connection being answered at once; further ones are told to come again.
pub const REQUESTS_PER_CONNECTION_MAX: usize = 128;
/// Connections of one listener.
pub const CONNECTIONS_MAX: usize = 4096;
/// Longest pause between two tries to reach a coordinator.
pub const REDIAL_PAUSE_MAX: Duration = Duration::from_secs(2);
