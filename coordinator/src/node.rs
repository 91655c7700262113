//! The role of this node: it runs the main loop as long as it leads, and sends callers to the leader as long as it does not.

use std::time::Duration;

use gristmill_model::Refusal;
use gristmill_replication::{Node, Role};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::Fault;
use crate::event::Event;
use crate::main_loop::{Ending, MainLoop, Tools};
use crate::replica::{GroupReplica, MemoryReplica, Replica, ReplicaError, Replicated};

/// Pause before a node that still has the role leads again.
const LEAD_AGAIN: Duration = Duration::from_millis(100);

/// What the listeners need to know of the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The main loop runs here.
    Leading,
    /// Another leads, or none; the address is where.
    Following(Option<String>),
    /// It is no member; the addresses are those of the members.
    NoMember(Vec<String>),
}

impl Standing {
    /// What a caller is told who should have asked the leader.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Leading => None,
            Self::Following(leader) => Some(Refusal::NotLeader { leader: leader.clone() }),
            Self::NoMember(members) => Some(Refusal::NoMember { members: members.join(",") }),
        }
    }
}

/// What is told of the role to whoever reads the log. A leader that is cut off begins again every few seconds and never gets on: of that
/// there is one line, and one when it is over.
#[derive(Default)]
struct Log {
    /// It was told that this is no member.
    is_outside: bool,
    /// A leadership has ended, and it was not told what came after it.
    has_lost: bool,
}

impl Log {
    fn leads(&mut self, term: u64) {
        if std::mem::take(&mut self.has_lost) {
            tracing::warn!(term, "this coordinator leads again");
        }
    }

    fn no_longer_leads(&mut self, term: u64) {
        self.has_lost = true;
        tracing::warn!(term, "this coordinator no longer leads");
    }

    fn is_no_member(&mut self, members: &[String]) {
        if !std::mem::replace(&mut self.is_outside, true) {
            let members = members.join(",");
            tracing::warn!(
                members,
                "this coordinator is no member of its group, having been removed or not added yet: end it, unless it is to be added"
            );
        }
    }

    fn follows(&mut self, leader: Option<&str>) {
        self.is_outside &= leader.is_none();
        if let Some(leader) = leader
            && std::mem::take(&mut self.has_lost)
        {
            tracing::warn!(leader, "this coordinator follows another");
        }
    }
}

/// The life of a coordinator that is alone and forgets.
pub(crate) async fn lead_alone(
    replica: MemoryReplica,
    tools: Tools,
    mut events: mpsc::UnboundedReceiver<Event>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let main_loop = MainLoop::begin(replica, tools).await?;
    main_loop.run(&mut events, &mut stop).await?;
    Ok(())
}

/// The life of a member of a group: leads and follows in turn, until it is told to stop or cannot go on.
pub(crate) async fn take_turns(
    node: Node<Replicated>,
    tools: Tools,
    standing: watch::Sender<Standing>,
    mut events: mpsc::UnboundedReceiver<Event>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let mut roles = node.leadership();
    let mut log = Log::default();
    loop {
        let role = roles.borrow_and_update().clone();
        match role {
            Role::Failed { reason } => return Err(Fault::new(reason)),
            Role::Leading { term } => {
                let replica = GroupReplica::new(node.clone(), term);
                let lead = Lead { tools: tools.clone(), standing: &standing, term, log: &mut log };
                match lead.with(replica, &mut events, &mut stop).await {
                    Ok(Ending::Over) => return Ok(()),
                    Ok(Ending::Deposed) => {}
                    Err(error) => return Err(error.into()),
                }
                // The role may be the same as before: an entry whose fate was not known ends a leadership of ours, not the term.
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return Ok(()),
                    _ = timeout(LEAD_AGAIN, roles.changed()) => continue,
                    () = refuse_all(&mut events, &standing) => return Ok(()),
                }
            }
            Role::Following { leader } => {
                let leader = leader.map(|(_, address)| address);
                log.follows(leader.as_deref());
                standing.send_replace(Standing::Following(leader));
            }
            Role::NoMember { members } => {
                let members: Vec<String> = members.into_values().collect();
                log.is_no_member(&members);
                standing.send_replace(Standing::NoMember(members));
            }
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            changed = roles.changed() => if changed.is_err() { return Ok(()) },
            () = refuse_all(&mut events, &standing) => return Ok(()),
        }
    }
}

/// A try to lead in a term.
struct Lead<'a> {
    tools: Tools,
    standing: &'a watch::Sender<Standing>,
    term: u64,
    log: &'a mut Log,
}

impl Lead<'_> {
    async fn with<R: Replica>(
        self,
        replica: R,
        events: &mut mpsc::UnboundedReceiver<Event>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Ending, ReplicaError> {
        let Self { tools, standing, term, log } = self;
        let begun = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(Ending::Over),
            begun = MainLoop::begin(replica, tools) => begun,
            () = refuse_all(events, standing) => return Ok(Ending::Over),
        };
        let main_loop = match begun {
            Ok(main_loop) => main_loop,
            Err(ReplicaError::Deposed) => return Ok(Ending::Deposed),
            Err(error) => return Err(error),
        };
        log.leads(term);
        standing.send_replace(Standing::Leading);
        let ended = main_loop.run(events, stop).await;
        standing.send_replace(Standing::Following(None));
        match ended {
            Ok(Ending::Deposed) | Err(ReplicaError::Deposed) => {
                log.no_longer_leads(term);
                Ok(Ending::Deposed)
            }
            ended => ended,
        }
    }
}

/// Sends every caller to the leader. Returns when nobody can call any more.
async fn refuse_all(events: &mut mpsc::UnboundedReceiver<Event>, standing: &watch::Sender<Standing>) {
    while let Some(event) = events.recv().await {
        let refusal = standing.borrow().refusal();
        event.refuse(refusal.unwrap_or(Refusal::NotLeader { leader: None }));
    }
}
