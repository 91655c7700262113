//! Bounds on everything that crosses the wire.

use std::time::Duration;

/// Largest frame that either side accepts, in bytes.
pub const FRAME_BYTES_MAX: usize = 8 << 20;
/// Room made for bytes of a frame that have not arrived yet, unless as many have.
pub const FRAME_AHEAD_BYTES: usize = 64 << 10;
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
/// The same where there are other coordinators to turn to.
pub const GROUP_CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait of a long poll of a client where there are other coordinators to turn to.
pub const GROUP_LONG_POLL_MAX: Duration = Duration::from_secs(5);
/// How long a heartbeat may take where there are other coordinators to turn to.
pub const GROUP_HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one side of a new connection may stay silent.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one of several coordinators may take to begin to talk before the next is tried.
pub const GROUP_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest deadline of a call that a coordinator accepts.
pub const DEADLINE_MAX: Duration = Duration::from_secs(600);
/// Requests of one connection being answered at once; further ones are told to come again.
pub const REQUESTS_PER_CONNECTION_MAX: usize = 128;
/// Connections of one listener, where the process may have so many open files …
pub const CONNECTIONS_MAX: usize = 4096;
/// … and of these leaves so many, or half if that is less, to everything else.
pub const OTHER_FILES: usize = 256;
/// Connections beyond these that are being told so.
pub const TURNED_AWAY_MAX: usize = 32;
/// Longest pause between two tries to reach a coordinator.
pub const REDIAL_PAUSE_MAX: Duration = Duration::from_secs(2);
/// Longest pause between two tries while a group has members that answer but no known leader.
pub const SEARCH_PAUSE_MAX: Duration = Duration::from_millis(200);
/// Longest pause between two tries to reach a peer: it must be found soon when it comes back, for a majority may wait for it.
pub const PEER_PAUSE_MAX: Duration = Duration::from_millis(500);
/// How long a peer may answer nothing before the connection to it is made anew.
pub const PEER_SILENCE_MAX: Duration = Duration::from_secs(1);
/// Largest message between peers, in bytes: a whole snapshot.
pub const PEER_MESSAGE_BYTES_MAX: u64 = 512 << 20;
/// Messages that may be arriving in parts on one connection; the oldest are given up.
pub const PEER_MESSAGES_MAX: usize = 4;
/// Longest key of the key/value store, in bytes.
pub const KV_KEY_BYTES_MAX: usize = 1 << 10;
/// Largest value of the key/value store, in bytes.
pub const KV_VALUE_BYTES_MAX: usize = 1 << 20;
/// Entries or events of the key/value store in one page.
pub const KV_PAGE: usize = 1024;
/// Bytes of entries or events in one page, unless it has only one.
pub const KV_PAGE_BYTES: usize = 4 << 20;
/// How often a session is kept from expiring while its client waits.
pub const SESSION_KEEP_EVERY: Duration = Duration::from_secs(60);
