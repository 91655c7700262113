//! Every byte of every file is in one task, in order, and tasks are as large and as many as they should be.

use std::collections::BTreeMap;

use gristmill_model::{
    ClientId, InputFile, InputMode, JobOptions, JobSpec, PluginInfo, RequestId, RequestKey, Sha256,
};
use proptest::prelude::*;

use super::{Piece, Planner};

const MIB: u64 = 1 << 20;

fn spec(inputs: Vec<InputFile>, split_bytes: u64, input_mode: InputMode) -> JobSpec {
    JobSpec {
        key: RequestKey { client: ClientId(1), request: RequestId(1) },
        plugin: PluginInfo {
            sha256: Sha256([7; 32]),
            bytes: 1,
            name: "wc".into(),
            version: "1".into(),
            input_mode,
            map_only: false,
            combines: true,
            total_order: false,
        },
        params: BTreeMap::new(),
        inputs,
        output: "/out".into(),
        overwrite: false,
        reduces: 1,
        split_bytes,
        memory_bytes: 1,
        task_timeout_ms: 1,
        max_attempts: 1,
        priority: 0,
    }
}

fn file(bytes: u64) -> InputFile {
    InputFile { name: "name".into(), path: "/in/name".into(), bytes, modified_ns: 0, splittable: true }
}

/// The tasks, each with its pieces.
fn tasks(planner: Planner, spec: &JobSpec) -> Vec<Vec<Piece>> {
    let plan = planner.plan(spec);
    (0..).take(plan.tasks()).map(|task| plan.pieces(task).to_vec()).collect()
}

fn sizes(planner: Planner, spec: &JobSpec) -> Vec<u64> {
    tasks(planner, spec).iter().map(|pieces| super::sum(pieces)).collect()
}

fn in_mib(sizes: &[u64]) -> Vec<u64> {
    sizes.iter().map(|bytes| bytes / MIB).collect()
}

/// What every plan of this spec must be.
fn assert_sound(planner: Planner, spec: &JobSpec) {
    let tasks = tasks(planner, spec);
    assert_eq!(planner.count(spec, u64::MAX), tasks.len() as u64, "tasks are as many as were counted");
    let record = if let InputMode::Records(bytes) = spec.plugin.input_mode { bytes } else { 1 };
    let whole = spec.plugin.input_mode == InputMode::File;
    let mut pieces = tasks.iter().flatten();
    for (index, file) in (0u32..).zip(&spec.inputs) {
        let mut at = 0;
        while at < file.bytes || (at == 0 && whole && file.bytes == 0) {
            let piece = pieces.next().expect("a file is covered to its end");
            assert_eq!((piece.file, piece.offset), (index, at), "no gap, no overlap, in order");
            assert!(piece.offset.is_multiple_of(record), "records are whole");
            assert!(piece.bytes > 0 || file.bytes == 0);
            let alone = whole || !file.splittable;
            assert!(!alone || piece.bytes == file.bytes, "what may not be split is whole");
            // A boundary moves to the next record.
            let largest = spec.split_bytes.saturating_add(record - 1);
            assert!(alone || piece.bytes <= largest, "{} is above {largest}", piece.bytes);
            at += piece.bytes;
            if file.bytes == 0 {
                break;
            }
        }
    }
    assert_eq!(pieces.next(), None);
    for pieces in tasks.iter().filter(|pieces| pieces.len() > 1) {
        let wholes = pieces.iter().all(|piece| piece.bytes == spec.inputs[piece.file as usize].bytes);
        let joined = matches!(planner, Planner::JoinedTasks { .. });
        assert!(wholes || joined, "only whole files share a task, unless tasks are joined");
        assert!(pieces.len() <= 1024 && super::sum(pieces) <= spec.split_bytes);
    }
}

