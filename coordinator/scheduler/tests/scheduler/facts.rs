//! Facts: their bytes in the log, and what is refused.

use std::sync::Arc;

use gristmill_model::{
    Blob, Bounds, ClientId, ClusterId, FailureCause, Incarnation, JobId, KvOp, Outcome, Refusal, RequestId,
    Stage, TaskId, Timestamp, WorkerId,
};
use gristmill_scheduler::{
    Asked, EndCause, FACT_VERSION, Fact, LossCause, Planner, Refused, RunLoss, Sampler, State, TaskResult,
    apply,
};

use crate::fixtures::{append, cas, delete, key, mapped, put, reduced, sampled, spec};
use crate::world::{map, reduce, sample};

const AT: Timestamp = Timestamp::from_ms(5);

fn founded() -> Fact {
    Fact::Founded { cluster: ClusterId(1) }
}

fn opened(client: u64) -> Fact {
    Fact::SessionOpened { client: ClientId(client), at: AT, nonce: client }
}

/// An operation of client 1; it has the answers to all before it.
fn carried_out(request: u64, op: KvOp) -> Fact {
    let done_below = RequestId(request);
    Fact::KvApplied { key: key(1, request), at: AT, done_below, op: Arc::new(op) }
}

fn submitted(job: u64) -> Fact {
    Fact::JobSubmitted {
        job: JobId(job),
        at: AT,
        spec: Arc::new(spec(job, 1, 1)),
        planner: Planner::EvenPieces,
        sampler: Sampler::Nothing,
    }
}

/// A job of one sample.
fn ordered(job: u64) -> Fact {
    let mut spec = spec(job, 1, 2);
    spec.plugin.total_order = true;
    Fact::JobSubmitted {
        job: JobId(job),
        at: AT,
        spec: Arc::new(spec),
        planner: Planner::EvenPieces,
        sampler: Sampler::SpreadPieces,
    }
}

fn joined(worker: u64) -> Fact {
    Fact::WorkerJoined {
        worker: WorkerId(worker),
        at: AT,
        incarnation: Incarnation(worker),
        name: "n".into(),
        machine: "m".into(),
        slots: 2,
    }
}

fn won(attempt: gristmill_model::AttemptId) -> Fact {
    let outcome = match attempt.task.stage {
        Stage::Sample => sampled(attempt, b"ab", 1),
        Stage::Map => mapped(attempt, 1, 1, 1),
        Stage::Reduce => reduced(attempt, 1),
    }
    .outcome;
    let result = match outcome {
        Outcome::Mapped(made) => TaskResult::Map(made),
        Outcome::Reduced(made) => TaskResult::Reduce(made),
        Outcome::Sampled(made) => TaskResult::Sample(made),
        other => panic!("{other:?}"),
    };
    Fact::TaskWon { attempt, at: AT, result }
}

fn assigned(attempt: gristmill_model::AttemptId, worker: u64, backup: bool) -> Fact {
    Fact::AttemptAssigned { attempt, worker: WorkerId(worker), at: AT, backup }
}

fn bounds() -> Fact {
    Fact::BoundsChosen { job: JobId(1), at: AT, bounds: Arc::new(Bounds(vec![Blob(b"b".to_vec())])) }
}

/// Of client 1, which has the answers to most of what was before it.
fn asked(request: u64) -> Asked {
    Asked { key: key(1, request), done_below: RequestId(request.min(11)) }
}

fn refused(request: u64, refusal: &Refusal) -> Fact {
    Fact::RequestRefused {
        asked: asked(request),
        at: AT,
        refused: Refused::of(refusal).expect("it is final"),
    }
}

/// What leads to a state with something of everything in it.
pub(crate) fn busy() -> Vec<Fact> {
    let failed = EndCause::Failed { cause: FailureCause::Signal(9), message: "m".into() };
    vec![
        founded(),
        opened(1),
        opened(2),
        joined(1),
        joined(2),
        submitted(1),
        assigned(map(0, 0), 1, false),
        assigned(map(0, 1), 2, true),
        Fact::AttemptEnded { attempt: map(0, 0), at: AT, cause: failed },
        won(map(0, 1)),
        assigned(reduce(0, 0), 1, false),
        ordered(2),
        assigned(TaskId::sample(JobId(2), 0).attempt(0), 1, false),
        won(TaskId::sample(JobId(2), 0).attempt(0)),
        Fact::BoundsChosen { job: JobId(2), at: AT, bounds: Arc::new(Bounds(vec![Blob(b"b".to_vec())])) },
        submitted(3),
        Fact::JobFailed { job: JobId(3), at: AT, message: "m".into() },
        carried_out(9, put("k", "v")),
        carried_out(10, put("l", "w")),
        carried_out(11, delete("k", None)),
        refused(12, &Refusal::OutputExists("/out".into())),
        Fact::WorkerDraining { worker: WorkerId(1), at: AT, asked: asked(13) },
        Fact::RequestFulfilled { asked: asked(14), at: AT },
        Fact::WorkerLost { worker: WorkerId(2), at: AT, cause: LossCause::Silent },
    ]
}

