//! What holds when a leadership is lost, seen from those who wait.

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use gristmill_model::{Incarnation, Refusal};
use gristmill_protocol::{ConnectionId, PROTOCOL_VERSION, Registered, WorkerHello};
use gristmill_scheduler::State;
use gristmill_storage::Local;
use tokio::sync::oneshot;

use super::*;
use crate::clock::Clock;
use crate::event::WorkerCall;
use crate::replica::MemoryReplica;

/// Loses its leadership when it is to make its last entry certain, or to confirm itself when it has none left.
#[derive(Clone)]
struct Waning {
    inner: MemoryReplica,
    entries: Arc<AtomicU32>,
}

impl Waning {
    fn wane(&self) -> Result<(), ReplicaError> {
        match self.entries.fetch_sub(1, Ordering::SeqCst) {
            0 | 1 => Err(ReplicaError::Deposed),
            _ => Ok(()),
        }
    }
}

impl Replica for Waning {
    fn read(&self) -> impl Deref<Target = State> {
        self.inner.read()
    }

    async fn propose(&self, facts: Arc<[Fact]>) -> Result<Vec<Effect>, ReplicaError> {
        self.wane()?;
        self.inner.propose(facts).await
    }

    async fn confirm(&self) -> Result<(), ReplicaError> {
        Err(ReplicaError::Deposed)
    }

    async fn deposed(&self) {
        std::future::pending::<()>().await;
    }
}

struct Scene {
    events: mpsc::UnboundedSender<Event>,
    received: mpsc::UnboundedReceiver<Event>,
    tools: Tools,
    _directory: tempfile::TempDir,
}

fn scene() -> Scene {
    let directory = tempfile::tempdir().unwrap();
    let (events, received) = mpsc::unbounded_channel();
    let tools = Tools {
        clock: Clock::start(),
        events: events.downgrade(),
        logs: AttemptLogs::start(directory.path().to_owned(), 1 << 20, true).unwrap(),
        outputs: Outputs::new(Arc::new(Local)),
        history: History::new(directory.path()),
        heartbeat_ms: 1_000,
        idle_heartbeat_ms: 2_000,
        workers_died: false,
        settings: Settings::default(),
    };
    Scene { events, received, tools, _directory: directory }
}

fn register(
    events: &mpsc::UnboundedSender<Event>,
    number: u64,
) -> oneshot::Receiver<Result<Registered, Refusal>> {
    let hello = WorkerHello {
        protocol: PROTOCOL_VERSION,
        name: "worker".to_owned(),
        incarnation: Incarnation(number),
        slots: 1,
        machine: "machine".to_owned(),
        running: Vec::new(),
    };
    let (reply, answer) = oneshot::channel();
    let _ = events.send(Event::Worker(ConnectionId(number), WorkerCall::Register(hello, reply)));
    answer
}

#[tokio::test]
async fn nobody_is_told_of_facts_that_are_not_certain() {
    let mut scene = scene();
    // The barrier, the founding, the first worker; the second worker's entry is the last.
    let replica = Waning { inner: MemoryReplica::default(), entries: Arc::new(AtomicU32::new(4)) };
    let main_loop = MainLoop::begin(replica.clone(), scene.tools).await.unwrap();
    let events = scene.events.clone();
    let callers = async move {
        register(&events, 1).await.unwrap().unwrap();
        register(&events, 2).await
    };
    let (_keep, mut stop) = watch::channel(false);
    let run = main_loop.run(&mut scene.received, &mut stop);
    let (ending, second) = tokio::join!(run, callers);
    assert_eq!(ending.unwrap(), Ending::Deposed);
    assert!(second.is_err(), "{second:?}");
    assert_eq!(replica.read().worker_of(Incarnation(2)), None);
}

#[tokio::test]
async fn a_leader_that_cannot_confirm_itself_answers_no_reads() {
    let mut scene = scene();
    let replica = Waning { inner: MemoryReplica::default(), entries: Arc::new(AtomicU32::new(99)) };
    let main_loop = MainLoop::begin(replica, scene.tools).await.unwrap();
    let (reply, answer) = oneshot::channel();
    let _ =
        scene.events.send(Event::Client(crate::event::ClientCall::Ask(crate::event::Question::Slots(reply))));
    let (_keep, mut stop) = watch::channel(false);
    let ending = main_loop.run(&mut scene.received, &mut stop).await;
    assert_eq!(ending.unwrap(), Ending::Deposed);
    assert!(answer.await.is_err());
}
