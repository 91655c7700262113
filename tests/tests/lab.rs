//! The seven scenarios of the classic lab, each by one process and by several, several at once, and as often as `GRISTMILL_REPEAT` says.

use gristmill_tests::{House, Job, Output, Place, Worker, free_address, lab_books, repeat, until};

const HOUSES: [House; 6] =
    [House::Run(1), House::Run(2), House::Run(3), House::Run(8), House::Cluster(3, 1), House::Cluster(2, 4)];

/// Runs a job in every house and wants the output of `expected`, run sequentially.
fn same_everywhere(place: &Place, job: &Job<'_>, expected: &Job<'_>) {
    let expected = expected.sequential().done().output();
    repeat(|round| {
        for house in HOUSES {
            let output = house.run(place, job).done().output();
            assert!(output.parts() == expected.parts(), "round {round}, {house:?}: {output:?}");
        }
    });
}

#[test]
fn wc_counts_like_sequential() {
    let place = Place::new();
    let job = place.job("wc").reduces(10).inputs(lab_books());
    same_everywhere(&place, &job, &job);
}

#[test]
fn indexer_lists_like_sequential() {
    let place = Place::new();
    let job = place.job("indexer").reduces(10).inputs(lab_books());
    same_everywhere(&place, &job, &job);
}

#[test]
fn output_is_final_when_the_coordinator_ends() {
    repeat(|_| {
        let place = Place::new();
        let job = place.job("wc").reduces(10).inputs(lab_books());
        let address = free_address();
        let coordinator = job.start_listening(&address);
        let workers = [1, 2, 3].map(|_| Worker::start(&place, &address, 1));
        let output = coordinator.wait().done().output();
        assert!(output.parts() == job.sequential().done().output().parts());
        workers.into_iter().for_each(|worker| drop(worker.process.wait().done()));
    });
}

#[test]
fn maps_run_in_parallel() {
    repeat(|_| {
        for house in [House::Run(2), House::Run(3), House::Run(8), House::Cluster(2, 1)] {
            let place = Place::new();
            let job =
                place.job("mtiming").reduces(2).arg("dir", place.new_folder().display()).inputs(lab_books());
            let output = house.run(&place, &job.arg("wait-ms", 100_000)).done().output();
            let lines = String::from_utf8(output.bytes()).unwrap();
            let processes = lines.lines().filter(|line| line.starts_with("times-")).count();
            assert!((2..=house.slots()).contains(&processes), "{house:?}: {lines}");
            let mut seen = lines.lines().filter_map(|line| line.strip_prefix("parallel-")?.split_once(' '));
            assert!(seen.any(|(_, seen)| seen.split(' ').any(|n| n != "1")), "{house:?}: {lines}");
        }
    });
}

#[test]
fn one_slot_runs_one_map_at_a_time() {
    let place = Place::new();
    let job = place.job("mtiming").reduces(1).arg("dir", place.new_folder().display()).inputs(lab_books());
    let output = House::Run(1).run(&place, &job.arg("wait-ms", 50)).done().output();
    let lines = String::from_utf8(output.bytes()).unwrap();
    let seen: Vec<_> =
        lines.lines().filter_map(|line| line.strip_prefix("parallel-")?.split_once(' ')).collect();
    assert!(seen.len() == 1 && seen[0].1 == "1 1 1 1 1 1 1 1", "{lines}");
}

#[test]
fn reduces_run_in_parallel() {
    repeat(|_| {
        for house in [House::Run(2), House::Run(3), House::Run(8), House::Cluster(2, 1)] {
            let place = Place::new();
            let job =
                place.job("rtiming").reduces(10).arg("dir", place.new_folder().display()).inputs(lab_books());
            let output = house.run(&place, &job.arg("wait-ms", 100_000)).done().output();
            let lines = String::from_utf8(output.bytes()).unwrap();
            assert_eq!(lines.lines().count(), 10, "{lines}");
            let in_company = lines.lines().filter(|line| !line.ends_with(" 1")).count();
            assert!(in_company >= 2, "{house:?}: {lines}");
        }
    });
}

#[test]
fn maps_are_called_once_for_each_split() {
    repeat(|_| {
        for house in [House::Run(1), House::Run(3), House::Run(8), House::Cluster(4, 1)] {
            let place = Place::new();
            let job =
                place.job("jobcount").reduces(3).arg("dir", place.new_folder().display()).inputs(lab_books());
            let ended = house.run(&place, &job.arg("ms", 400).option("--json")).done();
            let called = String::from_utf8(ended.output().bytes()).unwrap();
            let called: u64 = called.trim().strip_prefix("a ").unwrap().parse().unwrap();
            // On a busy machine one may be slow enough to be given to another slot as well.
            let backups = ended.json()["attempts"]["backups"].as_u64().unwrap();
            assert!((8..=8 + backups).contains(&called), "{house:?}: {called} calls, {backups} backups");
        }
    });
}

#[test]
fn nobody_leaves_before_the_output_is_final() {
    repeat(|_| {
        let place = Place::new();
        let job =
            place.job("early_exit").reduces(8).arg("slow", "tom,alice").arg("ms", 1000).inputs(lab_books());
        let address = free_address();
        let output = place.new_output();
        let mut processes = vec![job.clone().output(&output).start_listening(&address)];
        processes.extend([1, 2, 3].map(|_| Worker::start(&place, &address, 1).process));
        until("anybody to leave", || {
            (!processes.iter_mut().all(|process| process.is_running())).then_some(())
        });
        let at_first_exit = Output::snapshot(&output);
        processes.into_iter().for_each(|process| drop(process.wait().done()));
        assert!(at_first_exit == Output::committed(&output), "{at_first_exit:?} was not final");
        assert!(at_first_exit.parts() == job.sequential().done().output().parts());
    });
}

#[test]
fn job_survives_an_app_that_crashes() {
    let place = Place::new();
    let expected = place.job("nocrash").reduces(4).inputs(lab_books());
    let job = place.job("crash").reduces(4).inputs(lab_books()).max_attempts(1000).arg("delay-ms-max", 300);
    same_everywhere(&place, &job, &expected);
}

#[test]
fn scenarios_may_run_at_once() {
    let place = Place::new();
    let job = |app: &str| place.job(app).slots(2).reduces(3).inputs(lab_books());
    let crash = job("crash").max_attempts(1000).arg("delay-ms-max", 100);
    let jobs = [
        (job("wc"), job("wc")),
        (job("indexer"), job("indexer")),
        (crash.clone(), job("nocrash")),
        (crash, job("nocrash")),
    ];
    let running = jobs.map(|(job, expected)| (job.start(), expected));
    for (running, expected) in running {
        assert!(running.wait().done().output().parts() == expected.sequential().done().output().parts());
    }
}
