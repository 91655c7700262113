//! The first bytes of a connection: who speaks, which version, in which role.
//!
//! ```text
//! caller       "\x89GRIST\r\n"  version u32  role u8    0 0 0
//! coordinator  "\x89GRIST\r\n"  version u32  answer u8  0 0 0      (little endian; 16 bytes each)
//! ```
//! One listener so serves every role. What does not begin like this (an HTTP probe, rubbish) is dropped without an answer as soon
//! as a byte differs; another version is told ours, so that both sides can name both.

use std::io;
use std::time::Duration;

use gristmill_model::Refusal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::PROTOCOL_VERSION;
use crate::limits::HANDSHAKE_TIMEOUT;

const MAGIC: [u8; 8] = *b"\x89GRIST\r\n";
const BYTES: usize = 16;
const WELCOME: u8 = 0;
const OTHER_VERSION: u8 = 1;
const BUSY: u8 = 2;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Calls of the client service.
    Client,
    /// Calls of the worker service.
    Worker,
    /// The heartbeats of a worker, which must not wait behind its other calls.
    WorkerHeartbeat,
    /// Calls of the key/value service.
    Kv,
    /// Messages between peers that must not wait: heartbeats and votes.
    Peer,
    /// Messages between peers that may be large.
    PeerBulk,
}

impl Role {
    const ALL: [Self; 6] =
        [Self::Client, Self::Worker, Self::WorkerHeartbeat, Self::Kv, Self::Peer, Self::PeerBulk];

    fn code(self) -> u8 {
        match self {
            Self::Client => 1,
            Self::Worker => 2,
            Self::WorkerHeartbeat => 3,
            Self::Kv => 4,
            Self::Peer => 5,
            Self::PeerBulk => 6,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }
}

/// Why two sides did not come to talk.
#[derive(Debug, thiserror::Error)]
pub enum PreambleError {
    /// The other side is something else.
    #[error("the other side does not speak gristmill's protocol")]
    NotGristmill,
    /// It is gristmill of another version.
    #[error("the other side speaks protocol {theirs}, this one {ours}; use the same gristmill on both sides")]
    Version {
        /// This side's.
        ours: u32,
        /// The other's.
        theirs: u32,
    },
    /// It has as many connections as it takes.
    #[error("the coordinator has too many connections; try again later")]
    Busy,
    /// The same version asks for something that this one does not know.
    #[error("unknown role or answer {0}")]
    Unknown(u8),
    /// It stayed silent.
    #[error("no preamble within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The connection broke.
    #[error("connection ended in the preamble")]
    Io(#[from] io::Error),
}

impl PreambleError {
    /// What the caller is told when asking again is of no use.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match *self {
            Self::Version { ours, theirs } => Some(Refusal::Version { coordinator: theirs, caller: ours }),
            _ => None,
        }
    }
}

/// The caller's side; it waits for the other's at most so long.
pub(crate) async fn offer<S>(stream: &mut S, role: Role, limit: Duration) -> Result<(), PreambleError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let exchange = async {
        write(stream, role.code()).await?;
        let (theirs, answer) = read(stream).await?;
        match answer {
            WELCOME if theirs == PROTOCOL_VERSION => Ok(()),
            BUSY if theirs == PROTOCOL_VERSION => Err(PreambleError::Busy),
            _ if theirs != PROTOCOL_VERSION => Err(PreambleError::Version { ours: PROTOCOL_VERSION, theirs }),
            unknown => Err(PreambleError::Unknown(unknown)),
        }
    };
    timeout(limit, exchange).await.unwrap_or(Err(PreambleError::Timeout(limit)))
}

