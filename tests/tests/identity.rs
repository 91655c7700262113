//! Whatever the slots, reduces, splits and memory: byte for byte what `--sequential` gives.
#![expect(clippy::unwrap_used, reason = "what helps a test is as strict as the test")]

use std::path::PathBuf;

use gristmill_tests::{Compression, Job, Place, Random, books, scripts};

/// Slots, split size, memory of a slot.
const SHAPES: [(u32, &str, &str); 5] = [
    (1, "1MiB", "512MiB"),
    (2, "100k", "512MiB"),
    (3, "7001", "1MiB"),
    (2, "1MiB", "1MiB"),
    (8, "3k", "2MiB"),
];

/// Runs the job in every shape, with so many reduces each, and compares with one run of the oracle.
fn in_all_shapes(job: &Job<'_>, reduces: &[Option<u32>]) {
    for &reduces in reduces {
        let job = match reduces {
            Some(reduces) => job.clone().reduces(reduces),
            None => job.clone(),
        };
        let expected = job.sequential().done().output();
        assert!(!expected.bytes().is_empty());
        for (slots, split_size, memory) in SHAPES {
            let run = job.clone().slots(slots).split_size(split_size).memory(memory).run().done();
            let output = run.output();
            // Without reduces there is a file for each map, and how many there are depends on the shape.
            let same = match reduces {
                Some(_) => output.parts() == expected.parts(),
                None => output.bytes() == expected.bytes(),
            };
            assert!(
                same,
                "{slots} slots, {reduces:?} reduces, splits of {split_size}, memory {memory}: {output:?} instead of {expected:?}"
            );
        }
    }
}

/// A hundred kilobytes of each of two books, and all scripts: enough for many splits, little enough for debug builds.
fn texts(place: &Place) -> Vec<PathBuf> {
    let head = |book: &PathBuf| {
        let text = std::fs::read(book).unwrap();
        let end = text[..100_000].iter().rposition(|&b| b == b'\n').unwrap() + 1;
        place.input(book.file_name().unwrap().as_encoded_bytes(), &text[..end])
    };
    let mut texts: Vec<_> = books().iter().take(2).map(head).collect();
    texts.extend(scripts());
    texts
}

#[test]
fn wc_is_the_same_in_every_shape() {
    let place = Place::new();
    in_all_shapes(&place.job("wc").inputs(texts(&place)), &[Some(1), Some(3), Some(10)]);
}

#[test]
fn indexer_is_the_same_in_every_shape() {
    let place = Place::new();
    in_all_shapes(&place.job("indexer").inputs(texts(&place)), &[Some(1), Some(4)]);
}

#[test]
fn grep_is_the_same_in_every_shape() {
    let place = Place::new();
    in_all_shapes(&place.job("grep").inputs(texts(&place)).arg("pattern", "[Tt]he|и|人"), &[None]);
}

#[test]
fn sort_is_the_same_in_every_shape() {
    let place = Place::new();
    in_all_shapes(&place.job("sort").inputs(texts(&place)), &[Some(1), Some(5)]);
}

#[test]
fn topk_is_the_same_in_every_shape() {
    let place = Place::new();
    in_all_shapes(&place.job("topk").inputs(texts(&place)), &[Some(1), Some(3)]);
}

#[test]
fn join_is_the_same_in_every_shape() {
    let place = Place::new();
    let table = |seed: u64, column: &str| {
        let mut random = Random::new(seed);
        let line = |_| format!("key{},{column}{}\n", random.below(300), random.below(1000));
        (0..3000).map(line).collect::<String>()
    };
    let inputs = [place.input("left.csv", table(1, "l")), place.input("right.csv", table(2, "r"))];
    in_all_shapes(&place.job("join").inputs(inputs), &[Some(1), Some(4)]);
}

#[test]
fn values_of_a_key_come_in_the_order_in_which_they_were_emitted() {
    let place = Place::new();
    // This reduce writes every value of its key, in the order in which they come.
    in_all_shapes(
        &place.job("misbehave").inputs(texts(&place)).arg("do", "echo").arg("at", "reduce"),
        &[Some(3)],
    );
}

#[test]
fn all_books_are_counted_the_same() {
    let place = Place::new();
    let output = place.job("wc").inputs(books()).slots(2).reduces(4).run_like_sequential();
    let counted: u64 = String::from_utf8(output.bytes())
        .unwrap()
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum();
    let words =
        |text: String| text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).count();
    let expected: usize = books().iter().map(|book| words(std::fs::read_to_string(book).unwrap())).sum();
    assert_eq!(counted, u64::try_from(expected).unwrap());
}

#[test]
fn compressed_and_plain_inputs_mix() {
    let place = Place::new();
    let mut inputs = texts(&place);
    for (seed, compression) in (1..).zip(Compression::ALL) {
        let packed = compression.compress(&Random::new(seed).text(90_000));
        inputs.push(place.input(format!("packed-{seed}.{}", compression.suffix()), packed));
    }
    for app in ["wc", "indexer", "sort"] {
        in_all_shapes(&place.job(app).inputs(&inputs), &[Some(2)]);
    }
}

#[test]
fn splits_of_every_small_size_cover_each_line_once() {
    let place = Place::new();
    let text = b"a\n\nbb b\n\n\nccc\r\nd d d\n\xff\xfe\nlast without end";
    let job = place.job("sort").reduces(1).slots(2).input(place.input("small.txt", text));
    let expected = job.sequential().done().output();
    for size in 1..=text.len() + 1 {
        let output = job.clone().split_size(&size.to_string()).run().done().output();
        assert!(output.parts() == expected.parts(), "splits of {size} bytes: {output:?}");
    }
}

#[test]
fn hundreds_of_tiny_files_are_all_read() {
    let place = Place::new();
    for number in 0..400 {
        place.input(format!("tiny/{number:03}.txt"), format!("tiny number{number}\n"));
    }
    let job = place.job("indexer").slots(3).reduces(2).input(place.folder("in").join("tiny"));
    let output = job.run_like_sequential();
    assert!(output.sorted_lines().iter().any(|line| line.starts_with(b"tiny 400 ")));
}

#[test]
fn same_job_twice_at_once_gives_the_same_twice() {
    let place = Place::new();
    let job = place.job("wc").inputs(texts(&place)).slots(2).reduces(3).split_size("20k");
    let expected = job.sequential().done().output();
    let running = [0; 4].map(|_| job.start());
    for process in running {
        assert!(process.wait().done().output().parts() == expected.parts());
    }
}

#[test]
fn several_jobs_at_once_share_a_cluster() {
    let place = Place::new();
    let cluster = place.cluster();
    let workers = cluster.workers(2, 2);
    let inputs = texts(&place);
    let job = |app: &str| place.job(app).inputs(&inputs).reduces(3).split_size("20k");
    let jobs = ["wc", "indexer", "sort", "wc"].map(|app| (job(app), job(app).start_submit(&cluster)));
    for (job, submitted) in jobs {
        let expected = job.sequential().done().output();
        assert!(submitted.wait().done().output().parts() == expected.parts());
    }
    cluster.end(workers);
}
