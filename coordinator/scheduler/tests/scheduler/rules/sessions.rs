//! Sessions: a request is executed once, and answered alike however often it is repeated.

use gristmill_model::{ClientId, JobId, JobSpec, KvAnswer, NotFound, Refusal, RequestId};
use gristmill_scheduler::{Input, Leader, Planner, Recorded, Refused, Settings, State};

use crate::fixtures::{asked, call, cancel, drain, key, put, spec, submit};
use crate::world::{World, settings};

const SESSION_MS: u64 = 600_000;

fn open(nonce: u64) -> Input {
    Input::OpenSession { nonce }
}

fn keep(client: u64, done_below: u64) -> Input {
    Input::KeepSession { client: ClientId(client), done_below: RequestId(done_below) }
}

fn answer(world: &World, client: u64, request: u64) -> Result<Option<Recorded>, Refusal> {
    world.state.recorded(key(client, request))
}

fn refusal(answer: Result<Option<Recorded>, Refusal>) -> String {
    answer.expect_err("a refusal").to_string()
}

#[test]
fn the_same_call_opens_one_session_and_another_a_second() {
    let mut world = World::new();
    world.happen(&[open(7), open(7), open(8)]);
    world.happen(&[open(7)]);
    assert_eq!(world.told(), ["c2 opened by 7", "c3 opened by 8"]);
    assert_eq!(world.state.session_of(7), Some(ClientId(2)));
    assert_eq!(world.state.session_of(9), None);
}

#[test]
fn a_request_is_carried_out_once_in_one_batch_and_later_and_after_a_snapshot() {
    let mut world = World::new();
    let request = Input::Kv(call(1, 1, 1, put("k", "v")));
    world.happen(&[request.clone(), request.clone()]);
    assert_eq!(world.told(), ["1 of c1 carried out"]);
    let first = answer(&world, 1, 1);
    assert_eq!(first, Ok(Some(Recorded::Kv(KvAnswer::Written { version: 1, revision: 1 }))));
    let snapshot = postcard::to_allocvec(&world.state).unwrap();
    world.state = postcard::from_bytes::<State>(&snapshot).unwrap();
    world.leader = Leader::new(&world.state, world.now, settings());
    world.happen(&[Input::Kv(call(1, 2, 1, put("k", "w"))), request]);
    assert_eq!(world.told(), ["2 of c1 carried out"]);
    assert_eq!(answer(&world, 1, 1), first);
}

#[test]
fn a_submission_is_answered_alike_even_when_its_job_is_forgotten() {
    let mut world = World::new();
    world.leader = Leader::new(&world.state, world.now, Settings { history_jobs: 0, ..settings() });
    world.submit(spec(1, 1, 1));
    world.cancel(1);
    world.happen(&[]);
    world.told();
    world.submit(spec(1, 1, 1));
    assert_eq!(world.told(), [""; 0], "it is not a second job");
    assert_eq!(world.state.admit(&spec(1, 1, 1), Planner::EvenPieces), Ok(Some(JobId(1))));
}

#[test]
fn one_request_is_not_two_different_calls() {
    let mut world = World::new();
    world.submit(spec(1, 1, 1));
    world.happen(&[Input::Kv(call(1, 2, 1, put("k", "v")))]);
    world.told();
    let as_kv = call(1, 1, 1, put("k", "v"));
    world.happen(&[Input::Kv(as_kv.clone()), submit(spec(2, 1, 1))]);
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(
        world.state.kv_answer(as_kv.asked()).unwrap_err().to_string(),
        "request 1 of c1 was another call"
    );
    let as_job = world.state.admit(&spec(2, 1, 1), Planner::EvenPieces);
    assert_eq!(as_job.unwrap_err().to_string(), "request 2 of c1 was another call");
    world.happen(&[cancel(1, 1), cancel(3, 1)]);
    assert_eq!(world.told(), ["j1 cancelled"]);
    let as_cancel = world.state.done_answer(asked(1, 1));
    assert_eq!(as_cancel.unwrap_err().to_string(), "request 1 of c1 was another call");
    assert!(world.state.kv_answer(asked(1, 3)).is_err() && world.state.submitted(key(1, 3)).is_err());
}

