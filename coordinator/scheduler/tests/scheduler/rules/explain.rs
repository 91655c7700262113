//! What is said of waiting jobs and tasks, and until when: a deadline only where there is one.

use gristmill_model::{Explanation, JobId, JobSpec, TaskId};

use crate::fixtures::{failed, spec};
use crate::world::{World, map, reduce};

/// The text, and in how many milliseconds the wait ends.
fn told(world: &World, task: Option<TaskId>) -> (String, Option<u64>) {
    let explained = world.leader.explain(&world.state, world.now, JobId(1), task).expect("the job");
    let Explanation { task: about, text, deadline } = explained.into_iter().next().expect("a line");
    assert_eq!(about, task);
    (text, deadline.map(|deadline| deadline.ms - world.now.ms))
}

#[test]
fn without_a_worker_there_is_no_deadline() {
    let world = World::with_job(2, 1, &[]);
    let worker = "a worker: none is registered, until one joins";
    let job = format!("0 of 2 map tasks are done, 0 attempts run; 2 tasks wait for {worker}");
    assert_eq!(told(&world, None), (job, None));
    assert_eq!(told(&world, Some(map(0, 0).task)), (format!("waits for {worker}"), None));
    let reduce = ("waits until 2 more maps are done".to_owned(), None);
    assert_eq!(told(&world, Some(TaskId::reduce(JobId(1), 0))), reduce);
}

#[test]
fn while_all_slots_are_taken_there_is_no_deadline() {
    let world = World::with_job(3, 1, &["a"]);
    let slot = "a free slot of 2 on 1 workers, until an attempt ends or a worker joins";
    let job = format!("0 of 3 map tasks are done, 2 attempts run; 1 tasks wait for {slot}");
    assert_eq!(told(&world, None), (job, None));
    assert_eq!(told(&world, Some(map(2, 0).task)), (format!("waits for {slot}"), None));
}

#[test]
fn what_runs_is_given_up_with_its_worker_or_without_progress() {
    let mut world = World::with_job(1, 0, &["a"]);
    world.wait(3_000);
    let text = "j1.m0.a0 runs on w1, which has not confirmed it for 3000 ms; \
                its last progress was 3000 ms ago, and it is taken away at 10000 ms; \
                w1 was heard of 3000 ms ago, and is lost at 5000 ms";
    assert_eq!(told(&world, Some(map(0, 0).task)), (text.to_owned(), Some(2_000)));
    world.wait_alive(5_500, &[1], &[]);
    let (text, deadline) = told(&world, Some(map(0, 0).task));
    assert!(text.ends_with("w1 was heard of 0 ms ago, and is lost at 5000 ms"), "{text}");
    assert_eq!(deadline, Some(1_500));
    assert_eq!(told(&world, None), ("0 of 1 map tasks are done, 1 attempts run".to_owned(), None));
    // What gets on has its time anew.
    world.wait_alive(1_000, &[1], &[map(0, 0)]);
    let (text, deadline) = told(&world, Some(map(0, 0).task));
    assert!(text.contains("its last progress was 0 ms ago"), "{text}");
    assert_eq!(deadline, Some(5_000));
    // The first of these heartbeats tells of other ticks once more.
    world.wait_alive(10_500, &[1], &[]);
    assert!(!told(&world, Some(map(0, 0).task)).0.contains(" runs on "), "it was taken away");
}

#[test]
fn a_worker_that_is_avoided_is_forgiven_at_a_time() {
    let mut world = World::new();
    world.join("a", 2);
    world.join("b", 1);
    world.submit(JobSpec { max_attempts: 100, ..spec(1, 3, 0) });
    for attempt in 0..3 {
        world.poll(1, 1);
        world.report(1, failed(map(0, attempt), "no space"));
        world.wait(1_000);
    }
    world.poll(1, 2);
    let both = [map(0, 3), map(1, 0)].map(|attempt| failed(attempt, "no space"));
    let both = world.poll_with(1, 0, both.into());
    world.happen(&[both]);
    world.poll(1, 2);
    world.poll(2, 1);
    world.wait_alive(20_000, &[1, 2], &[map(0, 4)]);
    // Four of the five failures are enough: it is forgiven when the second of them is forgotten, not the first.
    let text = "waits for a free slot of 3 on 2 workers, until an attempt ends or a worker joins; \
                w1 gets nothing for a while, since attempts keep failing there";
    assert_eq!(told(&world, Some(map(2, 0).task)), (text.to_owned(), Some(38_000)));
    let (job, deadline) = told(&world, None);
    assert!(job.ends_with("attempts keep failing there"), "{job}");
    assert_eq!(deadline, Some(38_000));
    world.wait_alive(37_500, &[1, 2], &[map(0, 4)]);
    assert!(told(&world, None).0.ends_with("attempts keep failing there"));
    world.wait_alive(500, &[1, 2], &[map(0, 4)]);
    assert!(!told(&world, None).0.contains("keep failing"));
}

#[test]
fn a_worker_that_does_not_ask_is_lost_at_the_end_of_its_lease() {
    let mut world = World::new();
    world.join("a", 2);
    world.join("b", 2);
    world.submit(spec(1, 2, 0));
    world.wait(1_500);
    let text = "waits for a free slot of 4 on 2 workers; \
                w1, like 1 others, has a free slot and does not ask for work; \
                w1 was heard of 1500 ms ago, and is lost at 5000 ms";
    assert_eq!(told(&world, Some(map(1, 0).task)), (text.to_owned(), Some(3_500)));
    world.wait(3_500);
    assert!(told(&world, None).0.ends_with("a worker: none is registered, until one joins"));
}

#[test]
fn what_is_over_waits_for_nothing() {
    let mut world = World::with_job(1, 1, &["a"]);
    world.finish_map(1, map(0, 0));
    let won = "waits for nothing: j1.m0.a0 on w1 has won".to_owned();
    assert_eq!(told(&world, Some(map(0, 0).task)), (won, None));
    world.cancel(1);
    let over = "waits for nothing: the job was cancelled".to_owned();
    assert_eq!(told(&world, Some(reduce(0, 0).task)), (over, None));
    assert_eq!(told(&world, None), ("the job was cancelled".to_owned(), None));
}