pub(crate) fn all() -> Vec<(&'static str, Fact)> {
    let (job, at) = (JobId(1), AT);
    let failed = EndCause::Failed { cause: FailureCause::Signal(9), message: "m".into() };
    let ended = |cause| Fact::AttemptEnded { attempt: map(0, 0), at, cause };
    let planned = |planner| Fact::JobSubmitted {
        job,
        at,
        spec: Arc::new(spec(1, 1, 1)),
        planner,
        sampler: Sampler::Nothing,
    };
    vec![
        ("submitted", submitted(1)),
        ("planned even", planned(Planner::EvenTasks { slots: 2 })),
        ("planned falling", planned(Planner::FallingTasks { slots: 2 })),
        ("planned joined", planned(Planner::JoinedTasks { slots: 2 })),
        ("joined", joined(1)),
        ("lost", Fact::WorkerLost { worker: WorkerId(1), at, cause: LossCause::Silent }),
        ("assigned", assigned(map(0, 0), 1, false)),
        ("backup", assigned(map(0, 1), 1, true)),
        ("map won", won(map(0, 0))),
        ("reduce won", won(reduce(0, 0))),
        ("failed", ended(failed)),
        ("timed out", ended(EndCause::TimedOut)),
        ("runs lost", ended(EndCause::RunsLost)),
        ("outdated", ended(EndCause::Outdated)),
        ("given up", ended(EndCause::Cancelled)),
        ("taken back", ended(EndCause::TakenBack)),
        ("run lost", Fact::RunLost { attempt: map(0, 0), at, loss: RunLoss::WorkerGone }),
        ("reduce outdated", Fact::ReduceOutdated { attempt: reduce(0, 0), at, by: map(0, 1) }),
        ("commit failed", Fact::CommitFailed { job, at, message: "m".into() }),
        ("committed", Fact::JobCommitted { job, at }),
        ("job failed", Fact::JobFailed { job, at, message: "m".into() }),
        ("cancelled", Fact::JobCancelled { job, at, asked: asked(9) }),
        ("forgotten", Fact::JobForgotten { job }),
        ("ordered", ordered(1)),
        ("sample assigned", assigned(sample(0, 0), 1, false)),
        ("sample won", won(sample(0, 0))),
        ("bounds", bounds()),
        ("founded", founded()),
        ("opened", opened(2)),
        ("kept", Fact::SessionKept { client: ClientId(1), at, done_below: RequestId(10) }),
        ("expired", Fact::SessionExpired { client: ClientId(1), at }),
        ("put", carried_out(9, put("k", "v"))),
        ("append", carried_out(9, append("k", "v"))),
        ("cas", carried_out(9, cas("k", 1, "v"))),
        ("delete", carried_out(9, delete("k", Some(1)))),
        ("draining", Fact::WorkerDraining { worker: WorkerId(1), at, asked: asked(9) }),
        ("refused", refused(9, &Refusal::Invalid("no".into()))),
        ("fulfilled", Fact::RequestFulfilled { asked: asked(9), at }),
    ]
}

/// FNV-1a: enough to notice a change.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn the_log_of_an_older_version_can_be_read() {
    let encoded = |fact: &Fact| postcard::to_allocvec(fact).expect("it encodes");
    let lines: Vec<String> = all()
        .iter()
        .map(|(name, fact)| {
            let bytes = encoded(fact);
            assert_eq!(postcard::from_bytes::<Fact>(&bytes).as_ref(), Ok(fact));
            format!("{name} {} {:016x}", bytes.len(), fingerprint(&bytes))
        })
        .collect();
    let golden = include_str!("facts.golden");
    assert_eq!(
        format!("version {FACT_VERSION}\n{}\n", lines.join("\n")),
        golden,
        "the encoding changed: raise FACT_VERSION"
    );
}

/// Applies what is legal; the last is what is tried.
fn attempted(legal: &[Fact], tried: &Fact) -> Result<(), String> {
    let mut state = State::new();
    for fact in legal {
        apply(&mut state, fact).expect("this far it is legal");
    }
    let before = state.clone();
    match apply(&mut state, tried) {
        Ok(_) => Ok(()),
        Err(illegal) => {
            assert_eq!(state, before, "a refused fact changes nothing");
            Err(illegal.to_string())
        }
    }
}