/// The coordinator's side. With `room` false the caller is told to come later.
pub(crate) async fn accept<S>(stream: &mut S, room: bool) -> Result<Role, PreambleError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let exchange = async {
        let (theirs, code) = read(stream).await?;
        if theirs != PROTOCOL_VERSION {
            write(stream, OTHER_VERSION).await?;
            return Err(PreambleError::Version { ours: PROTOCOL_VERSION, theirs });
        }
        if !room {
            write(stream, BUSY).await?;
            return Err(PreambleError::Busy);
        }
        let role = Role::from_code(code).ok_or(PreambleError::Unknown(code))?;
        write(stream, WELCOME).await?;
        Ok(role)
    };
    timeout(HANDSHAKE_TIMEOUT, exchange).await.unwrap_or(Err(PreambleError::Timeout(HANDSHAKE_TIMEOUT)))
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, code: u8) -> io::Result<()> {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&PROTOCOL_VERSION.to_le_bytes());
    bytes[12] = code;
    stream.write_all(&bytes).await?;
    stream.flush().await
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(u32, u8), PreambleError> {
    let mut bytes = [0; BYTES];
    let mut filled = 0;
    while filled < BYTES {
        let count = stream.read(&mut bytes[filled..]).await?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        filled += count;
        let known = filled.min(MAGIC.len());
        if bytes[..known] != MAGIC[..known] {
            return Err(PreambleError::NotGristmill);
        }
    }
    let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    Ok((version, bytes[12]))
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn every_role_is_understood() {
        for role in Role::ALL {
            let (mut near, mut far) = duplex(64);
            let (offered, accepted) =
                tokio::join!(offer(&mut near, role, HANDSHAKE_TIMEOUT), accept(&mut far, true));
            offered.unwrap();
            assert_eq!(accepted.unwrap(), role);
        }
    }

    #[tokio::test]
    async fn an_http_probe_is_dropped_without_an_answer() {
        let (mut near, mut far) = duplex(64);
        near.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert!(matches!(accept(&mut far, true).await, Err(PreambleError::NotGristmill)));
        drop(far);
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"");
    }

    #[tokio::test(start_paused = true)]
    async fn rubbish_is_known_by_its_first_byte() {
        let (mut near, mut far) = duplex(64);
        let begun = Instant::now();
        near.write_all(&[0]).await.unwrap();
        assert!(matches!(accept(&mut far, true).await, Err(PreambleError::NotGristmill)));
        assert!(begun.elapsed() < HANDSHAKE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_caller_is_given_up() {
        let (mut near, mut far) = duplex(64);
        let begun = Instant::now();
        let drip = async {
            for byte in MAGIC {
                near.write_all(&[byte]).await.unwrap();
                tokio::time::sleep(HANDSHAKE_TIMEOUT / 4).await;
            }
        };
        let (accepted, ()) = tokio::join!(accept(&mut far, true), drip);
        assert!(matches!(accepted, Err(PreambleError::Timeout(_))));
        assert!(begun.elapsed() < HANDSHAKE_TIMEOUT * 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_coordinator_is_given_up() {
        let (mut near, _far) = duplex(64);
        assert!(matches!(
            offer(&mut near, Role::Client, HANDSHAKE_TIMEOUT).await,
            Err(PreambleError::Timeout(_))
        ));
    }

    #[tokio::test]
    async fn another_version_is_named_on_both_sides() {
        let (mut near, mut far) = duplex(64);
        let mut old = [0; BYTES];
        old[..8].copy_from_slice(&MAGIC);
        old[8] = 200;
        near.write_all(&old).await.unwrap();
        let told = accept(&mut far, true).await.unwrap_err();
        assert!(matches!(told, PreambleError::Version { ours: PROTOCOL_VERSION, theirs: 200 }));
        let (theirs, answer) = read(&mut near).await.unwrap();
        assert_eq!((theirs, answer), (PROTOCOL_VERSION, OTHER_VERSION));

        let (mut near, mut far) = duplex(64);
        old[12] = OTHER_VERSION;
        far.write_all(&old).await.unwrap();
        let refusal = offer(&mut near, Role::Worker, HANDSHAKE_TIMEOUT).await.unwrap_err().refusal();
        assert_eq!(refusal, Some(Refusal::Version { coordinator: 200, caller: PROTOCOL_VERSION }));
    }

    #[tokio::test]
    async fn a_full_coordinator_says_so() {
        let (mut near, mut far) = duplex(64);
        let (offered, _) =
            tokio::join!(offer(&mut near, Role::Client, HANDSHAKE_TIMEOUT), accept(&mut far, false));
        assert!(matches!(offered, Err(PreambleError::Busy)));
    }
}
