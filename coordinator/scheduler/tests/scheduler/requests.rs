//! Requests that come again at any time, against a plain account of them: each is decided once, and answered the same until its client has
//! the answer or is forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use gristmill_model::{ClientId, JobId, JobSpec, Refusal, RequestId, WorkerId};
use gristmill_scheduler::{Asked, Input, KvCall, Leader, Planner, Settings, State, VALUE_BYTES_MAX};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixtures::{append, delete, key, spec};
use crate::world::{World, settings};

const SESSION_MS: u64 = 600_000;
const CLIENTS: usize = 3;

/// What a client asks for.
#[derive(Clone, Debug)]
enum Wish {
    /// There is no room for a second of these.
    Append,
    Delete,
    /// With one of two outputs, which live jobs cannot share.
    Submit(u32),
    Cancel(u64),
    Drain(u64),
}

#[derive(Clone, Debug)]
enum Event {
    /// Of a client, that has all answers or says of none that it has it; the call arrives so often.
    New(usize, Wish, bool, usize),
    /// Any call that was made before arrives again.
    Again(Index),
    /// A worker joins.
    Join,
    /// The leader is followed by one that begins from a snapshot.
    Snapshot,
    /// A client is silent until its session is over.
    Silence(usize),
    /// A client opens a new session.
    Open(usize),
}

/// A call as it is sent, and what it was answered when it came first.
struct Request {
    input: Input,
    asked: Asked,
    answer: Answer,
}

type Answer = Result<String, Refusal>;

struct Session {
    client: ClientId,
    last: u64,
    live: bool,
}

struct Account {
    world: World,
    sessions: Vec<Session>,
    requests: Vec<Request>,
    /// Answers below these are given back.
    done_below: BTreeMap<ClientId, RequestId>,
    over: Vec<ClientId>,
    /// As many sessions were opened.
    nonces: u64,
    decided: usize,
    workers: u64,
}

impl Account {
    fn new() -> Self {
        let mut world = World::new();
        world.leader = Leader::new(&world.state, world.now, few_jobs());
        let mut account = Self {
            world,
            sessions: Vec::new(),
            requests: Vec::new(),
            done_below: BTreeMap::new(),
            over: Vec::new(),
            nonces: 1,
            decided: 0,
            workers: 0,
        };
        for _ in 0..CLIENTS {
            let session = account.open();
            account.sessions.push(session);
        }
        account
    }

    fn open(&mut self) -> Session {
        self.nonces += 1;
        self.world.happen(&[Input::OpenSession { nonce: self.nonces }]);
        let client = self.world.state.session_of(self.nonces).expect("it is open");
        Session { client, last: 0, live: true }
    }

    fn befall(&mut self, event: Event) {
        match event {
            Event::New(index, wish, has_answers, copies) => self.ask(index, &wish, has_answers, copies),
            Event::Again(which) => {
                if !self.requests.is_empty() {
                    self.repeat(which.index(self.requests.len()));
                }
            }
            Event::Join => {
                self.workers += 1;
                self.world.register(self.workers, "a", 1);
            }
            Event::Snapshot => {
                let written = postcard::to_allocvec(&self.world.state).expect("it encodes");
                self.world.state = postcard::from_bytes::<State>(&written).expect("it decodes");
                self.world.leader = Leader::new(&self.world.state, self.world.now, few_jobs());
            }
            Event::Silence(index) => self.silence(index),
            Event::Open(index) => self.sessions[index] = self.open(),
        }
    }

    fn ask(&mut self, index: usize, wish: &Wish, has_answers: bool, copies: usize) {
        let session = &mut self.sessions[index];
        session.last += 1;
        // A submission does not say it.
        let says = has_answers && !matches!(wish, Wish::Submit(_));
        let done_below = RequestId(if says { session.last } else { 0 });
        let asked = Asked { key: key(session.client.0, session.last), done_below };
        let live = session.live;
        let input = input(wish, asked);
        self.world.look_away();
        self.world.happen(&vec![input.clone(); copies]);
        let told = self.world.told();
        assert_eq!(decisions(&told), usize::from(live), "{asked:?}: {told:?}");
        let answer = answer(&self.world.state, &input, asked);
        if live {
            self.decided += 1;
            let released = self.done_below.entry(asked.key.client).or_default();
            *released = done_below.max(*released);
            let passing = matches!(answer, Err(Refusal::Unavailable(_) | Refusal::UnknownClient));
            assert!(!passing, "{asked:?} was decided, and is told {answer:?}");
        } else {
            assert_eq!(answer, Err(Refusal::UnknownClient), "{asked:?}");
        }
        self.requests.push(Request { input, asked, answer });
    }