#[test]
fn each_fact_is_legal_in_its_state_and_nowhere_else() {
    let (job, at) = (JobId(1), AT);
    let begun = [founded(), opened(1)];
    let running = [&begun[..], &[submitted(1), joined(1), assigned(map(0, 0), 1, false)]].concat();
    let doubled = [&running[..], &[assigned(map(0, 1), 1, true)]].concat();
    let mapped = [&running[..], &[won(map(0, 0))]].concat();
    let reducing = [&mapped[..], &[assigned(reduce(0, 0), 1, false)]].concat();
    let complete = [&reducing[..], &[won(reduce(0, 0))]].concat();
    let done = [&complete[..], &[Fact::JobCommitted { job, at }]].concat();
    let queued = [&begun[..], &[ordered(1), joined(1)]].concat();
    let drains = Fact::WorkerDraining { worker: WorkerId(1), at, asked: asked(5) };
    let draining = [&running[..4], &[drains]].concat();
    let asked = [&begun[..], &[carried_out(9, put("k", "v"))]].concat();
    let sampling = [&queued[..], &[assigned(sample(0, 0), 1, false)]].concat();
    let sampled = [&sampling[..], &[won(sample(0, 0))]].concat();
    let parted = [&sampled[..], &[bounds()]].concat();
    let states: [(&str, &[Fact]); 15] = [
        ("nothing", &[]),
        ("begun", &begun),
        ("asked", &asked),
        ("queued", &running[..4]),
        ("draining", &draining),
        ("running", &running),
        ("doubled", &doubled),
        ("mapped", &mapped),
        ("reducing", &reducing),
        ("complete", &complete),
        ("done", &done),
        ("ordered", &queued),
        ("sampling", &sampling),
        ("sampled", &sampled),
        ("parted", &parted),
    ];
    let mut table = Vec::new();
    for (name, fact) in all() {
        let legal =
            states.iter().filter(|(_, legal)| attempted(legal, &fact).is_ok()).map(|(state, _)| *state);
        table.push(format!("{name}: {}", legal.collect::<Vec<_>>().join(", ")));
    }
    let begun = "begun, asked, queued, draining, running, doubled, mapped, reducing, complete, done, ordered, sampling, sampled, parted";
    let unasked = begun.replace(" asked,", "");
    let asked = begun.trim_start_matches("begun, ");
    let mut expected: Vec<String> = [
        "submitted: begun",
        "planned even: begun",
        "planned falling: begun",
        "planned joined: begun",
        "joined: begun, asked",
        "lost: queued, draining, running, doubled, mapped, reducing, complete, done, ordered, sampling, sampled, parted",
        "assigned: queued, parted",
        "backup: running",
        "map won: running, doubled",
        "reduce won: reducing",
        "failed: running, doubled",
        "timed out: running, doubled",
        "runs lost: running, doubled",
        "outdated: running, doubled",
        "given up: running, doubled",
        "taken back: running, doubled",
        "run lost: mapped, reducing",
        "reduce outdated: ",
        "commit failed: complete",
        "committed: complete",
        "job failed: queued, draining, running, doubled, mapped, reducing, complete, ordered, sampling, sampled, parted",
        "cancelled: queued, draining, running, doubled, mapped, reducing, ordered, sampling, sampled, parted",
        "forgotten: done",
        "ordered: begun",
        "sample assigned: ordered",
        "sample won: sampling",
        "bounds: sampled",
        "founded: nothing",
    ]
    .map(str::to_owned)
    .into();
    expected.extend([format!("opened: {begun}"), format!("kept: {asked}"), format!("expired: {begun}")]);
    expected.extend(["put", "append", "cas", "delete"].map(|op| format!("{op}: {unasked}")));
    expected.push(
        "draining: queued, running, doubled, mapped, reducing, complete, done, ordered, sampling, sampled, parted"
            .into(),
    );
    expected.extend(["refused", "fulfilled"].map(|name| format!("{name}: {unasked}")));
    assert_eq!(table, expected);
}

#[test]
fn an_illegal_fact_names_both_ends() {
    let legal =
        [founded(), opened(1), submitted(1), joined(1), assigned(map(0, 0), 1, false), won(map(0, 0))];
    let told = attempted(&legal, &won(map(0, 0))).unwrap_err();
    assert_eq!(
        told,
        "illegal fact: j1.m0.a0 won, but j1 is Reducing (1/1 maps done) and j1.m0 has winner Some(0), running [], next attempt 1"
    );
    let told = attempted(&[founded()], &assigned(TaskId::map(JobId(4), 2).attempt(0), 3, false)).unwrap_err();
    assert_eq!(
        told,
        "illegal fact: j4.m2.a0 assigned to w3 (backup: false), but there is no job j4 and has no task j4.m2; there is no worker w3"
    );
    let told = attempted(&[], &joined(1)).unwrap_err();
    assert_eq!(told, "illegal fact: w1 joined as 0000000000000001, but no cluster is founded");
    let told = attempted(&[founded()], &carried_out(9, put("k", "v"))).unwrap_err();
    assert_eq!(
        told,
        "illegal fact: request 9 of c1 on a key, but this client's session is over; what it asks again is not executed"
    );
}

#[test]
fn a_refusal_that_is_not_final_is_no_fact() {
    let passing = postcard::to_allocvec(&Refusal::Unavailable("later".into())).unwrap();
    let refused = postcard::from_bytes::<Refused>(&passing).unwrap();
    let fact = Fact::RequestRefused { asked: asked(9), at: AT, refused };
    let told = attempted(&[founded(), opened(1)], &fact).unwrap_err();
    assert_eq!(told, "illegal fact: request 9 of c1 refused, but the refusal is not final");
}
