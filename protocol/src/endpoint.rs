//! Where a coordinator is found, and who may be found there.
//!
//! Until keys exist nothing proves who is at the other end, so only loopback addresses are bound or dialled. That rule is kept here.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gristmill_model::Refusal;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::compass::Compass;
use crate::limits::{GROUP_HANDSHAKE_TIMEOUT, HANDSHAKE_TIMEOUT};
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
    /// The address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The connection broke a moment ago and is not tried again so soon.
    #[error("the connection to {address} broke a moment ago")]
    Lost {
        /// Where.
        address: String,
    },
    /// The same error that others got who waited for the same connection.
    #[error(transparent)]
    Shared(Arc<ConnectError>),
}

impl ConnectError {
    /// Whether a coordinator is there, which has as many connections as it takes.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Preamble { source, .. } => matches!(source, PreambleError::Busy),
            Self::Shared(error) => error.is_full(),
            Self::Dial { .. } | Self::Address(_) | Self::Lost { .. } => false,
        }
    }

    /// What the caller is told when trying again is of no use.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Dial { .. } | Self::Address(_) | Self::Lost { .. } => None,
            Self::Preamble { source, .. } => source.refusal(),
            Self::Shared(error) => error.refusal(),
        }
    }
}

/// How to reach a coordinator.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// One of these addresses leads; each is tried, beginning with the one that was last known to.
    Tcp(TcpEndpoint),
    /// A coordinator in this process.
    Memory(MemoryConnector),
}

/// Addresses of one coordinator group. Clones share what is learnt of who leads it.
#[derive(Clone, Debug)]
pub struct TcpEndpoint {
    addresses: Arc<[SocketAddr]>,
    compass: Arc<Mutex<Compass>>,
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
        let compass = Compass::new(addresses).ok_or(AddressError::Missing)?;
        addresses.iter().try_for_each(|address| check_loopback(*address))?;
        Ok(Self::Tcp(TcpEndpoint { addresses: addresses.into(), compass: Arc::new(Mutex::new(compass)) }))
    }

    /// Reads `HOST:PORT[,HOST:PORT…]`.
    pub fn parse(list: &str) -> Result<Self, AddressError> {
        let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
        Self::tcp(&parts.map(parse_address).collect::<Result<Vec<_>, _>>()?)
    }

    /// Whether there are others to turn to when one does not answer.
    pub(crate) fn is_group(&self) -> bool {
        matches!(self, Self::Tcp(group) if group.addresses.len() > 1)
    }

    /// Connects and agrees on the protocol; says with whom.
    pub(crate) async fn connect(&self, role: Role) -> Result<(BoxIo, Option<SocketAddr>), ConnectError> {
        match self {
            Self::Tcp(group) => {
                let (stream, address) = group.connect(role).await?;
                Ok((stream, Some(address)))
            }
            Self::Memory(connector) => {
                let source = io::Error::from(io::ErrorKind::ConnectionRefused);
                let dial = ConnectError::Dial { address: self.to_string(), source };
                let mut stream = connector.connect().await.ok_or(dial)?;
                let agreed = preamble::offer(&mut stream, role, HANDSHAKE_TIMEOUT).await;
                agreed.map_err(|source| ConnectError::Preamble { address: self.to_string(), source })?;
                Ok((Box::new(stream), None))
            }
        }
    }

    /// The coordinator at this address does not lead, and says that another does.
    pub(crate) fn does_not_lead(&self, address: Option<SocketAddr>, leader: Option<&str>) {
        if let (Self::Tcp(group), Some(address)) = (self, address) {
            // Only addresses as such: to look up names would take time, and whoever is trusted by name is on the list.
            let leader = leader.and_then(|leader| leader.parse::<SocketAddr>().ok());
            group.compass().does_not_lead(address, leader.filter(|leader| check_loopback(*leader).is_ok()));
        }
    }

    /// Whether the coordinator at this address has failed or refused since it last answered.
    pub(crate) fn is_set_back(&self, address: Option<SocketAddr>) -> bool {
        matches!((self, address), (Self::Tcp(group), Some(address)) if group.compass().is_set_back(address))
    }

    /// The coordinator at this address has stopped answering.
    pub(crate) fn failed(&self, address: Option<SocketAddr>) {
        if let (Self::Tcp(group), Some(address)) = (self, address) {
            group.compass().failed(address);
        }
    }
}

impl TcpEndpoint {
    fn compass(&self) -> MutexGuard<'_, Compass> {
        self.compass.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self, role: Role) -> Result<(BoxIo, SocketAddr), ConnectError> {
        let limit = if self.addresses.len() > 1 { GROUP_HANDSHAKE_TIMEOUT } else { HANDSHAKE_TIMEOUT };
        let order = self.compass().order();
        let mut last_error = None;
        for address in order {
            match dial(address, role, limit).await {
                Ok(stream) => {
                    self.compass().answered(address);
                    return Ok((stream, address));
                }
                Err(error) => {
                    self.compass().failed(address);
                    last_error = Some(error);
                }
            }
        }
        Err(last_error.unwrap_or_else(|| ConnectError::Dial {
            address: String::new(),
            source: io::ErrorKind::AddrNotAvailable.into(),
        }))
    }
}

/// Connects to an address and agrees on the protocol; each of the two may take as long as `limit`.
pub(crate) async fn dial(address: SocketAddr, role: Role, limit: Duration) -> Result<BoxIo, ConnectError> {
    let dialled = timeout(limit, TcpStream::connect(address)).await;
    let opened = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).and_then(|stream| {
        stream.set_nodelay(true)?;
        Ok(stream)
    });
    let address = address.to_string();
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(source) => return Err(ConnectError::Dial { address, source }),
    };
    match preamble::offer(&mut stream, role, limit).await {
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
