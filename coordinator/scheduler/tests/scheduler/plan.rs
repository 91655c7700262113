//! Splits cover every file once, whatever the sizes.

use std::collections::BTreeMap;

use gristmill_model::{InputMode, JobId, JobSpec, Split, TaskId, Work};

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