fn files() -> impl Strategy<Value = Vec<InputFile>> {
    let bytes = prop_oneof![3 => 0..5_000u64, 2 => 0..8 * MIB, 1 => 0..3_000 * MIB];
    let file = (bytes, 0..10u8).prop_map(|(bytes, luck)| InputFile { splittable: luck > 0, ..file(bytes) });
    prop_oneof![
        proptest::collection::vec(file.clone(), 0..12),
        proptest::collection::vec(file, 100..300),
        (0..300usize).prop_map(|count| vec![self::file(4_000); count]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_byte_is_in_one_task(
        files in files(),
        split_bytes in prop_oneof![Just(MIB), 1_000..2_000 * MIB],
        slots in 1..20u32,
        mode in prop_oneof![Just(InputMode::Text), Just(InputMode::File), (1..500u64).prop_map(InputMode::Records)],
    ) {
        let total: u64 = files.iter().map(|file| file.bytes).sum();
        let spec = spec(files, split_bytes.max(total / 2_000), mode);
        for planner in [
            Planner::EvenPieces,
            Planner::EvenTasks { slots },
            Planner::FallingTasks { slots },
            Planner::JoinedTasks { slots },
        ] {
            if planner == Planner::EvenPieces || planner.count(&spec, 10_000) <= 10_000 {
                assert_sound(planner, &spec);
            }
        }
    }

    #[test]
    fn the_last_tasks_are_small_beside_a_slots_share(mib in 100..20_000u64, slots in 1..40u32) {
        let spec = spec(vec![file(mib * MIB)], 1 << 30, InputMode::Text);
        for planner in [Planner::FallingTasks { slots }, Planner::JoinedTasks { slots }] {
            let sizes = sizes(planner, &spec);
            let share = mib * MIB / u64::from(slots);
            let last = *sizes.last().expect("a task");
            prop_assert!(last <= (share / 8).max(2 * MIB), "{last} of {share}");
            prop_assert!(sizes.is_sorted_by(|a, b| a + MIB >= *b), "{sizes:?} fall");
            prop_assert!(sizes.len() <= (6 * slots) as usize + (mib / 512) as usize, "{} tasks", sizes.len());
        }
    }
}

#[test]
fn sizes_fall_by_rounds() {
    let gib = spec(vec![file(1 << 30)], 1 << 30, InputMode::Text);
    assert_eq!(in_mib(&sizes(Planner::FallingTasks { slots: 2 }, &gib)), [448, 448, 56, 56, 8, 8]);
    let small = spec(vec![file(10_000_000)], MIB, InputMode::Text);
    assert_eq!(sizes(Planner::FallingTasks { slots: 2 }, &small).len(), 10);
    let small = spec(vec![file(10_000_000)], 4 * MIB, InputMode::Text);
    assert_eq!(sizes(Planner::FallingTasks { slots: 2 }, &small), [4_194_304, 4_194_304, 805_696, 805_696]);
    let tiny = spec(vec![file(1_000)], MIB, InputMode::Text);
    assert_eq!(sizes(Planner::FallingTasks { slots: 2 }, &tiny), [1_000]);
}

#[test]
fn joined_tasks_are_as_large_as_those_of_one_file() {
    let one = sizes(Planner::FallingTasks { slots: 2 }, &spec(vec![file(1 << 30)], 1 << 30, InputMode::Text));
    for files in [2, 3, 16, 100, 1024] {
        let many = spec(vec![file((1 << 30) / files); files as usize], 1 << 30, InputMode::Text);
        let sizes = sizes(Planner::JoinedTasks { slots: 2 }, &many);
        assert_eq!(sizes.len(), one.len(), "{files} files: {:?}", in_mib(&sizes));
        for (bytes, of_one) in sizes.iter().zip(&one) {
            let differ = bytes.abs_diff(*of_one);
            assert!(differ <= of_one / 8 + 8 * MIB, "{files} files: {:?}", in_mib(&sizes));
        }
    }
}

#[test]
fn joined_tasks_cut_no_crumbs_and_nothing_that_must_be_whole() {
    let mut inputs = vec![file(7_000_000); 100];
    inputs.iter_mut().step_by(3).for_each(|file| file.splittable = false);
    let spec = spec(inputs, 50 * MIB, InputMode::Text);
    let tasks = tasks(Planner::JoinedTasks { slots: 2 }, &spec);
    assert!((14..22).contains(&tasks.len()), "{}", tasks.len());
    for piece in tasks.iter().flatten() {
        let whole = piece.bytes == 7_000_000;
        assert!(
            whole || (spec.inputs[piece.file as usize].splittable && piece.bytes >= 900_000),
            "{piece:?}"
        );
    }
    let cut = tasks.iter().flatten().filter(|piece| piece.bytes < 7_000_000).count();
    assert!(cut > 0, "some are cut, or tasks would not be full");
}

#[test]
fn two_terabytes_on_two_hundred_slots_are_some_thousand_tasks() {
    let huge = spec(vec![file(2_000_000_000_000)], 1 << 30, InputMode::Text);
    let sizes = sizes(Planner::FallingTasks { slots: 200 }, &huge);
    assert!((2_000..3_500).contains(&sizes.len()), "{}", sizes.len());
    assert_eq!(sizes.iter().max(), Some(&(1 << 30)));
    assert!(sizes.last().unwrap() <= &(32 * MIB));
}

#[test]
fn a_few_files_are_a_task_each_and_many_share() {
    let books = spec(vec![file(400_000); 8], MIB, InputMode::File);
    for slots in [1, 2, 8] {
        assert_eq!(tasks(Planner::FallingTasks { slots }, &books).len(), 8);
    }
    for mode in [InputMode::Text, InputMode::File] {
        let many = spec(vec![file(4_000); 100_000], 256 * MIB, mode);
        let tasks = tasks(Planner::FallingTasks { slots: 2 }, &many);
        assert!((13..400).contains(&tasks.len()), "{} tasks", tasks.len());
    }
    // A small file may mean much work: as many tasks as files enough to keep all slots busy.
    let hundred = spec(vec![file(4_000); 100], 256 * MIB, InputMode::File);
    let shared = tasks(Planner::FallingTasks { slots: 2 }, &hundred).len();
    assert!((32..=50).contains(&shared), "{shared}");
}

#[test]
fn the_smaller_many_files_are_the_fewer_tasks_they_make() {
    for bytes in [1, 15, 500, 4_000] {
        let mut many = spec(vec![file(bytes); 100_000], 0, InputMode::Text);
        let options = JobOptions { memory_bytes: 512 * MIB, ..JobOptions::default() };
        let (planner, split_bytes) = super::choose_plan(&many.plugin, &options, &many.inputs, 2);
        many.split_bytes = split_bytes;
        let tasks = tasks(planner, &many).len();
        assert!((13..60).contains(&tasks), "{tasks} tasks for files of {bytes} bytes");
    }
}

#[test]
fn names_bound_a_task_too() {
    let long = InputFile { name: "n".repeat(4_000).as_str().into(), ..file(10) };
    let spec = spec(vec![long; 1_000], 256 * MIB, InputMode::Text);
    let plan = Planner::FallingTasks { slots: 1 }.plan(&spec);
    assert!(plan.names_bytes_max(&spec) <= 1 << 20);
    assert!(plan.tasks() >= 4, "{}", plan.tasks());
}

#[test]
fn sizes_beyond_measure_do_not_overflow() {
    let planners = [
        Planner::EvenTasks { slots: 3 },
        Planner::FallingTasks { slots: 3 },
        Planner::JoinedTasks { slots: 3 },
    ];
    for planner in planners {
        for mode in [InputMode::Text, InputMode::Records(u64::MAX), InputMode::Records(7)] {
            let whole = spec(vec![file(u64::MAX), file(5)], u64::MAX / 4, mode);
            let sum: u128 =
                tasks(planner, &whole).iter().flatten().map(|piece| u128::from(piece.bytes)).sum();
            assert_eq!(sum, u128::from(u64::MAX) + 5, "{planner:?} {mode:?}");
        }
        let endless = spec(vec![file(u64::MAX)], 1, InputMode::Text);
        assert_eq!(planner.count(&endless, 1_000), 1_001, "it does not count to the end");
    }
}
