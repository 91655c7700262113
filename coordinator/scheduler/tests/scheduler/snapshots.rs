//! Snapshots: what was written is read again, and rubbish is refused or harmless.

use gristmill_model::{ClientId, Incarnation, JobId, Refusal, RequestId, TaskId, Timestamp, WorkerId};
use gristmill_scheduler::{
    Fact, Hello, Input, Leader, Poll, PollToken, RunLoss, STATE_VERSION, Settings, State, TaskResult, apply,
};
use proptest::prelude::*;

use crate::facts::{all, busy, fingerprint};
use crate::fixtures::{asked, call, cancel, drain, mapped, put, spec, submit};
use crate::simulation::life::Life;

fn written(state: &State) -> Vec<u8> {
    postcard::to_allocvec(state).expect("it encodes")
}

/// Everything that may be done to a state, whether or not it makes sense.
fn live_on(mut state: State) {
    let now = Timestamp::from_ms(2_000_000);
    let mut leader = Leader::new(&state, now, Settings::default());
    leader.resume(&state);
    let inputs = [
        Input::OpenSession { nonce: 1_000 },
        Input::KeepSession { client: ClientId(1), done_below: RequestId(2) },
        Input::Kv(call(1, 1_000, 1, put("a", "v"))),
        submit(spec(1_000, 3, 2)),
        Input::Register(Hello {
            name: "n".into(),
            incarnation: Incarnation(1_000),
            slots: 4,
            machine: "machine 0".into(),
            running: vec![],
        }),
        drain(1_001, 1),
        cancel(1_002, 1),
        Input::Refuse(asked(1, 1_003), Refusal::Invalid("no".into())),
    ];
    decide(&mut leader, &mut state, now, &inputs);
    if let Some(worker) = state.worker_of(Incarnation(1_000)) {
        let poll = |token: u64, free_slots, reports| {
            let token = PollToken(token);
            let incarnation = Incarnation(1_000);
            let (ahead, held, wait_ms) = (4, 0, 0);
            Input::Poll(Poll { token, worker, incarnation, free_slots, ahead, held, reports, wait_ms })
        };
        decide(&mut leader, &mut state, now, &[poll(1, 4, vec![])]);
        let running = leader.workers(&state, now).into_iter().filter(|known| known.id == worker);
        let running: Vec<_> = running.flat_map(|known| known.running).collect();
        let reports = running.into_iter().map(|attempt| mapped(attempt, 2, 1, 1)).collect();
        decide(&mut leader, &mut state, now, &[poll(2, 1, reports)]);
    }
    for job in state.jobs(JobId(0)).collect::<Vec<_>>() {
        drop(state.assignment(TaskId::map(job, 0).attempt(0)));
        drop(leader.job_status(&state, job));
        drop(leader.explain(&state, now, job, None));
        drop(state.outputs(job));
    }
    for (_, fact) in all() {
        drop(apply(&mut state, &fact));
    }
    drop(state.kv().list(b"", None, 100));
    drop(state.kv().events(b"", 0));
    try_every_attempt(&mut state);
    let later = Timestamp::from_ms(u64::MAX / 2);
    let mut leader = Leader::new(&state, now, Settings::default());
    decide(&mut leader, &mut state, later, &[]);
}

fn decide(leader: &mut Leader, state: &mut State, now: Timestamp, inputs: &[Input]) {
    for fact in leader.decide(state, now, inputs) {
        apply(state, &fact).unwrap_or_else(|illegal| panic!("{illegal}"));
    }
    leader.answers(state, now);
    state.validate().unwrap_or_else(|wrong| panic!("it passed before: {wrong}"));
}

/// Wins, losses and ends of what may or may not run.
fn try_every_attempt(state: &mut State) {
    let at = Timestamp::from_ms(1);
    for (job, index, number) in
        (1..4).flat_map(|job| (0..6).flat_map(move |index| (0..4).map(move |number| (job, index, number))))
    {
        let attempt = TaskId::map(JobId(job), index).attempt(number);
        let gristmill_model::Outcome::Mapped(made) = mapped(attempt, 2, 7, 1).outcome else { return };
        for fact in [
            Fact::AttemptAssigned { attempt, worker: WorkerId(u64::from(index)), at, backup: number > 1 },
            Fact::TaskWon { attempt, at, result: TaskResult::Map(made) },
            Fact::RunLost { attempt, at, loss: RunLoss::Damaged },
        ] {
            drop(apply(state, &fact));
        }
    }
}

#[test]
fn a_snapshot_of_an_older_version_can_be_read() {
    let mut state = State::new();
    for fact in busy() {
        apply(&mut state, &fact).unwrap_or_else(|illegal| panic!("{illegal}"));
    }
    state.validate().expect("it is valid");
    let bytes = written(&state);
    assert_eq!(
        format!("version {STATE_VERSION}: {} bytes, {:016x}\n", bytes.len(), fingerprint(&bytes)),
        include_str!("snapshot.golden"),
        "the encoding changed: raise STATE_VERSION"
    );
}

#[test]
fn a_state_is_read_as_it_was_written() {
    for seed in 0..20 {
        let (state, _) = Life::new(seed).halfway();
        let bytes = written(&state);
        let read: State = postcard::from_bytes(&bytes).expect("it decodes");
        assert_eq!(read, state);
        assert_eq!(written(&read), bytes, "equal states have equal snapshots");
        read.validate().expect("it is valid");
        live_on(read);
    }
}

#[test]
fn a_copy_does_not_change_with_its_original() {
    let (state, log) = Life::new(3).halfway();
    let mut growing = State::new();
    let mut copies = Vec::new();
    for fact in &log {
        copies.push((growing.clone(), written(&growing)));
        apply(&mut growing, fact).expect("it was legal");
    }
    assert_eq!(growing, state);
    assert!(copies.iter().all(|(copy, bytes)| written(copy) == *bytes));
}

#[test]
fn every_beginning_of_a_snapshot_is_refused() {
    let (state, _) = Life::new(1).halfway();
    let bytes = written(&state);
    for end in 0..bytes.len() {
        assert!(postcard::from_bytes::<State>(&bytes[..end]).is_err(), "{end} bytes of {}", bytes.len());
    }
}

/// A small state, so that most of its bits say how much there is of something.
#[test]
fn no_bit_of_a_snapshot_can_turn_into_a_panic() {
    let mut state = State::new();
    for fact in busy() {
        apply(&mut state, &fact).unwrap_or_else(|illegal| panic!("{illegal}"));
    }
    let bytes = written(&state);
    let mut refused = 0;
    for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << bit;
        match postcard::from_bytes::<State>(&damaged).map(|read| (read.validate().is_ok(), read)) {
            Ok((true, read)) => live_on(read),
            Ok((false, _)) => refused += 1,
            Err(_) => {}
        }
    }
    assert!(refused > 500, "only {refused} damages were noticed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_damaged_snapshot_is_refused_or_harmless(
        seed in 0_u64..12,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (state, _) = Life::new(seed).halfway();
        let mut bytes = written(&state);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(read) = postcard::from_bytes::<State>(&bytes)
            && read.validate().is_ok()
        {
            live_on(read);
        }
    }

    #[test]
    fn a_snapshot_of_any_bytes_is_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(read) = postcard::from_bytes::<State>(&bytes)
            && read.validate().is_ok()
        {
            live_on(read);
        }
    }
}
