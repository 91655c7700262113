//! Inputs that are missing, odd or damaged: a clear error, or the right answer.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use gristmill_sdk::{SIMD_LEVELS, SIMD_VARIABLE};
use gristmill_tests::{Compression, Place, Random, permit, unprivileged_job};

#[test]
fn missing_input_is_refused_by_name() {
    let place = Place::new();
    let good = place.input("good.txt", "good\n");
    let missing = place.folder("in").join("missing.txt");
    let ended =
        place.job("wc").input(good).input(missing).run().refused().says(&["missing.txt", "does not exist"]);
    drop(ended);
}

#[test]
fn dangling_link_is_refused_by_name() {
    let place = Place::new();
    let link = place.folder("in").join("dangling.txt");
    symlink(place.folder("in").join("nowhere"), &link).unwrap();
    place.job("wc").input(link).run().refused().says(&["dangling.txt", "does not exist"]);
}

#[test]
fn unreadable_input_is_an_error_that_names_it() {
    let place = Place::new();
    let Some(job) = unprivileged_job(&place, "wc") else { return };
    let secret = place.input("secret.txt", "secret\n");
    permit(&secret, 0o000);
    job.input(secret).run().refused().says(&["secret.txt", "permission denied"]);
}

#[test]
fn input_that_is_no_file_is_refused_and_not_waited_for() {
    let place = Place::new();
    let pipe = place.folder("in").join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    place.job("wc").input(pipe).run().refused().says(&["pipe"]);
    place.job("wc").input("/dev/null").run().refused().says(&["/dev/null"]);
}

#[test]
fn directory_without_files_is_refused() {
    let place = Place::new();
    let empty = place.folder("in").join("empty");
    fs::create_dir_all(empty.join("deeper/.hidden")).unwrap();
    fs::write(empty.join("deeper/.hidden/file"), "unseen\n").unwrap();
    place.job("wc").input(empty).run().refused().says(&["empty"]);
}

#[test]
fn no_inputs_are_refused_with_the_usage() {
    let place = Place::new();
    place.job("wc").run().refused().says(&["input", "usage"]);
}

#[test]
fn pattern_that_matches_nothing_is_refused() {
    let place = Place::new();
    place.input("a.txt", "a\n");
    place.job("wc").input(place.folder("in").join("*.csv")).run().refused().says(&["*.csv"]);
}

#[test]
fn patterns_and_directories_find_the_files_below_them() {
    let place = Place::new();
    for name in
        ["d/a.txt", "d/e/b.txt", "d/e/f/c.txt", "d/.hidden", "d/_logs/x", "p/1.txt", "p/2.txt", "p/3.dat"]
    {
        place.input(name, "word\n");
    }
    let job = place.job("wc").reduces(1);
    let folder = place.folder("in");
    assert_eq!(job.clone().input(folder.join("d")).run_like_sequential().bytes(), b"word 3\n");
    assert_eq!(job.clone().input(folder.join("p/*.txt")).run_like_sequential().bytes(), b"word 2\n");
    assert_eq!(
        job.input(folder.join("d")).input(folder.join("p/*")).run_like_sequential().bytes(),
        b"word 6\n"
    );
}

#[test]
fn empty_files_are_counted_as_nothing() {
    let place = Place::new();
    let empty = place.input("empty.txt", "");
    let full = place.input("full.txt", "one two\n");
    let mixed = place.job("wc").reduces(2).input(&empty).input(full).run_like_sequential();
    assert_eq!(mixed.sorted_lines(), [b"one 1\n", b"two 1\n"]);
    let nothing = place.job("wc").reduces(2).input(&empty).run_like_sequential();
    assert_eq!((nothing.parts().len(), nothing.bytes()), (2, Vec::new()));
    place.job("grep").arg("pattern", ".*").input(empty).maps_like_sequential();
}

#[test]
fn file_without_final_newline_is_read_to_its_last_byte() {
    let place = Place::new();
    let job = place.job("wc").reduces(1).input(place.input("a", "one\ntwo")).input(place.input("b", "three"));
    for size in ["1", "3", "4", "1k"] {
        assert_eq!(job.clone().split_size(size).run_like_sequential().bytes(), b"one 1\nthree 1\ntwo 1\n");
    }
    let sorted = place.job("sort").reduces(1).input(place.input("c", "b\na")).run_like_sequential();
    assert_eq!(sorted.bytes(), b"a\nb\n");
}