    fn repeat(&mut self, index: usize) {
        let Request { input, asked, answer: first } = &self.requests[index];
        self.world.look_away();
        self.world.happen(&[input.clone(), input.clone()]);
        let told = self.world.told();
        assert_eq!(decisions(&told), 0, "{asked:?} comes again: {told:?}");
        let found = answer(&self.world.state, input, *asked);
        // A job that is remembered is found by its key, whatever became of the session.
        let found_by_key = matches!(input, Input::Submit(..)) && found == *first && found.is_ok();
        if found_by_key {
            return;
        }
        if self.over.contains(&asked.key.client) {
            assert_eq!(found, Err(Refusal::UnknownClient), "{asked:?}, after {first:?}");
        } else if asked.key.request < self.done_below[&asked.key.client] {
            let refused = found.expect_err("nobody knows the answer any more").to_string();
            assert!(refused.contains("the client said it has"), "{asked:?}: {refused}");
        } else {
            assert_eq!(found, *first, "{asked:?}");
        }
    }

    fn silence(&mut self, index: usize) {
        for _ in 0..2 {
            let others =
                self.sessions.iter().enumerate().filter(|(other, session)| *other != index && session.live);
            let keep = |(_, session): (usize, &Session)| Input::KeepSession {
                client: session.client,
                done_below: RequestId(0),
            };
            let kept: Vec<Input> = others.map(keep).collect();
            self.world.happen(&kept);
            self.world.wait(SESSION_MS / 2);
        }
        let session = &mut self.sessions[index];
        assert!(!self.world.state.has_session(session.client), "it is over");
        session.live = false;
        // One that was left for a new one was not kept either.
        let opened = (1..=self.nonces).map(ClientId);
        self.over = opened.filter(|client| !self.world.state.has_session(*client)).collect();
    }
}

fn few_jobs() -> Settings {
    Settings { history_jobs: 1, ..settings() }
}

fn input(wish: &Wish, asked: Asked) -> Input {
    let kv = |op| {
        let Asked { key, done_below } = asked;
        Input::Kv(KvCall { key, done_below, op: Arc::new(op) })
    };
    match wish {
        Wish::Append => kv(append("k", &"v".repeat(VALUE_BYTES_MAX / 2 + 1))),
        Wish::Delete => kv(delete("k", None)),
        Wish::Submit(output) => {
            let output = format!("/out/{output}").as_str().into();
            Input::Submit(Arc::new(JobSpec { key: asked.key, output, ..spec(1, 1, 1) }), Planner::EvenPieces)
        }
        Wish::Cancel(job) => Input::Cancel(asked, JobId(*job)),
        Wish::Drain(worker) => Input::Drain(asked, WorkerId(*worker)),
    }
}

/// What the caller is told now.
fn answer(state: &State, input: &Input, asked: Asked) -> Answer {
    match input {
        Input::Kv(_) => state.kv_answer(asked).map(|answer| format!("{answer:?}")),
        Input::Submit(..) => {
            state.submitted(asked.key).map(|job| format!("{:?}", job.expect("it was decided")))
        }
        _ => state.done_answer(asked).map(|()| "done".to_owned()),
    }
}

/// How many requests were decided on.
fn decisions(told: &[String]) -> usize {
    let decided = |told: &&String| {
        ["carried out", "submitted", "cancelled", "drains", "changes nothing"]
            .iter()
            .any(|end| told.ends_with(end))
            || told.contains(" refused: ")
    };
    told.iter().filter(decided).count()
}

fn wishes() -> impl Strategy<Value = Wish> {
    prop_oneof![
        Just(Wish::Append),
        Just(Wish::Delete),
        (0_u32..2).prop_map(Wish::Submit),
        (1_u64..5).prop_map(Wish::Cancel),
        (1_u64..4).prop_map(Wish::Drain),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..CLIENTS, wishes(), any::<bool>(), 1_usize..3)
            .prop_map(|(client, wish, has_answers, copies)| Event::New(client, wish, has_answers, copies)),
        10 => any::<Index>().prop_map(Event::Again),
        1 => Just(Event::Join),
        2 => Just(Event::Snapshot),
        1 => (0..CLIENTS).prop_map(Event::Silence),
        1 => (0..CLIENTS).prop_map(Event::Open),
    ]
}

proptest! {
    #[test]
    fn a_request_is_decided_once_and_answered_alike_whenever_it_comes_again(
        events in proptest::collection::vec(events(), 1..60),
    ) {
        let mut account = Account::new();
        events.into_iter().for_each(|event| account.befall(event));
        (0..account.requests.len()).for_each(|index| account.repeat(index));
        let refused = account.requests.iter().filter(|request| request.answer == Err(Refusal::UnknownClient)).count();
        prop_assert_eq!(account.decided + refused, account.requests.len());
    }
}
