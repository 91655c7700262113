//! A coordinator that has a key/value store, members, workers and a history, and says what a test made it say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use futures::FutureExt;
use gristmill_model::{
    Blob, ClientId, ClusterId, JobPhase, JobStatus, KvAnswer, KvChange, KvEntry, KvEvent, KvEvents, KvOp,
    MemberChange, MemberStatus, MembersStatus, MembersVersion, NotFound, Refusal, WorkerId,
};
use gristmill_protocol::{
    Answer, ClientServiceRequest, ClientServiceResponse, ConnectionId, CoordinatorInfo, KvServiceRequest,
    KvServiceResponse, Lane, Listener, PeerServiceRequest, PeerServiceResponse, Services,
    WorkerServiceRequest, WorkerServiceResponse, listen, serve,
};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Serves on threads of its own until it is dropped.
pub(crate) struct Fake {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
    _stop: watch::Sender<bool>,
    _runtime: Runtime,
}

#[derive(Default)]
struct State {
    store: BTreeMap<Vec<u8>, KvEntry>,
    events: Vec<KvEvent>,
    changes: Vec<MemberChange>,
    drained: Vec<WorkerId>,
    jobs: Vec<JobStatus>,
}

#[derive(Clone)]
struct Desk(Arc<Mutex<State>>);

impl Fake {
    pub(crate) fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let (stop, stopped) = watch::channel(false);
        let tcp = runtime.block_on(listen("127.0.0.1:0".parse().unwrap())).unwrap();
        let address = tcp.local_addr().unwrap().to_string();
        runtime.spawn(serve(Listener::Tcp(tcp), Arc::new(Desk(state.clone())), stopped));
        Self { address, state, _stop: stop, _runtime: runtime }
    }

    pub(crate) fn remember(&self, id: u64, phase: JobPhase) {
        let mut status = example(id);
        status.ended = phase.is_final().then_some(gristmill_model::Timestamp::from_ms(3_000));
        status.phase = phase;
        self.state.lock().unwrap().jobs.push(status);
    }

    pub(crate) fn changes(&self) -> Vec<MemberChange> {
        self.state.lock().unwrap().changes.clone()
    }

    pub(crate) fn drained(&self) -> Vec<WorkerId> {
        self.state.lock().unwrap().drained.clone()
    }
}

fn example(id: u64) -> JobStatus {
    JobStatus {
        id: gristmill_model::JobId(id),
        app: "wc".to_owned(),
        output: "/out".into(),
        phase: JobPhase::Mapping,
        revision: 1,
        submitted: gristmill_model::Timestamp::from_ms(1_000),
        ended: None,
        sample: Default::default(),
        map: Default::default(),
        reduce: Default::default(),
        attempts: Default::default(),
        map_stats: Default::default(),
        reduce_stats: Default::default(),
        counters: Default::default(),
        slowest: None,
        biggest_partition: None,
        warnings: Vec::new(),
    }
}

impl State {
    fn write(&mut self, op: KvOp) -> KvAnswer {
        let revision = self.events.len() as u64 + 1;
        let (key, new) = match op {
            KvOp::Put { key, value } => (key, Some(value)),
            KvOp::Append { key, value } => {
                let mut all = self.store.get(&key.0).map(|entry| entry.value.0.clone()).unwrap_or_default();
                all.extend(value.0);
                (key, Some(Blob(all)))
            }
            KvOp::Cas { key, version, value } => match self.version(&key) {
                is if is == version => (key, Some(value)),
                version => return KvAnswer::Mismatch { version },
            },
            KvOp::Delete { key, version } => match (self.version(&key), version) {
                (is, Some(wanted)) if is != wanted => return KvAnswer::Mismatch { version: is },
                (0, _) => return KvAnswer::Deleted { revision: revision - 1, existed: false },
                _ => (key, None),
            },
        };
        let Some(value) = new else {
            self.store.remove(&key.0);
            self.events.push(KvEvent { revision, key, change: KvChange::Deleted });
            return KvAnswer::Deleted { revision, existed: true };
        };
        let version = self.version(&key) + 1;
        let entry = KvEntry { key: key.clone(), value: value.clone(), version, revision };
        self.store.insert(key.0.clone(), entry);
        self.events.push(KvEvent { revision, key, change: KvChange::Put { value, version } });
        KvAnswer::Written { version, revision }
    }