#[test]
fn many_small_files_share_map_tasks_and_keep_their_names() {
    let place = Place::new();
    let file = |n: u32| place.input(format!("{n:03}.txt"), format!("every word{} {}\n", n % 7, n));
    let files: Vec<_> = (0..400).map(file).collect();
    let job = place.job("indexer").slots(2).reduces(3).inputs(files);
    let output = job.run_like_sequential();
    let attempts = output.manifest()["attempts"]["won"].as_u64().unwrap();
    assert!((4..=3 + 40).contains(&attempts), "{attempts} attempts for 400 files");
}

#[test]
fn one_line_of_200_megabytes_is_one_record() {
    let place = Place::new();
    let mut line = b"Lorem ipsum, dolor ".repeat(200_000_000 / 19);
    line.extend_from_slice(b"end");
    let words = 200_000_000 / 19;
    let input = place.input("long.txt", line);
    let counted = place.job("wc").slots(2).reduces(1).split_size("16MiB").input(&input).run().done().output();
    assert_eq!(
        String::from_utf8(counted.bytes()).unwrap(),
        format!("Lorem {words}\ndolor {words}\nend 1\nipsum {words}\n")
    );
}

#[test]
fn line_beyond_the_memory_is_an_error_with_file_and_offset() {
    let place = Place::new();
    let text = format!("a short line\n{}\nand another\n", "long ".repeat(1 << 20));
    let input = place.input("long.txt", text);
    for app in ["wc", "sort"] {
        let job = place.job(app).slots(1).memory("8MiB").max_attempts(1).input(&input);
        let ended = job.run().failed();
        assert!(ended.output_is_untouched());
        ended.says(&["long.txt", "the line that begins at byte 13", "longer than 2097152 bytes", "--memory"]);
        job.sequential().failed().says(&["long.txt", "the line that begins at byte 13"]);
        job.memory("32MiB").run_like_sequential();
    }
}

#[test]
fn pair_beyond_the_memory_is_an_error_with_its_size() {
    let place = Place::new();
    for (line, bytes) in [("1 10 2 20000000", 20_000_000), ("2 20000000 1 10", 20_000_000)] {
        let job = place.job("bulk").slots(1).reduces(1).max_attempts(1).input(place.input("bulk", line));
        let ended = job.clone().memory("16MiB").run().failed();
        assert!(ended.output_is_untouched());
        ended.says(&[&format!("takes {}", bytes + 15), "16777216 bytes of memory", "--memory"]);
        job.memory("64MiB").run_like_sequential();
    }
}

#[test]
fn names_of_any_bytes_are_inputs() {
    let place = Place::new();
    let names: [&[u8]; 9] = [
        b"with space.txt",
        b"new\nline.txt",
        b"not \xff\xfe utf-8.txt",
        b"-r",
        b"star*[a]?.txt",
        b"quo'te\"s.txt",
        b"tab\tbell\x07.txt",
        "\u{1f980} \u{646}\u{635}.txt".as_bytes(),
        b"mr-out-00000",
    ];
    let inputs = names.map(|name| place.input(name, "same words in each\n"));
    let job = place.job("wc").slots(2).reduces(1).inputs(&inputs);
    assert_eq!(job.run_like_sequential().bytes(), b"each 9\nin 9\nsame 9\nwords 9\n");
    place.job("indexer").slots(2).reduces(2).inputs(&inputs).run_like_sequential();
    place.job("grep").slots(2).arg("pattern", "words").inputs(&inputs).maps_like_sequential();
    let odd = place.input(b"odd \xff\n.gz", "not gzip");
    place.job("wc").input(odd).run().failed().says(&["odd \\xff\\n.gz"]);
}

#[test]
fn compressed_inputs_give_what_plain_ones_give() {
    let place = Place::new();
    let text = Random::new(7).text(300_000);
    let plain = place.job("wc").reduces(2).input(place.input("plain.txt", &text)).run_like_sequential();
    for compression in Compression::ALL {
        let (head, tail) = text.split_at(100_001);
        // Tools that compress in parallel, and `cat a.gz b.gz`, make files of several members.
        let members = [compression.compress(head), compression.compress(tail)].concat();
        let packed = place.input(format!("packed.{}", compression.suffix()), members);
        let job = place.job("wc").slots(2).reduces(2).split_size("4k").input(packed);
        assert!(job.run_like_sequential().parts() == plain.parts(), "{compression:?}");
    }
}

