//! Where a coordinator is found, and who may be found there.
//!
//! Until keys exist nothing proves who is at the other end, so only loopback addresses are bound or dialled. That rule is kept here.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gristmill_model::Refusal;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::limits::HANDSHAKE_TIMEOUT;
use crate::memory::MemoryConnector;
use crate::preamble::{self, PreambleError, Role};
use crate::transport::BoxIo;

/// An address that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is reachable from other machines.
    #[error(
        "{0} is not a loopback address: until coordinator and workers can prove who they are with keys, anybody who \
         reaches it could run code here; use 127.0.0.1 or [::1], over an ssh tunnel if need be"
    )]
    NotLoopback(SocketAddr),
    /// It is not an address.
    #[error("`{0}` is not an address; write HOST:PORT, such as 127.0.0.1:7070")]
    Unreadable(String, #[source] io::Error),
    /// There is none.
    #[error("no address of a coordinator; write HOST:PORT, such as 127.0.0.1:7070")]
    Missing,
}

/// Why a listener could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address may not be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The system refused it.
    #[error("listen on {address}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// It has no address.
    #[error("ask for the address of a listener")]
    Unusable {
        /// Why.
        source: io::Error,
    },
}

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing listens there.
    #[error("connect to {address}")]
    Dial {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Something listens there, but the two did not come to talk.
    #[error("talk to {address}")]
    Preamble {
        /// Where.
        address: String,
        /// Why.
        source: PreambleError,
    },
}

impl ConnectError {
    /// What the caller is told when trying again is of no use.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Dial { .. } => None,
            Self::Preamble { source, .. } => source.refusal(),
        }
    }
}

/// How to reach a coordinator.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// One of these addresses; each is tried, beginning with the one that answered last.
    Tcp(TcpEndpoint),
    /// A coordinator in this process.
    Memory(MemoryConnector),
}

/// Addresses of one coordinator group.
#[derive(Clone, Debug)]
pub struct TcpEndpoint {
    addresses: Arc<[SocketAddr]>,
    first: Arc<AtomicUsize>,
}

/// Refuses what other machines could reach.
pub fn check_loopback(address: SocketAddr) -> Result<(), AddressError> {
    if address.ip().to_canonical().is_loopback() { Ok(()) } else { Err(AddressError::NotLoopback(address)) }
}

/// Reads `HOST:PORT`; every address that the host has must be loopback.
pub fn parse_address(text: &str) -> Result<SocketAddr, AddressError> {
    let unreadable = |error| AddressError::Unreadable(text.to_owned(), error);
    let found: Vec<SocketAddr> = text.trim().to_socket_addrs().map_err(unreadable)?.collect();
    found.iter().try_for_each(|address| check_loopback(*address))?;
    let v4_first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    v4_first.copied().ok_or_else(|| unreadable(io::ErrorKind::NotFound.into()))
}

/// Listens on a loopback address; port 0 takes a free one.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    check_loopback(address)?;
    TcpListener::bind(address).await.map_err(|source| ListenError::Bind { address, source })
}

impl Endpoint {
    /// A group at these addresses; at least one, all loopback.
    pub fn tcp(addresses: &[SocketAddr]) -> Result<Self, AddressError> {
        if addresses.is_empty() {
            return Err(AddressError::Missing);
        }
        addresses.iter().try_for_each(|address| check_loopback(*address))?;
        Ok(Self::Tcp(TcpEndpoint { addresses: addresses.into(), first: Arc::default() }))
    }

    /// Reads `HOST:PORT[,HOST:PORT…]`.
    pub fn parse(list: &str) -> Result<Self, AddressError> {
        let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
        Self::tcp(&parts.map(parse_address).collect::<Result<Vec<_>, _>>()?)
    }

    /// Connects and agrees on the protocol.
    pub(crate) async fn connect(&self, role: Role) -> Result<BoxIo, ConnectError> {
        match self {
            Self::Tcp(group) => group.connect(role).await,
            Self::Memory(connector) => {
                let source = io::Error::from(io::ErrorKind::ConnectionRefused);
                let dial = ConnectError::Dial { address: self.to_string(), source };
                let mut stream = connector.connect().await.ok_or(dial)?;
                let agreed = preamble::offer(&mut stream, role).await;
                agreed.map_err(|source| ConnectError::Preamble { address: self.to_string(), source })?;
                Ok(Box::new(stream))
            }
        }
    }
}

impl TcpEndpoint {
    async fn connect(&self, role: Role) -> Result<BoxIo, ConnectError> {
        let count = self.addresses.len();
        let first = self.first.load(Ordering::Relaxed);
        let mut last_error = None;
        for number in (0..count).map(|step| (first + step) % count) {
            match dial(self.addresses[number], role).await {
                Ok(stream) => {
                    self.first.store(number, Ordering::Relaxed);
                    return Ok(stream);
                }
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(|| ConnectError::Dial {
            address: String::new(),
            source: io::ErrorKind::AddrNotAvailable.into(),
        }))
    }
}

async fn dial(address: SocketAddr, role: Role) -> Result<BoxIo, ConnectError> {
    let dialled = timeout(HANDSHAKE_TIMEOUT, TcpStream::connect(address)).await;
    let opened = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).and_then(|stream| {
        stream.set_nodelay(true)?;
        Ok(stream)
    });
    let address = address.to_string();
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(source) => return Err(ConnectError::Dial { address, source }),
    };
    match preamble::offer(&mut stream, role).await {
        Ok(()) => Ok(Box::new(stream)),
        Err(source) => Err(ConnectError::Preamble { address, source }),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(_) => f.write_str("the coordinator of this process"),
            Self::Tcp(group) => {
                for (number, address) in group.addresses.iter().enumerate() {
                    write!(f, "{}{address}", if number == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_may_be_dialled() {
        for text in
            ["192.0.2.1:7070", "0.0.0.0:7070", "[::]:7070", "[2001:db8::1]:7070", "[::ffff:192.0.2.1]:1"]
        {
            let error = Endpoint::parse(text).unwrap_err();
            assert!(matches!(error, AddressError::NotLoopback(_)), "{text}");
            assert!(error.to_string().contains("keys"), "{error}");
        }
        for text in [
            "127.0.0.1:7070",
            "127.8.0.1:1, 127.0.0.1:2",
            "[::1]:7070",
            "localhost:7070",
            "[::ffff:127.0.0.1]:1",
        ] {
            Endpoint::parse(text).unwrap();
        }
    }

    #[test]
    fn one_address_beyond_loopback_spoils_the_list() {
        assert!(matches!(Endpoint::parse("127.0.0.1:1,192.0.2.1:1"), Err(AddressError::NotLoopback(_))));
    }

    #[test]
    fn what_is_no_address_is_named() {
        assert!(Endpoint::parse("7070").unwrap_err().to_string().contains("`7070`"));
        assert!(matches!(Endpoint::parse(" , "), Err(AddressError::Missing)));
    }

    #[tokio::test]
    async fn only_loopback_may_be_bound() {
        let refused = listen("0.0.0.0:0".parse().unwrap()).await;
        assert!(matches!(refused, Err(ListenError::Address(AddressError::NotLoopback(_)))));
        listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    }
}