#[test]
fn a_cancellation_is_executed_once_and_answered_alike_when_its_job_is_forgotten() {
    let mut world = World::with_job(1, 1, &[]);
    world.leader = Leader::new(&world.state, world.now, Settings { history_jobs: 0, ..settings() });
    world.happen(&[cancel(7, 1), cancel(7, 1), cancel(8, 1)]);
    assert_eq!(world.told(), ["j1 cancelled", "8 of c1 changes nothing"]);
    world.happen(&[]);
    assert_eq!(world.told(), ["j1 forgotten"]);
    world.happen(&[cancel(7, 1), cancel(8, 1), cancel(9, 1)]);
    assert_eq!(world.told(), ["9 of c1 refused: there is no job j1"]);
    assert_eq!([7, 8].map(|request| world.state.done_answer(asked(1, request))), [Ok(()), Ok(())]);
    assert_eq!(world.state.done_answer(asked(1, 9)), Err(NotFound::Job(JobId(1)).into()));
}

#[test]
fn what_did_not_exist_when_it_was_named_is_left_alone_when_the_call_comes_again() {
    let mut world = World::new();
    let calls = [cancel(7, 1), drain(8, 1)];
    world.happen(&calls);
    let told = ["7 of c1 refused: there is no job j1", "8 of c1 refused: there is no worker w1"];
    assert_eq!(world.told(), told);
    world.submit(spec(1, 1, 1));
    world.join("a", 2);
    world.told();
    let snapshot = postcard::to_allocvec(&world.state).unwrap();
    world.state = postcard::from_bytes::<State>(&snapshot).unwrap();
    world.leader = Leader::new(&world.state, world.now, settings());
    world.happen(&calls);
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.state.done_answer(asked(1, 7)), Err(NotFound::Job(JobId(1)).into()));
    assert_eq!(world.state.live_jobs(), [JobId(1)]);
}

#[test]
fn what_a_forgotten_client_wants_ended_goes_on() {
    let mut world = World::with_job(1, 1, &[]);
    world.wait(SESSION_MS);
    assert_eq!(world.told(), ["c1 expired"]);
    world.happen(&[cancel(7, 1), drain(8, 1)]);
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.state.done_answer(asked(1, 7)), Err(Refusal::UnknownClient));
}

#[test]
fn a_submission_that_was_refused_is_not_executed_when_it_comes_again_though_it_could_be_by_then() {
    let mut world = World::with_job(1, 1, &[]);
    let taken = JobSpec { output: spec(1, 1, 1).output, ..spec(2, 1, 1) };
    world.submit(taken.clone());
    let refused = world.state.submitted(taken.key).unwrap_err();
    assert!(refused.to_string().starts_with("job j1 is still writing to /out/1;"), "{refused}");
    world.cancel(1);
    world.told();
    world.submit(taken.clone());
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.state.admit(&taken, Planner::EvenPieces), Err(refused));
    world.submit(JobSpec { key: key(1, 4), ..taken });
    assert_eq!(world.told(), ["j2 submitted"]);
}

#[test]
fn a_refusal_is_recorded_if_it_is_final_and_once() {
    let mut world = World::new();
    let invalid = |text: &str| Refusal::Invalid(text.into());
    let refuse = |request, refusal| Input::Refuse(asked(1, request), refusal);
    let passing = [
        Refusal::Unavailable("full".into()),
        Refusal::UnknownBlob("b".into()),
        Refusal::UnknownClient,
        Refusal::NotLeader { leader: None },
        Refusal::NoMember { members: "a:1".into() },
        Refusal::NotDone("late".into()),
    ];
    world.happen(&passing.map(|refusal| refuse(1, refusal)));
    assert_eq!((world.told(), answer(&world, 1, 1)), (vec![], Ok(None)));
    world.happen(&[refuse(1, invalid("no")), refuse(1, invalid("never"))]);
    world.happen(&[refuse(1, Refusal::OutputExists("/out".into())), submit(spec(1, 1, 1))]);
    assert_eq!(world.told(), ["1 of c1 refused: no"]);
    assert_eq!(world.state.submitted(key(1, 1)), Err(invalid("no")));
    world.happen(&[Input::Kv(call(1, 2, 2, put("k", "v")))]);
    assert!(
        refusal(answer(&world, 1, 1)).contains("the client said it has"),
        "it is released like any answer"
    );
}

