//! Leaders whose clocks differ by days: each goes by its own, and takes no other's word for how long something lasted.

use gristmill_model::Timestamp;
use gristmill_scheduler::{Leader, Settings};

use crate::fixtures::spec;
use crate::world::{World, map, settings};

const HOUR_MS: u64 = 3_600_000;
const START_MS: u64 = 100 * 24 * HOUR_MS;

/// A world at a time from which clocks can be wrong either way.
fn world(settings: Settings, machines: &[&str]) -> World {
    let mut world = World::new();
    world.now = Timestamp::from_ms(START_MS);
    world.leader = Leader::new(&world.state, world.now, settings);
    machines.iter().for_each(|machine| world.join(machine, 1));
    world.submit(spec(1, 1, 1));
    (1..=machines.len() as u64).for_each(|worker| world.poll(worker, 1));
    world.told();
    world
}

/// Another leads, by whose clock it is now so late.
fn succeed(world: &mut World, now_ms: u64, settings: Settings) {
    world.now = Timestamp::from_ms(now_ms);
    world.leader = Leader::new(&world.state, world.now, settings);
}

/// The clock is wrong by so much, forward or back.
const WRONG: [u64; 2] = [START_MS + 30 * 24 * HOUR_MS, START_MS - 30 * 24 * HOUR_MS];

#[test]
fn leases_and_time_outs_last_as_long_under_a_leader_with_a_wrong_clock() {
    for now_ms in WRONG {
        let mut world = world(settings(), &["a", "b"]);
        succeed(&mut world, now_ms, settings());
        world.wait_alive(4_500, &[2], &[]);
        assert_eq!(world.told(), [""; 0], "the lease has begun afresh");
        world.wait_alive(1_000, &[2], &[]);
        world.poll(2, 1);
        assert_eq!(world.told(), ["w1 lost: Silent", "j1.m0.a1 to w2"]);
    }
}

#[test]
fn attempts_of_an_earlier_leader_are_not_taken_for_slow_ones() {
    for now_ms in WRONG {
        let mut world = world(settings(), &["a", "b"]);
        succeed(&mut world, now_ms, settings());
        world.poll(2, 1);
        world.wait_alive(1_000, &[1, 2], &[map(0, 0)]);
        assert_eq!(
            world.told(),
            [""; 0],
            "a second attempt of what is as old as the difference of the clocks"
        );
        let mut same = self::world(settings(), &["a", "b"]);
        let now_ms = same.now.ms;
        succeed(&mut same, now_ms, settings());
        same.poll(2, 1);
        for world in [&mut world, &mut same] {
            world.wait_alive(600_000, &[1, 2], &[map(0, 0)]);
        }
        assert_eq!(world.told(), same.told(), "nor are they never taken for slow ones");
    }
}

#[test]
fn sessions_last_as_long_under_a_leader_with_a_wrong_clock() {
    for now_ms in WRONG {
        let short = Settings { session_ms: 10_000, ..settings() };
        let mut world = world(short.clone(), &[]);
        succeed(&mut world, now_ms, short);
        world.wait(9_999);
        assert_eq!(world.told(), [""; 0]);
        world.wait(1);
        assert_eq!(world.told().len(), 1, "the session of the client that is silent");
    }
}

#[test]
fn history_is_neither_dropped_nor_kept_for_ever_by_one_wrong_clock() {
    let week_ms = 7 * 24 * HOUR_MS;
    let patient = || Settings { session_ms: u64::MAX, ..settings() };
    for now_ms in WRONG {
        let mut world = world(patient(), &[]);
        world.cancel(1);
        world.told();
        // One that is wrong is right about nothing that was before it, and soon gone.
        succeed(&mut world, now_ms, patient());
        world.submit(spec(2, 1, 1));
        world.cancel(2);
        world.wait(HOUR_MS);
        assert!(!world.told().iter().any(|told| told.ends_with("forgotten")), "by a clock that is wrong");
        succeed(&mut world, START_MS + 2 * HOUR_MS, patient());
        world.happen(&[]);
        assert_eq!(world.told(), [""; 0], "after a clock that was wrong");
        world.wait(week_ms);
        assert_eq!(world.told(), ["j1 forgotten", "j2 forgotten"]);
    }
}