#[test]
fn whatever_instructions_are_used_the_output_is_the_same() {
    let place = Place::new();
    let mut text = Random::new(4).text(300_000);
    text.extend("zwölf Boxkämpfer — ЖЁЛТЫЙ, 東京 x\u{301}y \u{1F600}\n".repeat(200).into_bytes());
    text.extend((0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8));
    let text = place.input("text", text);
    for app in ["wc", "indexer", "sort", "grep"] {
        let job = place.job(app).slots(2).split_size("100k").input(&text);
        let job = if app == "grep" { job.arg("pattern", "ö|x") } else { job.reduces(2) };
        let expected = job.run().done().output();
        for level in SIMD_LEVELS {
            let job = job.clone().env(SIMD_VARIABLE, level);
            assert_eq!(job.run().done().output().parts(), expected.parts(), "{app} by {level}");
            assert_eq!(job.sequential().done().output().bytes(), expected.bytes(), "{app} by {level}");
        }
    }
}

#[test]
fn truncated_compressed_input_is_an_error_with_file_and_offset() {
    let place = Place::new();
    let text = Random::new(8).text(200_000);
    for compression in Compression::ALL {
        let whole = compression.compress(&text);
        for keep in [5, whole.len() / 2, whole.len() - 1] {
            let name = format!("cut-{keep}.{}", compression.suffix());
            let input = place.input(&name, &whole[..keep]);
            let ended = place.job("wc").slots(1).input(&input).run().failed().says(&[&name, "byte"]);
            assert!(ended.output_is_untouched());
            place.job("wc").input(&input).sequential().failed().says(&[&name, "byte"]);
        }
    }
}

#[test]
fn corrupt_compressed_input_is_an_error_with_file_and_offset() {
    let place = Place::new();
    let text = Random::new(9).text(200_000);
    for compression in Compression::ALL {
        let mut spoiled = compression.compress(&text);
        let middle = spoiled.len() / 2;
        for byte in &mut spoiled[middle..middle + 8] {
            *byte ^= 0x55;
        }
        let name = format!("spoiled.{}", compression.suffix());
        let input = place.input(&name, spoiled);
        let ended = place.job("wc").slots(1).input(input).run().failed().says(&[&name, "byte"]);
        assert!(ended.output_is_untouched());
    }
}

#[test]
fn file_that_is_not_what_its_name_says_is_an_error() {
    let place = Place::new();
    for compression in Compression::ALL {
        let name = format!("plain.{}", compression.suffix());
        let input = place.input(&name, "plain text\n");
        place.job("wc").slots(1).input(input).run().failed().says(&[&name]);
    }
}

#[test]
fn input_that_changed_after_it_was_submitted_is_an_error() {
    let place = Place::new();
    let input = place.input("moving.txt", "one two three\n");
    let cluster = place.cluster();
    let (job, output) = place.job("wc").input(&input).hand_in(&cluster);
    fs::write(&input, "one\n").unwrap();
    let worker = cluster.worker(1);
    cluster.until_state(&job, "failed");
    let ended = cluster.ask(["job", &job]).failed();
    assert!(ended.stdout().contains("moving.txt") && ended.stdout().contains("changed"), "{ended}");
    assert!(!output.join("_SUCCESS").exists());
    cluster.end(vec![worker]);
}

#[test]
fn input_overwritten_with_as_many_bytes_after_it_was_submitted_is_an_error() {
    let place = Place::new();
    let input = place.input("moving.txt", "one two three\n");
    let modified = || fs::metadata(&input).unwrap().modified().unwrap();
    let before = modified();
    let cluster = place.cluster();
    let (job, output) = place.job("wc").input(&input).hand_in(&cluster);
    while modified() == before {
        fs::write(&input, "six ten seven\n").unwrap();
    }
    let worker = cluster.worker(1);
    cluster.until_state(&job, "failed");
    let ended = cluster.ask(["job", &job]).failed();
    assert!(
        ended.stdout().contains("moving.txt") && ended.stdout().contains("still has 14 bytes"),
        "{ended}"
    );
    assert!(!output.join("_SUCCESS").exists());
    cluster.end(vec![worker]);
}