#[test]
fn the_text_of_a_refusal_that_is_recorded_is_bounded() {
    let text = "é".repeat(1_000);
    let refused = Refused::of(&Refusal::OutputExists(text)).expect("it is final");
    let Refusal::OutputExists(kept) = refused.refusal() else { panic!("{refused:?}") };
    assert_eq!(kept, format!("{}…", "é".repeat(254)));
}

#[test]
fn a_snapshot_with_a_refusal_that_is_not_final_is_refused() {
    let mut world = World::new();
    world.happen(&[Input::Refuse(asked(1, 1), Refusal::Invalid("not now".into()))]);
    let written = postcard::to_allocvec(&world.state).unwrap();
    let as_written = |refusal: &Refusal| postcard::to_allocvec(refusal).unwrap();
    let (old, new) = (Refusal::Invalid("not now".into()), Refusal::Unavailable("not now".into()));
    let (old, new) = (as_written(&old), as_written(&new));
    let at = written.windows(old.len()).position(|bytes| bytes == old).expect("it is in there");
    let changed = [&written[..at], &new, &written[at + old.len()..]].concat();
    assert!(postcard::from_bytes::<State>(&written).unwrap().validate().is_ok());
    assert!(postcard::from_bytes::<State>(&changed).unwrap().validate().is_err());
}

#[test]
fn what_a_forgotten_client_repeats_is_refused_and_not_executed() {
    let mut world = World::new();
    let request = call(1, 1, 1, put("k", "v"));
    world.happen(&[Input::Kv(request.clone())]);
    world.told();
    world.wait(SESSION_MS - 1);
    assert_eq!(world.told(), [""; 0]);
    world.wait(1);
    assert_eq!(world.told(), ["c1 expired"]);
    world.happen(&[Input::Kv(request.clone()), submit(spec(2, 1, 1)), keep(1, 5)]);
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(answer(&world, 1, 1), Err(Refusal::UnknownClient));
    assert_eq!(world.state.kv_answer(request.asked()), Err(Refusal::UnknownClient));
    assert_eq!(world.state.admit(&spec(2, 1, 1), Planner::EvenPieces), Err(Refusal::UnknownClient));
    world.happen(&[open(1)]);
    assert_eq!(world.told(), ["c2 opened by 1"], "an id is never used again");
}

#[test]
fn a_job_outlives_the_session_that_submitted_it_and_is_found_by_its_key() {
    let mut world = World::with_job(1, 1, &[]);
    world.wait(SESSION_MS);
    assert_eq!(world.told(), ["c1 expired"]);
    assert_eq!(world.state.admit(&spec(1, 1, 1), Planner::EvenPieces), Ok(Some(JobId(1))));
    assert_eq!(world.state.live_jobs(), [JobId(1)]);
}

#[test]
fn whoever_is_heard_of_keeps_the_session() {
    let mut world = World::new();
    for (request, input) in (2..).zip([
        keep(1, 0),
        open(1),
        Input::Kv(call(1, 1, 0, put("k", "v"))),
        submit(spec(9, 1, 1)),
        cancel(10, 1),
        drain(11, 1),
    ]) {
        world.wait(SESSION_MS - 1);
        world.happen(&[input]);
        assert!(world.state.has_session(ClientId(1)), "call {request}");
    }
    world.wait(SESSION_MS);
    assert!(!world.state.has_session(ClientId(1)));
}

