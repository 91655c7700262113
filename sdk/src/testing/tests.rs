//! What authors rest on: what is told when an app fails, which state lasts, and that wrong apps are found out.

use super::*;
use crate::prelude::*;

/// An app that is only a map from lines.
macro_rules! lines_app {
    ($name:ident, $line:ident, $emit:ident, $map:expr) => {
        #[derive(Default)]
        struct $name;
        impl App for $name {
            type Key = str;
            type Value = u64;
            fn map(&mut self, split: &Split<'_>, $emit: &mut Emit<'_, Self>) -> Result<()> {
                for $line in split.lines() {
                    $map
                }
                Ok(())
            }
        }
    };
}

fn lines(text: &str) -> TestJob {
    TestJob::new().input("doc", text)
}

lines_app!(Panics, line, _emit, assert!(line != b"bad", "cannot take {:?}", "bad"));
lines_app!(Fails, line, _emit, {
    if line == b"bad" {
        bail!("this is bad")
    }
});

#[test]
fn a_panic_is_told_with_its_message_and_place() {
    let failure = run::<Panics>(&lines("good\nbad\nnever")).unwrap_err();
    assert!(failure.panicked);
    assert_eq!(failure.to_string(), "map of doc at byte 5: the app panicked: cannot take \"bad\"");
}

#[test]
fn an_error_is_told_with_its_message_and_place() {
    let failure = run::<Fails>(&lines("good\nbad\nnever")).unwrap_err();
    assert!(!failure.panicked);
    assert_eq!(failure.to_string(), "map of doc at byte 5: this is bad");
    run::<Fails>(&lines("good\n")).unwrap();
}

/// Counts lines in a field, which must not outlive an attempt.
#[derive(Default)]
struct Counts {
    greeting: String,
    lines: u64,
}

impl App for Counts {
    type Key = str;
    type Value = u64;
    const PARAMS: &'static [Param] = &[Param::with_default("greeting", "hello", "what to call it")];

    fn setup(&mut self, params: &Params) -> Result<()> {
        assert_eq!(self.lines, 0);
        self.greeting = params.required("greeting")?.to_owned();
        Ok(())
    }

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        self.lines += split.lines().count() as u64;
        emit.count("blocks of odd lines", 1);
        emit.count("blocks of odd lines", -1);
        Ok(())
    }

    fn finish_map(&mut self, emit: &mut Emit<'_, Self>) -> Result<()> {
        emit.pair(&self.greeting, self.lines);
        emit.count("lines", self.lines as i64);
        Ok(())
    }

    fn reduce(&mut self, greeting: &str, lines: Values<'_, u64>, _: &mut Output<'_>) -> Result<()> {
        assert_eq!(greeting, self.greeting);
        self.lines += lines.sum::<u64>();
        Ok(())
    }

    fn finish_reduce(&mut self, out: &mut Output<'_>) -> Result<()> {
        if self.lines > 0 {
            out.pair(&self.greeting, self.lines);
            out.count("written", 1);
        }
        Ok(())
    }
}

#[test]
fn state_lasts_as_long_as_an_attempt() {
    let job = lines("one\ntwo\nthree\n").input("other", "four").arg("greeting", "hi");
    let outcome = run_every_way::<Counts>(&job).unwrap();
    assert_eq!(outcome.text(), "hi 4\n");
    let expected = [("blocks of odd lines", 0), ("lines", 4), ("written", 1)];
    assert_eq!(outcome.counters, expected.map(|(name, sum)| (name.to_owned(), sum)).into());
}

/// An app whose combine is wrong: it counts.
#[derive(Default)]
struct BadCombine;

impl App for BadCombine {
    type Key = str;
    type Value = u64;
    const COMBINE: Option<Combine<Self>> = Some(|total, _| *total += 1);

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        split.words().for_each(|word| emit.pair(word, 1));
        Ok(())
    }

    fn reduce(&mut self, word: &str, counts: Values<'_, u64>, out: &mut Output<'_>) -> Result<()> {
        out.pair(word, counts.fold(0, |total, _| total + 1));
        Ok(())
    }
}

