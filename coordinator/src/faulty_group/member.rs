//! One life of a coordinator: started from its store, ended or killed.

use std::path::PathBuf;
use std::time::Duration;

use gristmill_protocol::PeerLink;
use gristmill_replication::testing::FaultyNetwork;
use gristmill_replication::{Config as ReplicationConfig, Node};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::coordinator::{Disk, MemberParts, Parts, assemble_member};
use crate::data_dir::DataDir;
use crate::desk::Desk;
use crate::node::take_turns;
use crate::replica::Replicated;
use crate::{Config, Fault};

/// How long an orderly end may take: a turn of the main loop ends first.
const END_MAX: Duration = Duration::from_secs(5);

/// A coordinator that runs.
pub(super) struct Member {
    pub(super) desk: Desk,
    pub(super) node: Node<Replicated>,
    stop: watch::Sender<bool>,
    main: JoinHandle<Result<(), Fault>>,
    _disk: Disk,
}

impl Member {
    /// Starts one from what its store holds. What it keeps beside the replicated state goes to `place`.
    pub(super) async fn start(
        replication: ReplicationConfig,
        network: &FaultyNetwork,
        place: PathBuf,
    ) -> Self {
        let data_dir = DataDir::open(&place).unwrap();
        let wire = network.wire(replication.id);
        let assembled =
            assemble_member(Config::new(place), data_dir, replication, PeerLink::new(), wire).await;
        let MemberParts { parts, node, standing } = assembled.unwrap();
        network.attach(&node);
        let Parts { disk, desk, tools, received } = parts;
        let (stop, stopped) = watch::channel(false);
        let main = tokio::spawn(take_turns(node.clone(), tools, standing, received, stopped));
        Self { desk, node, stop, main, _disk: disk }
    }

    /// Whether it has ended by itself, which it must not.
    pub(super) fn has_ended(&self) -> bool {
        self.main.is_finished()
    }

    /// Ends it between any two instructions: nobody is told anything.
    pub(super) async fn kill(self) {
        self.main.abort();
        let _ = self.main.await;
        self.node.shutdown().await;
    }

    /// Ends it in good order: whoever waits for it is told.
    pub(super) async fn end(self) {
        let _ = self.stop.send(true);
        let ended = timeout(END_MAX, self.main).await.expect("it ends soon");
        ended.expect("it does not panic").expect("it ends in good order");
        self.node.shutdown().await;
    }
}
