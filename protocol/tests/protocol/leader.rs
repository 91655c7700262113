//! The leader of a group is found, lost and found again; whoever does not answer is left after a bounded wait, and nobody is asked
//! without a pause.

use std::time::Duration;

use gristmill_model::{Incarnation, WorkerId};
use gristmill_protocol::limits::{GROUP_CALL_TIMEOUT, GROUP_HANDSHAKE_TIMEOUT, GROUP_HEARTBEAT_TIMEOUT};
use gristmill_protocol::{CallError, Client, Heartbeat, PollRequest, WorkerLink, listen};
use tokio::time::Instant;

use crate::group::{Member, Stand, endpoint, local, nobody};
use crate::support::{STEP, SteppedClock};

const PATIENCE: Duration = Duration::from_secs(10);
/// What the calls themselves may take by a clock that goes on meanwhile.
const CALLS: Duration = STEP.saturating_mul(20);

async fn three(stands: [Stand; 3]) -> [Member; 3] {
    let [a, b, c] = stands;
    [Member::start(a).await, Member::start(b).await, Member::start(c).await]
}

fn client(members: &[&Member]) -> Client {
    let addresses: Vec<_> = members.iter().map(|member| member.address).collect();
    Client::new(endpoint(&addresses), PATIENCE)
}

fn poll() -> PollRequest {
    PollRequest {
        worker: WorkerId(1),
        incarnation: Incarnation(1),
        free_slots: 1,
        ahead: 0,
        held: 0,
        reports: Vec::new(),
        wait_ms: 20_000,
    }
}

fn heartbeat() -> Heartbeat {
    Heartbeat { worker: WorkerId(1), incarnation: Incarnation(1), running: Vec::new() }
}

#[tokio::test]
async fn a_follower_that_names_the_leader_is_left_for_it_at_once() {
    let [a, b, c] = three([Stand::Follows(None), Stand::Follows(None), Stand::Leads]).await;
    a.follows(&c);
    let client = client(&[&a, &b, &c]);
    client.workers().await.unwrap();
    client.workers().await.unwrap();
    assert_eq!([a.calls(), b.calls(), c.calls()], [1, 0, 2]);
}

#[tokio::test]
async fn without_a_hint_the_others_are_asked_in_turn() {
    let [a, b, c] = three([Stand::Follows(None), Stand::Follows(None), Stand::Leads]).await;
    client(&[&a, &b, &c]).workers().await.unwrap();
    assert_eq!([a.calls(), b.calls(), c.calls()], [1, 1, 1]);
}

#[tokio::test]
async fn followers_that_name_each_other_do_not_hide_the_leader() {
    let [a, b, c] = three([Stand::Follows(None), Stand::Follows(None), Stand::Leads]).await;
    a.follows(&b);
    b.follows(&a);
    client(&[&a, &b, &c]).workers().await.unwrap();
    assert_eq!([a.calls(), b.calls(), c.calls()], [1, 1, 1]);
}

#[tokio::test]
async fn a_member_that_is_on_no_list_is_found_by_a_hint() {
    let [a, _, c] = three([Stand::Follows(None), Stand::Hangs, Stand::Leads]).await;
    a.follows(&c);
    let other = nobody().await;
    Client::new(endpoint(&[a.address, other]), PATIENCE).workers().await.unwrap();
    assert_eq!(c.calls(), 1);
}

#[tokio::test]
async fn nobody_beyond_loopback_is_dialled_because_of_a_hint() {
    let [a, b, _] =
        three([Stand::Follows(Some("192.0.2.1:7070".to_owned())), Stand::Leads, Stand::Hangs]).await;
    client(&[&a, &b]).workers().await.unwrap();
    a.becomes(Stand::Follows(Some("no address at all".to_owned())));
    b.becomes(Stand::Follows(None));
    let found = client(&[&a, &b]).with_patience(Duration::from_millis(100)).workers().await;
    assert!(matches!(found, Err(CallError::Leaderless { .. })), "{found:?}");
}

