//! Splits cover every file once, whatever the sizes.

use std::collections::BTreeMap;

use gristmill_model::{InputMode, JobId, JobSpec, Split, TaskId, Work};
use gristmill_scheduler::{Input, Planner};

use crate::fixtures::{file, spec};
use crate::world::World;

/// The splits that workers are given, in task order.
fn splits(change: impl FnOnce(&mut JobSpec)) -> Vec<Split> {
    let mut spec = spec(1, 0, 1);
    change(&mut spec);
    let mut world = World::new();
    world.join("a", 4_096);
    world.submit(spec);
    world.poll(1, 4_096);
    let maps = world.status().map.total;
    let split = |index| match world
        .state
        .assignment(TaskId::map(JobId(1), index).attempt(0))
        .expect("it runs")
        .work
    {
        Work::Map(mut work) => work.splits.pop().expect("a map has a split"),
        Work::Reduce(_) | Work::Sample(_) => panic!("a map is to map"),
    };
    (0..maps).map(split).collect()
}

fn ranges(splits: &[Split]) -> Vec<(u64, u64)> {
    splits.iter().map(|split| (split.offset, split.bytes)).collect()
}

#[test]
fn pieces_are_of_nearly_equal_size_and_never_above_the_split_size() {
    let cut = splits(|spec| (spec.inputs, spec.split_bytes) = (vec![file("a", 1_001)], 500));
    assert_eq!(ranges(&cut), [(0, 333), (333, 334), (667, 334)]);
}

#[test]
fn every_byte_is_in_one_split_at_any_size() {
    for (bytes, split_bytes, record) in
        (1..40).flat_map(|bytes| (1..12).flat_map(move |split| (1..6).map(move |n| (bytes, split, n))))
    {
        let cut = splits(|spec| {
            spec.inputs = vec![file("a", bytes), file("b", bytes / 2)];
            spec.split_bytes = split_bytes;
            spec.plugin.input_mode = InputMode::Records(record);
        });
        let mut next: BTreeMap<_, u64> = BTreeMap::new();
        for split in &cut {
            let at = next.entry(split.path.clone()).or_default();
            assert_eq!(split.offset, *at, "no gap and no overlap in {cut:?}");
            assert!(split.bytes > 0 && split.offset % record == 0, "records are whole in {cut:?}");
            *at += split.bytes;
        }
        let ends: u64 = next.values().sum();
        assert_eq!(ends, bytes + bytes / 2, "all is covered by {cut:?}");
    }
}

#[test]
fn what_may_not_be_split_is_whole() {
    let files = |spec: &mut JobSpec| spec.inputs = vec![file("a", 1_000), file("b", 900)];
    let whole = splits(|spec| {
        files(spec);
        spec.plugin.input_mode = InputMode::File;
    });
    assert_eq!(ranges(&whole), [(0, 1_000), (0, 900)]);
    let compressed = splits(|spec| {
        files(spec);
        spec.inputs.iter_mut().for_each(|file| file.splittable = false);
    });
    assert_eq!(ranges(&compressed), [(0, 1_000), (0, 900)]);
}

#[test]
fn an_empty_file_is_a_task_only_for_apps_that_want_files() {
    assert_eq!(splits(|spec| spec.inputs = vec![file("a", 0)]), []);
    let whole = splits(|spec| (spec.inputs, spec.plugin.input_mode) = (vec![file("a", 0)], InputMode::File));
    assert_eq!(ranges(&whole), [(0, 0)]);
}

#[test]
fn huge_files_do_not_overflow() {
    let cut = splits(|spec| (spec.inputs, spec.split_bytes) = (vec![file("a", u64::MAX)], u64::MAX / 4));
    assert_eq!(cut.iter().map(|split| u128::from(split.bytes)).sum::<u128>(), u128::from(u64::MAX));
}

#[test]
fn files_that_share_a_task_keep_their_names_and_order() {
    let mut world = World::new();
    world.join("a", 1);
    let mut many = spec(1, 0, 1);
    (many.inputs, many.split_bytes) =
        ((0..40).map(|n| file(&format!("{n:02}"), 1_000 + n)).collect(), 1 << 20);
    world.happen(&[Input::Submit(many.into(), Planner::FallingTasks { slots: 1 })]);
    world.poll(1, 1);
    let assignment = world.state.assignment(TaskId::map(JobId(1), 0).attempt(0)).expect("it runs");
    let Work::Map(work) = assignment.work else { panic!("a map is to map") };
    assert_eq!((work.splits.len(), world.status().map.total), (15, 3));
    for (n, split) in (0..).zip(&work.splits) {
        assert_eq!(
            (split.document.to_string(), split.path.to_string()),
            (format!("{n:02}"), format!("/in/{n:02}"))
        );
        assert_eq!((split.offset, split.bytes, split.file_bytes), (0, 1_000 + n, 1_000 + n));
    }
    assert_eq!(world.status().map.bytes_total, 40 * 1_000 + 780);
    assert!(world.state.splits_bytes_max(JobId(1)) >= 16 * 8);
}