#[test]
fn a_combine_that_changes_the_result_is_found_out() {
    let failure = run_every_way::<BadCombine>(&lines("a a\nb a\na b\n")).unwrap_err();
    assert!(failure.message.contains("the job gives something else: `a "), "{failure}");
}

lines_app!(PerBlock, line, emit, {
    emit.pair("lines", 1);
    let _ = line;
    break;
});

#[test]
fn a_result_that_depends_on_the_blocks_is_found_out() {
    let failure = run_every_way::<PerBlock>(&lines("a\nb\nc\nd\n")).unwrap_err();
    assert!(failure.message.contains("something else"), "{failure}");
}

/// Typed compound keys, lent pairs, the default reduce, own partitions.
#[derive(Default)]
struct Visits;

impl App for Visits {
    type Key = (String, Descending<u32>);
    type Value = (char, Bytes);
    const PARTITION: Option<Partition<Self>> = Some(|(page, _), partitions| page.len() as u32 % partitions);

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        for line in split.lines() {
            let (page, day) = str::from_utf8(line)?.split_once(' ').ok_or_else(|| Error::new("no day"))?;
            emit.pair_ref(&(page, Descending(day.parse::<u32>()?)), &('v', line));
        }
        Ok(())
    }
}

#[test]
fn pairs_come_out_in_the_order_of_their_type() {
    let outcome = run_every_way::<Visits>(&lines("b 9\na 1\na 10\naa 5\na 10\n")).unwrap();
    assert_eq!(outcome.text(), "a 10 v a 10\na 10 v a 10\na 1 v a 1\naa 5 v aa 5\nb 9 v b 9\n");
    let two = run::<Visits>(&lines("b 9\na 1\naa 5\n").reduces(2)).unwrap();
    assert_eq!(two.outputs, [b"aa 5 v aa 5\n".as_slice(), b"a 1 v a 1\nb 9 v b 9\n"]);
}

#[test]
fn errors_of_other_kinds_convert_and_keep_their_place() {
    let failure = run::<Visits>(&lines("a 1\nb x\n")).unwrap_err();
    assert_eq!(failure.to_string(), "map of doc at byte 4: invalid digit found in string");
}

#[derive(Default)]
struct BadPartition;

impl App for BadPartition {
    type Key = u32;
    type Value = ();
    const PARTITION: Option<Partition<Self>> = Some(|&key, _| key);

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        split.lines().for_each(|line| emit.pair(&(line.len() as u32), ()));
        Ok(())
    }
}

#[test]
fn a_partition_that_is_not_there_is_an_error() {
    let message = run::<BadPartition>(&lines("a\n\nccc").reduces(3)).unwrap_err().message;
    assert_eq!(message, "the app put a key into partition 3 of 3; they count from 0");
}

/// No reduce; writes pairs in its own way and lines besides.
#[derive(Default)]
struct MapOnly;

impl App for MapOnly {
    type Key = [u8];
    type Value = u64;
    const MAP_ONLY: bool = true;
    const INPUT: Input = Input::Records(3);

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        for record in split.records() {
            emit.pair(record, record.len() as u64);
            emit.pair_ref(record, &0);
            emit.output().write(b"|");
        }
        Ok(())
    }

    fn write(key: &[u8], value: &u64, out: &mut Output<'_>) {
        out.line((value, key));
    }
}

#[test]
fn a_map_without_reduce_writes_in_order() {
    let outcome = run_every_way::<MapOnly>(&lines("abcdef")).unwrap();
    assert_eq!(outcome.text(), "3 abc\n0 abc\n|3 def\n0 def\n|");
    assert_eq!((outcome.records, outcome.runs), (6, 0));
}

#[test]
fn a_block_that_is_not_whole_records_is_an_error() {
    let failure = run::<MapOnly>(&lines("abcd")).unwrap_err();
    assert_eq!(failure.message, "4 bytes are not whole records of 3");
}

/// Takes some values as they are encoded and leaves the rest.
#[derive(Default)]
struct TakesSome;