#[test]
fn a_new_leader_and_one_that_stood_still_give_everybody_time() {
    let mut world = World::new();
    world.wait(SESSION_MS - 1);
    world.leader = Leader::new(&world.state, world.now, settings());
    world.wait(SESSION_MS - 1);
    world.now.ms += 1_000_000_000;
    world.happen(&[]);
    world.wait(SESSION_MS - 1);
    assert_eq!(world.told(), [""; 0]);
    world.wait(1);
    assert_eq!(world.told(), ["c1 expired"]);
}

#[test]
fn when_there_are_too_many_sessions_the_one_that_is_silent_for_longest_goes() {
    let mut world = World::new();
    world.leader = Leader::new(&world.state, world.now, Settings { sessions_max: 2, ..settings() });
    world.wait(10);
    world.happen(&[open(2)]);
    world.wait(10);
    world.happen(&[keep(1, 0)]);
    world.told();
    world.happen(&[open(3)]);
    assert_eq!(world.told(), ["c2 expired", "c3 opened by 3"]);
}

#[test]
fn many_answers_that_are_given_back_are_a_fact_and_few_are_not() {
    let mut world = World::new();
    let calls: Vec<_> = (1..=70).map(|request| Input::Kv(call(1, request, 0, put("k", "v")))).collect();
    world.happen(&calls);
    world.told();
    world.happen(&[keep(1, 64)]);
    assert_eq!(world.told(), [""; 0]);
    assert!(answer(&world, 1, 1).unwrap().is_some());
    world.happen(&[keep(1, 65), keep(1, 65)]);
    assert_eq!(world.told(), ["c1 is done below 65"]);
    let told = refusal(answer(&world, 1, 64));
    assert_eq!(told, "request 64 of c1 is one whose answer the client said it has; it is not executed");
    assert!(answer(&world, 1, 65).unwrap().is_some());
    world.happen(&[Input::Kv(call(1, 64, 0, put("k", "v")))]);
    assert_eq!(world.told(), [""; 0], "a late repeat of what was answered is not executed");
}

#[test]
fn a_call_takes_along_which_answers_its_client_has() {
    let mut world = World::new();
    world.happen(&[Input::Kv(call(1, 1, 1, put("k", "v"))), Input::Kv(call(1, 2, 2, put("k", "w")))]);
    assert!(refusal(answer(&world, 1, 1)).contains("the client said it has"));
    world.told();
    let contradiction = call(1, 3, 4, put("k", "x"));
    world.happen(&[Input::Kv(contradiction.clone())]);
    assert_eq!(world.told(), [""; 0]);
    let told = world.state.kv_answer(contradiction.asked()).unwrap_err();
    assert!(told.to_string().contains("the client said it has"), "it has the answer before it asks: {told}");
}

#[test]
fn a_client_that_never_says_which_answers_it_has_is_refused_in_the_end() {
    let mut world = World::new();
    let calls: Vec<_> = (1..=1_025).map(|request| Input::Kv(call(1, request, 0, put("k", "v")))).collect();
    world.happen(&calls);
    assert_eq!(world.told().len(), 1_024);
    let told = world.state.kv_answer(call(1, 1_025, 0, put("k", "v")).asked());
    assert!(
        matches!(&told, Err(Refusal::Unavailable(text)) if text.starts_with("c1 has not acknowledged 1024 answers;")),
        "it is not refused for good, for nothing can be recorded of it: {told:?}"
    );
    let mut job = spec(2_000, 1, 1);
    assert_eq!(world.state.admit(&job, Planner::EvenPieces).unwrap_err(), told.unwrap_err());
    world.happen(&[Input::Refuse(asked(1, 2_000), Refusal::Invalid("no".into())), submit(job.clone())]);
    assert_eq!(world.told(), [""; 0]);
    world.happen(&[keep(1, 2)]);
    assert_eq!(world.told(), ["c1 is done below 2"], "where room is short, one answer is worth a fact");
    world.happen(&[Input::Kv(call(1, 1_025, 3, put("k", "v")))]);
    assert_eq!(world.told(), ["1025 of c1 carried out"]);
    job.key = key(1, 3_000);
    assert_eq!(world.state.admit(&job, Planner::EvenPieces), Ok(None));
}
