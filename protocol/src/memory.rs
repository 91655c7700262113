//! Connections within one process: pipes in memory, handed out by an embedded coordinator.

use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

const PIPE_BYTES: usize = 256 << 10;
const BACKLOG: usize = 64;

/// The two ends of a listener in memory.
pub fn memory() -> (MemoryConnector, MemoryListener) {
    let (connections, accepted) = mpsc::channel(BACKLOG);
    (MemoryConnector { connections }, MemoryListener { accepted })
}

/// Makes connections to the [`MemoryListener`] it came with.
#[derive(Clone, Debug)]
pub struct MemoryConnector {
    connections: mpsc::Sender<DuplexStream>,
}

impl MemoryConnector {
    /// A new connection, on which nothing has been said yet; `None` when the listener is gone.
    pub async fn connect(&self) -> Option<DuplexStream> {
        let (near, far) = duplex(PIPE_BYTES);
        self.connections.send(far).await.ok()?;
        Some(near)
    }
}

/// Where the connections of [`MemoryConnector`]s arrive; [`serve`](crate::serve) takes it.
#[derive(Debug)]
pub struct MemoryListener {
    accepted: mpsc::Receiver<DuplexStream>,
}

impl MemoryListener {
    /// The next connection, on which nothing has been said yet; `None` when no connector is left.
    pub async fn accept(&mut self) -> Option<DuplexStream> {
        self.accepted.recv().await
    }
}