    fn version(&self, key: &Blob) -> u64 {
        self.store.get(&key.0).map_or(0, |entry| entry.version)
    }

    fn watch(&self, prefix: &Blob, from: u64) -> KvEvents {
        let next = self.events.len() as u64 + 1;
        let wanted =
            |event: &&KvEvent| from > 0 && event.revision >= from && event.key.0.starts_with(&prefix.0);
        KvEvents::Events { events: self.events.iter().filter(wanted).cloned().collect(), next }
    }

    fn members(&self) -> MembersStatus {
        let member = |id| MemberStatus {
            id,
            address: format!("127.0.0.1:{id}"),
            votes: id != 3,
            behind: Some(id),
            silent_ms: Some((id - 1) * 1100),
        };
        MembersStatus {
            leader: Some(1),
            members: vec![member(1), member(2), member(3)],
            version: MembersVersion { term: 7, since: (1, 5) },
        }
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Services for Desk {
    fn client(&self, _: ConnectionId, call: ClientServiceRequest) -> Answer<ClientServiceResponse> {
        use ClientServiceRequest as Request;
        use ClientServiceResponse as Response;
        let mut state = self.state();
        let response = match call {
            Request::Info { .. } => Response::Info(Ok(CoordinatorInfo {
                cluster: ClusterId(9),
                version: "1.2.3".to_owned(),
                slots: 0,
                node: Some(1),
                leader: Some(1),
            })),
            Request::OpenSession { .. } => Response::OpenSession(Ok(ClientId(1))),
            Request::Drain { worker: WorkerId(4), .. } => {
                state.drained.push(WorkerId(4));
                Response::Drain(Ok(()))
            }
            Request::Drain { worker, .. } => Response::Drain(Err(NotFound::Worker(worker).into())),
            Request::Members {} => Response::Members(Ok(state.members())),
            Request::ChangeMembers { change: MemberChange::Remove { id: 9 }, .. } => {
                Response::ChangeMembers(Err(Refusal::Invalid("9 is no member of this group".to_owned())))
            }
            Request::ChangeMembers { seen, change } => {
                assert_eq!(seen, state.members().version, "it was looked at before");
                state.changes.push(change);
                Response::ChangeMembers(Ok(state.members()))
            }
            Request::Jobs { after } => {
                Response::Jobs(Ok(state.jobs.iter().filter(|job| job.id > after).cloned().collect()))
            }
            other => panic!("unexpected call {other:?}"),
        };
        async { Ok(response) }.boxed()
    }

    fn kv(&self, _: ConnectionId, call: KvServiceRequest) -> Answer<KvServiceResponse> {
        use KvServiceRequest as Request;
        use KvServiceResponse as Response;
        let mut state = self.state();
        let response = match call {
            Request::Write { op, .. } => Response::Write(Ok(state.write(op))),
            Request::Get { key } => Response::Get(Ok(state.store.get(&key.0).cloned())),
            Request::List { prefix, after, .. } => {
                let wanted = |entry: &&KvEntry| {
                    entry.key.0.starts_with(&prefix.0)
                        && after.as_ref().is_none_or(|after| entry.key.0 > after.0)
                };
                Response::List(Ok(state.store.values().filter(wanted).take(2).cloned().collect()))
            }
            Request::Watch { prefix, from_revision, .. } => {
                Response::Watch(Ok(state.watch(&prefix, from_revision)))
            }
        };
        async { Ok(response) }.boxed()
    }

    fn worker(&self, _: ConnectionId, call: WorkerServiceRequest) -> Answer<WorkerServiceResponse> {
        panic!("unexpected call {call:?}")
    }

    fn peer(&self, _: ConnectionId, _: Lane, call: PeerServiceRequest) -> Answer<PeerServiceResponse> {
        panic!("unexpected call {call:?}")
    }

    fn closed(&self, _: ConnectionId) {}
}