#[tokio::test]
async fn a_change_of_leaders_is_followed() {
    let [a, b, c] = three([Stand::Leads, Stand::Follows(None), Stand::Follows(None)]).await;
    let client = client(&[&a, &b, &c]);
    client.workers().await.unwrap();
    for (old, new) in [(&a, &b), (&b, &c), (&c, &a)] {
        new.becomes(Stand::Leads);
        old.follows(new);
        let before = new.calls();
        client.workers().await.unwrap();
        assert_eq!(new.calls(), before + 1);
        // Only then may the hint lead back.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(2)).await;
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_leader_that_dies_is_left_for_the_next() {
    let [a, b, _] = three([Stand::Leads, Stand::Follows(None), Stand::Hangs]).await;
    let (client, dead) = (client(&[&a, &b]), a.address);
    client.workers().await.unwrap();
    a.running.stop.send(true).unwrap();
    a.running.task.await.unwrap();
    // It does not know yet.
    b.becomes(Stand::Follows(Some(dead.to_string())));
    let call = tokio::spawn(async move { client.workers().await });
    while b.calls() < 3 {
        tokio::task::yield_now().await;
    }
    b.becomes(Stand::Leads);
    call.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_dead_address_among_three_is_no_obstacle() {
    let [a, b, _] = three([Stand::Follows(None), Stand::Leads, Stand::Hangs]).await;
    let addresses = [nobody().await, a.address, b.address];
    Client::new(endpoint(&addresses), PATIENCE).workers().await.unwrap();
    assert_eq!([a.calls(), b.calls()], [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn one_that_accepts_and_stays_silent_is_left_soon() {
    let _clock = SteppedClock::start();
    let paused = listen(local()).await.unwrap();
    let leader = Member::start(Stand::Leads).await;
    let begun = Instant::now();
    let client = Client::new(endpoint(&[paused.local_addr().unwrap(), leader.address]), PATIENCE);
    client.workers().await.unwrap();
    let waited = begun.elapsed();
    assert!(waited >= GROUP_HANDSHAKE_TIMEOUT && waited < GROUP_HANDSHAKE_TIMEOUT * 2, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_stops_answering_is_left_after_a_bounded_wait() {
    let _clock = SteppedClock::start();
    let [a, b, _] = three([Stand::Leads, Stand::Follows(None), Stand::Hangs]).await;
    let client = client(&[&a, &b]);
    client.workers().await.unwrap();
    a.becomes(Stand::Hangs);
    b.becomes(Stand::Leads);
    let begun = Instant::now();
    client.workers().await.unwrap();
    let waited = begun.elapsed();
    assert!(waited >= GROUP_CALL_TIMEOUT && waited < GROUP_CALL_TIMEOUT * 2, "{waited:?}");
    assert_eq!(b.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_dead_a_call_ends_with_the_patience() {
    let _clock = SteppedClock::start();
    let addresses = [nobody().await, nobody().await, nobody().await];
    let begun = Instant::now();
    let error = Client::new(endpoint(&addresses), PATIENCE).workers().await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
    let waited = begun.elapsed();
    assert!(waited <= PATIENCE + CALLS && waited > PATIENCE / 2, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn when_all_are_silent_a_call_ends_with_the_patience_and_one_last_round() {
    let _clock = SteppedClock::start();
    let silent = [listen(local()).await.unwrap(), listen(local()).await.unwrap()];
    let addresses: Vec<_> = silent.iter().map(|tcp| tcp.local_addr().unwrap()).collect();
    let begun = Instant::now();
    let error = Client::new(endpoint(&addresses), PATIENCE).workers().await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
    assert!(begun.elapsed() < PATIENCE + GROUP_HANDSHAKE_TIMEOUT * 3, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_group_without_a_leader_is_not_asked_without_end() {
    let _clock = SteppedClock::start();
    let [a, b, c] = three([Stand::Follows(None), Stand::Follows(None), Stand::Follows(None)]).await;
    a.follows(&b);
    b.follows(&c);
    c.follows(&a);
    let begun = Instant::now();
    let error = client(&[&a, &b, &c]).workers().await.unwrap_err();
    assert!(error.to_string().contains("majority"), "{error}");
    assert!(begun.elapsed() <= PATIENCE + CALLS, "{:?}", begun.elapsed());
    let calls = a.calls() + b.calls() + c.calls();
    assert!((50..=120).contains(&calls), "{calls} calls in 10 s");
}

#[tokio::test]
async fn what_a_worker_says_of_itself_is_said_once() {
    let [a, b, _] = three([Stand::Follows(None), Stand::Leads, Stand::Hangs]).await;
    let link = WorkerLink::new(endpoint(&[a.address, b.address]), PATIENCE);
    let error = link.poll(poll()).await.unwrap_err();
    assert!(matches!(error, CallError::Leaderless { .. }) && error.may_pass(), "{error}");
    assert_eq!([a.calls(), b.calls()], [1, 0]);
    // But whom to turn to next is known, on the other connection too.
    link.heartbeat(heartbeat()).await.unwrap();
    assert_eq!([a.calls(), b.calls()], [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_heartbeat_ends_the_poll_that_waits_at_the_same_coordinator() {
    let _clock = SteppedClock::start();
    let [a, b, _] = three([Stand::Leads, Stand::Leads, Stand::Hangs]).await;
    let link = WorkerLink::new(endpoint(&[a.address, b.address]), PATIENCE);
    let polling = link.clone();
    let waiting = tokio::spawn(async move { polling.poll(poll()).await });
    link.heartbeat(heartbeat()).await.unwrap();
    while a.calls() < 2 {
        tokio::task::yield_now().await;
    }
    a.becomes(Stand::Hangs);
    let begun = Instant::now();
    assert!(matches!(link.heartbeat(heartbeat()).await, Err(CallError::Silent { .. })));
    assert!(waiting.await.unwrap().unwrap_err().may_pass());
    let waited = begun.elapsed();
    assert!(waited >= GROUP_HEARTBEAT_TIMEOUT && waited < GROUP_HEARTBEAT_TIMEOUT * 2, "{waited:?}");
    link.heartbeat(heartbeat()).await.unwrap();
    assert_eq!(b.calls(), 1);
}

#[tokio::test]
async fn a_heartbeat_that_finds_a_follower_does_not_end_a_poll_at_the_leader() {
    let [a, b, _] = three([Stand::Leads, Stand::Leads, Stand::Hangs]).await;
    let link = WorkerLink::new(endpoint(&[a.address, b.address]), PATIENCE);
    link.heartbeat(heartbeat()).await.unwrap();
    a.follows(&b);
    assert!(link.poll(poll()).await.is_err());
    let polling = link.clone();
    let waiting = tokio::spawn(async move { polling.poll(poll()).await });
    while b.calls() < 1 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(link.heartbeat(heartbeat()).await, Err(CallError::Leaderless { .. })));
    link.heartbeat(heartbeat()).await.unwrap();
    assert!(!waiting.is_finished());
}