impl App for TakesSome {
    type Key = u8;
    type Value = Bytes;
    const INPUT: Input = Input::File;

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        for line in split.lines() {
            emit.pair_ref(&(line.len() as u8), line);
        }
        Ok(())
    }

    fn reduce(&mut self, length: &u8, mut lines: Values<'_, Bytes>, out: &mut Output<'_>) -> Result<()> {
        for _ in 0..*length {
            if let Some(line) = lines.next_encoded() {
                out.pair(length, line);
            }
        }
        Ok(())
    }
}

#[test]
fn values_need_not_all_be_taken() {
    let job = lines("a\nb\nxx\nyy\nzz").input("other", "c");
    assert_eq!(run_every_way::<TakesSome>(&job).unwrap().text(), "1 a\n2 xx\n2 yy\n");
}

#[test]
fn an_app_with_a_reduce_writes_plain_pairs_when_there_are_no_partitions() {
    let outcome = run::<BadCombine>(&lines("b a").reduces(0)).unwrap();
    assert_eq!(outcome.text(), "b 1\na 1\n");
}

#[test]
fn an_empty_job_gives_empty_outputs() {
    let outcome = run_every_way::<BadCombine>(&TestJob::new().reduces(2)).unwrap();
    assert_eq!(outcome.outputs, [b"", b""]);
}

#[test]
fn much_output_goes_out_in_pieces_of_whole_records() {
    let text: String = (0..20_000).map(|n| format!("{n:>20}\n")).collect();
    let outcome = run::<TakesSome>(&TestJob::new().input("doc", &text)).unwrap();
    assert_eq!(outcome.records, 20);
}

/// Lines as numbers in a total order, which is not that of their text.
#[derive(Default)]
struct Ordered;

impl App for Ordered {
    type Key = i64;
    type Value = ();
    const TOTAL_ORDER: bool = true;

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        for line in split.text()?.lines() {
            emit.pair(&line.parse()?, ());
        }
        Ok(())
    }

    fn reduce(&mut self, number: &i64, repeats: Values<'_, ()>, out: &mut Output<'_>) -> Result<()> {
        repeats.for_each(|()| out.line(number));
        Ok(())
    }
}

#[test]
fn outputs_of_a_total_order_are_sorted_one_after_the_other() {
    let numbers = (-40_i64..40).map(|n| n * n * n);
    let text: String = numbers.clone().rev().map(|n| format!("{n}\n")).collect();
    let outcome = run_every_way::<Ordered>(&lines(&text).reduces(5)).unwrap();
    assert_eq!(outcome.text(), numbers.map(|n| format!("{n}\n")).collect::<String>());
    assert_eq!(outcome.outputs.len(), 5);
    assert!(outcome.outputs.iter().all(|output| !output.is_empty()));
}

#[test]
fn a_total_order_of_few_keys_leaves_outputs_empty() {
    let outcome = run_every_way::<Ordered>(&lines("7\n7\n7\n").reduces(4)).unwrap();
    assert_eq!(outcome.text(), "7\n7\n7\n");
    assert_eq!(run_every_way::<Ordered>(&lines("").reduces(3)).unwrap().text(), "");
}

/// Writes what it has seen before the key, so its output depends on the cuts.
#[derive(Default)]
struct CutsShow {
    lines: u64,
}

impl App for CutsShow {
    type Key = [u8];
    type Value = ();
    const TOTAL_ORDER: bool = true;

    fn map(&mut self, split: &Split<'_>, emit: &mut Emit<'_, Self>) -> Result<()> {
        split.lines().for_each(|line| emit.pair(line, ()));
        Ok(())
    }

    fn reduce(&mut self, _: &[u8], _: Values<'_, ()>, out: &mut Output<'_>) -> Result<()> {
        out.line(self.lines % 2);
        self.lines += 1;
        Ok(())
    }
}

#[test]
fn in_a_total_order_the_order_of_all_output_is_compared() {
    let failure = run_every_way::<CutsShow>(&lines("a\nb\nc\nd\ne\nf\n").reduces(2)).unwrap_err();
    assert_eq!(failure.stage, Stage::Check);
    assert!(failure.message.contains("the job gives something else"), "{failure}");
}
